//! The command: asks the running agent or, without one, uses the configuration. The output names its source.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::{
    config::{Config, Overrides},
    control::{self, ControlError, Request},
    exempt::with_added,
    explain::{Explanation, Query, explain},
    stdout, wall_clock,
};

/// What to explain, and how.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// The question.
    pub query: Query,
    /// Configuration file.
    pub config: Option<PathBuf>,
    /// State directory of the agent, instead of the configuration's.
    pub state_dir: Option<PathBuf>,
    /// Whether to ignore a running agent.
    pub no_agent: bool,
    /// JSON instead of text.
    pub json: bool,
}

/// Explains on standard output.
///
/// # Errors
/// If the configuration has mistakes, or an agent runs and does not answer.
pub fn run(request: &ExplainRequest) -> Result<ExitCode> {
    let overrides = Overrides { state_dir: request.state_dir.clone(), ..Overrides::default() };
    let config = with_added(Config::load(request.config.as_deref(), &overrides)?)?;
    let now = wall_clock::now();
    let of_file = match &request.config {
        Some(path) => path.display().to_string(),
        None => "the built-in defaults".to_owned(),
    };
    let (asked, explanation) = if request.no_agent {
        (of_file, explain(&config, &request.query, now))
    } else {
        match of_agent(&config.state_dir, &request.query)? {
            Ok(explanation) => {
                let socket = control::socket(&config.state_dir);
                (format!("the running agent at {}", socket.display()), explanation)
            }
            Err(reason) => (format!("{of_file}; {reason}"), explain(&config, &request.query, now)),
        }
    };
    stdout::write(|out| {
        if !request.json {
            return write!(out, "asked: {asked}\n{explanation}");
        }
        serde_json::to_writer_pretty(&mut *out, &json!({ "asked": asked, "explanation": explanation }))?;
        writeln!(out)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The agent's explanation, or why there is no agent.
fn of_agent(state_dir: &Path, query: &Query) -> Result<std::result::Result<Explanation, String>> {
    let answer = match control::ask(state_dir, &Request::Explain(*query)) {
        Ok(answer) => answer,
        Err(ControlError::NotThere { path, source }) => {
            return Ok(Err(format!("no agent answers at {} ({source})", path.display())));
        }
        Err(error) => return Err(error.into()),
    };
    if !answer.done {
        bail!("the running agent gives no explanation: {}; --no-agent uses the configuration", answer.text);
    }
    let explanation = serde_json::from_str(&answer.text)
        .context("the answer of the running agent is not understood; do both have the same version?")?;
    Ok(Ok(explanation))
}
