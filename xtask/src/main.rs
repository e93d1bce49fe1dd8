//! Project tasks: `cargo xtask <task>`.
#![expect(clippy::print_stdout, reason = "a task reports to the person who runs it")]

mod bench;
mod build;
mod build_and_load;
mod cargo;
mod conformance;
mod demo;
mod dist;
mod fleet_sim;
mod fuzz;
mod incidents;
mod lint_imports;
mod lint_kernel;
mod lint_links;
mod page;
mod page_screenshots;
mod privilege;
mod qemu;
mod replay_report;
mod setup;
mod steps;
mod test;
mod vm_test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, runs, shows and tests smb-sensor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the tools that the build, the demo and the tests need; does nothing if all are present
    Setup(setup::Arguments),
    /// Build the release agent, attach it to interfaces and print alerts until Ctrl-C
    BuildAndLoad(build_and_load::Arguments),
    /// Watch the sensor detect real SMB sessions between temporary network namespaces
    Demo(demo::Arguments),
    /// Make the packages (.deb, .rpm, tarball), with checksums and the list of components
    Dist(dist::Arguments),
    /// Measure the cost of the sensor, compared with programs that do nothing and with other tools
    Bench(bench::Arguments),
    /// Compare the agent's reading of captures with that of tshark
    Conformance(conformance::Arguments),
    /// Replay captures in the kernel and on the host, and write the table of the results
    ReplayReport(replay_report::Arguments),
    /// Play every attack in temporary network namespaces, and write the table of the incidents
    Incidents(incidents::Arguments),
    /// Simulate a thousand sensors that publish to a cluster of NATS servers, and write the table of measurements
    FleetSim(fleet_sim::Arguments),
    /// Run random frames or prefix sets through the kernel, the host engine and an oracle until they disagree
    Fuzz(fuzz::Arguments),
    /// Run every test and count the passed, failed and skipped ones
    Test,
    /// Try the sensor on older kernels, each in a virtual machine
    VmTest(vm_test::Arguments),
    /// Lint the kernel program with the clippy of the compiler that builds it
    LintKernel,
    /// Find import circles between the top-level modules of each crate
    LintImports,
    /// Find relative links in Markdown files that lead nowhere
    LintLinks,
    /// Run the demo and draw its last screen as docs/images/demo.svg
    Screenshot,
    /// Draw the status page and a report with prepared incidents, and `smb-sensor top` with a running agent, into docs/images
    PageScreenshots,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Setup(arguments) => setup::run(&arguments),
        Task::BuildAndLoad(arguments) => build_and_load::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::ReplayReport(arguments) => replay_report::run(&arguments),
        Task::Incidents(arguments) => incidents::run(&arguments),
        Task::FleetSim(arguments) => fleet_sim::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Test => test::run(),
        Task::VmTest(arguments) => vm_test::run(&arguments),
        Task::LintKernel => lint_kernel::run(),
        Task::LintImports => lint_imports::run(),
        Task::LintLinks => lint_links::run(),
        Task::Screenshot => demo::screenshot(),
        Task::PageScreenshots => page_screenshots::run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
