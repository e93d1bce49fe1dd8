//! The real `smb-sensor` program, running in a namespace.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use sensor_lab::{Namespace, Process, Signal, poll};
use serde_json::Value;
use tempfile::TempDir;

/// Time that the agent is given for anything it is to do.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running agent. It is killed on drop; [`stop`](Self::stop) ends it in an orderly way.
pub struct Agent {
    process: Process,
    _scratch: TempDir,
}

/// How an agent is started.
pub struct AgentBuilder<'a> {
    namespace: &'a Namespace,
    arguments: Vec<String>,
    state_dir: Option<PathBuf>,
}

/// What an agent had said when it ended.
pub struct Ended {
    /// Alert documents, in the order of writing.
    pub documents: Vec<Value>,
    /// The last statistics line.
    pub statistics: String,
    /// Whether it ended with success.
    pub success: bool,
}

impl Agent {
    /// An agent on `interface` of `namespace`, with its own state directory.
    #[must_use]
    pub fn on<'a>(namespace: &'a Namespace, interface: &str) -> AgentBuilder<'a> {
        AgentBuilder { namespace, arguments: vec!["--iface".into(), interface.into()], state_dir: None }
    }

    /// The program under test: the one that `SMB_SENSOR_BIN` names, else the one built beside the tests.
    ///
    /// # Errors
    /// When there is none.
    pub fn program() -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("SMB_SENSOR_BIN") {
            return Ok(path.into());
        }
        let tests = std::env::current_exe().context("cannot tell where the tests are")?;
        let beside = tests.parent().and_then(Path::parent).map(|profile| profile.join("smb-sensor"));
        beside
            .filter(|path| path.exists())
            .context("smb-sensor is not built beside the tests: run `cargo build` first, or `cargo xtask test`")
    }

    /// Documents written so far.
    #[must_use]
    pub fn documents(&self) -> Vec<Value> {
        self.process.stdout_lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What it told on standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr_lines().join("\n")
    }

    /// Waits until a document fits.
    ///
    /// # Errors
    /// When none does in time; the error shows what there was.
    pub fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        poll(PATIENCE, || self.documents().into_iter().find(|document| fits(document)))
            .with_context(|| format!("no such alert; there are {:#?}\n{}", self.documents(), self.log()))
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it with SIGINT and gives all it said.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<Ended> {
        self.process.signal(Signal::SIGINT)?;
        let status = self.process.wait(PATIENCE)?;
        let statistics = self
            .process
            .stderr_lines()
            .into_iter()
            .rfind(|line| line.contains("statistics:"))
            .with_context(|| format!("no statistics at the end:\n{}", self.log()))?;
        Ok(Ended { documents: self.documents(), statistics, success: status.success() })
    }
}

impl AgentBuilder<'_> {
    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|one| (*one).to_owned()));
        self
    }

    /// Uses this state directory.
    #[must_use]
    pub fn state_dir(mut self, path: &Path) -> Self {
        self.state_dir = Some(path.to_owned());
        self
    }

    /// Uses a configuration file with this text.
    ///
    /// # Errors
    /// When the agent does not become ready; the error shows what it told.
    pub fn start_with_config(mut self, text: &str) -> Result<Agent> {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("smb-sensor.toml");
        std::fs::write(&path, text)?;
        self.arguments.extend(["--config".into(), path.display().to_string()]);
        self.launch(scratch)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When the agent does not become ready; the error shows what it told.
    pub fn start(self) -> Result<Agent> {
        self.launch(tempfile::tempdir()?)
    }

    fn launch(self, scratch: TempDir) -> Result<Agent> {
        let state_dir = self.state_dir.unwrap_or_else(|| scratch.path().join("state"));
        let mut command = self.namespace.command(Agent::program()?);
        command.arg("run").arg("--state-dir").arg(state_dir).args(&self.arguments);
        let process = Process::spawn(command)?;
        let ready = process.wait_for_line(PATIENCE, |line| line.contains("ready:"));
        let agent = Agent { process, _scratch: scratch };
        if ready.is_err() {
            bail!("the agent did not become ready:\n{}", agent.log());
        }
        Ok(agent)
    }
}

impl Ended {
    /// The distinct alerts: rule and id.
    #[must_use]
    pub fn alerts(&self) -> BTreeSet<(String, String)> {
        self.documents
            .iter()
            .map(|document| (text(document, "/rule/id").to_owned(), text(document, "/event/id").to_owned()))
            .collect()
    }

    /// The rules of the distinct alerts, sorted.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        self.alerts().into_iter().map(|(rule, _)| rule).collect()
    }

    /// A number of the statistics line by its name.
    ///
    /// # Errors
    /// When the line has no such number.
    pub fn number(&self, name: &str) -> Result<u64> {
        let key = format!("{name}=");
        self.statistics
            .split_whitespace()
            .find_map(|word| word.strip_prefix(&key))
            .and_then(|value| value.trim_end_matches([';', ',']).parse().ok())
            .with_context(|| format!("no number {name} in {:?}", self.statistics))
    }
}

/// The text at `pointer`, or an empty one.
#[must_use]
pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
