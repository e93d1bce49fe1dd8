//! `smb-sensor report`: sums up the incidents of a period in the store, as text, JSON or a page with pictures.

mod arguments;
mod content;
mod exempted;
mod html;
mod loss;
mod pairs;
mod picture;
mod severities;
mod text;
mod verdicts;
mod weeks;

use std::{
    fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, process::ExitCode,
};

use anyhow::{Context as _, Result, bail};

pub use self::arguments::{EXAMPLES, ReportArgs};
use self::content::Report;
use crate::{
    config::{BadThreatList, Config, Overrides},
    exempt::with_added,
    stdout,
    storage::Reader,
    wall_clock,
};

/// Runs the command.
///
/// # Errors
/// If the configuration or the store cannot be read, or the file cannot be written.
pub fn run(args: &ReportArgs) -> Result<ExitCode> {
    let now = wall_clock::now();
    let until = args.until.unwrap_or(now);
    if args.since >= until {
        bail!("--until is not later than --since: there is no time between them");
    }
    let overrides = Overrides { state_dir: args.state_dir.clone(), ..Overrides::default() };
    let config = with_added(Config::load_with(args.config.as_deref(), &overrides, BadThreatList::LeftOut)?)?;
    let reader = Reader::open(&config.state_dir)?;
    let report = Report::read(&reader, &config.exemptions, (args.since, until), now)?;
    let text = match &args.html {
        Some(path) => {
            write_file(path, &html::page(&report)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            format!("Wrote {}\n", path.display())
        }
        None if args.json => serde_json::to_string(&report)? + "\n",
        None => text::text(&report),
    };
    stdout::write(|out| write!(out, "{text}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file. A new one is for its owner alone, because it names hosts and users.
fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
