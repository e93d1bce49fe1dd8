//! Runs every test of the workspace and counts them all in one closing line.

mod privileged;
mod skips;
mod summary;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};

use crate::cargo::cargo;
use crate::privilege::Privilege;
use crate::setup;
use skips::SkipLog;
use summary::Summary;

/// Sets up, runs the tests and counts. Fails if a test fails, or if none was run.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let ready = setup::run(&setup::Arguments::default())?;
    if ready != ExitCode::SUCCESS {
        return Ok(ready);
    }
    build_agent()?;
    let privilege = Privilege::detect();
    let skip_log = SkipLog::create()?;
    let mut summary = Summary::default();

    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).env(skips::VARIABLE, skip_log.path());
    match privilege {
        Privilege::Root => {}
        Privilege::Sudo => privileged::through_sudo(&mut command)?,
        Privilege::SudoWithPassword | Privilege::None => {
            println!("neither root nor sudo without a password: leaving out the tests that need root");
        }
    }
    let finished = stream(&mut command, &mut summary)?;
    summary.end(finished);
    summary.skip_self_reported(skip_log.read()?);

    println!("\n{summary}");
    Ok(if summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the program that the tests of the whole run; they look for it beside themselves.
fn build_agent() -> anyhow::Result<()> {
    let status = cargo()
        .args(["build", "--package", "sensor-user", "--bin", "smb-sensor"])
        .status()
        .context("running cargo build")?;
    if !status.success() {
        bail!("cargo build of smb-sensor failed, see above");
    }
    Ok(())
}

/// Runs cargo, shows its output as it comes and counts in it; says whether cargo ended well.
fn stream(command: &mut Command, summary: &mut Summary) -> anyhow::Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("running cargo test")?;
    let Some(output) = child.stdout.take() else { bail!("cargo test has no output to read") };
    let mut terminal = std::io::stdout();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading the output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        summary.read_line(&line);
        writeln!(terminal, "{line}").context("showing the output of cargo test")?;
    }
    Ok(child.wait().context("waiting for cargo test")?.success())
}
