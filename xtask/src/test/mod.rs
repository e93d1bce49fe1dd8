//! Runs every test of the workspace and ends with a line that counts them all.

mod privileged;
mod skips;
mod summary;

use std::{
    env,
    process::{Command, ExitCode},
    thread,
};

use crate::{
    build::build_debug,
    cargo::cargo,
    privilege::Privilege,
    setup,
    steps::{Step, Steps},
};
use skips::SkipLog;
use summary::Summary;

/// Tests that run at a time, for each CPU: most of them wait for other programs most of the time.
const TESTS_PER_CPU: usize = 2;

/// Says to the test programs how many tests run at a time; what the caller said counts.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// Sets up, builds, runs the tests and prints the counts. Fails if a test fails, or if no test ran.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("test")?;
    setup::prepare(&steps, setup::Purpose::Tests)?;
    // Tests of the whole run this program; they look for it beside themselves.
    build_debug(&steps, "sensor-user", "smb-sensor")?;
    steps.run("Build the tests", |step| step.command(cargo_test().arg("--no-run")))?;

    let skip_log = SkipLog::create()?;
    let mut command = cargo_test();
    command.arg("--no-fail-fast").env(skips::VARIABLE, skip_log.path());
    if env::var_os(TEST_THREADS).is_none() {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        command.env(TEST_THREADS, (TESTS_PER_CPU * cpus).to_string());
    }
    match Privilege::detect() {
        Privilege::Root => {}
        Privilege::Sudo => privileged::through_sudo(&mut command)?,
        Privilege::SudoWithPassword | Privilege::None => {
            println!(
                "Tests that need root are skipped: this user is not root and sudo would ask for a password"
            );
        }
    }
    let mut summary = Summary::default();
    steps.run("Run the tests", |step| {
        let succeeded = run_tests(step, &mut command, &mut summary)?;
        summary.end(succeeded);
        Ok(())
    })?;
    summary.skip_self_reported(skip_log.read()?);

    for output in summary.failure_output() {
        println!("\n{output}");
    }
    println!("\nThe output of every test is in {}\n{summary}", steps.log_path().display());
    Ok(if summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo_test() -> Command {
    let mut command = cargo();
    command.args(["test", "--workspace"]);
    command
}

/// Runs cargo and counts from its output; returns whether cargo succeeded.
fn run_tests(step: &Step<'_>, command: &mut Command, summary: &mut Summary) -> anyhow::Result<bool> {
    let status = step.lines(command, |line| {
        summary.read_line(line);
        true
    })?;
    Ok(status.success())
}
