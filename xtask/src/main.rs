//! Project tasks: `cargo xtask <task>`.
#![expect(clippy::print_stdout, reason = "a task reports to the person who runs it")]

mod bench;
mod build_and_load;
mod cargo;
mod conformance;
mod demo;
mod fuzz;
mod incidents;
mod lint_kernel;
mod privilege;
mod replay_report;
mod setup;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set up, build, run, show and test smb-sensor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install what building, demo and tests need; does nothing when all is there
    Setup(setup::Arguments),
    /// Build the release agent, attach it to interfaces and show alerts until Ctrl-C
    BuildAndLoad(build_and_load::Arguments),
    /// Watch the sensor detect real SMB sessions between throw-away network namespaces
    Demo(demo::Arguments),
    /// Measure what the sensor costs, against programs that do nothing and against its peers
    Bench(bench::Arguments),
    /// Hold the reader of conversations against tshark, over every capture
    Conformance(conformance::Arguments),
    /// Replay captures in the kernel and on the host, and keep the table of what came of each
    ReplayReport(replay_report::Arguments),
    /// Play every attack in throw-away network namespaces, and keep the table of the incidents that came of each
    Incidents(incidents::Arguments),
    /// Run random frames or prefix sets through the kernel, the host engine and an oracle, until they disagree
    Fuzz(fuzz::Arguments),
    /// Run every test and count what passed, failed and was skipped
    Test,
    /// Lint the kernel program with the clippy of the compiler that compiles it
    LintKernel,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Setup(arguments) => setup::run(&arguments),
        Task::BuildAndLoad(arguments) => build_and_load::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::ReplayReport(arguments) => replay_report::run(&arguments),
        Task::Incidents(arguments) => incidents::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Test => test::run(),
        Task::LintKernel => lint_kernel::run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
