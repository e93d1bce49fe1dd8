//! Finds the tools that the build, the demo and the tests need, and installs missing ones.
//!
//! It names each package before it installs it, changes no default toolchain and starts no service. Where it may not install
//! anything, it prints the commands to run by hand.

mod apt;
mod axe;
mod by_hand;
mod compiler;
mod programs;
mod python_peers;
mod system;

use std::process::{Command, ExitCode};

use anyhow::bail;
use bpf_toolchain::{LINKER_VARIABLE, LINKER_VERSION, RUSTC_VARIABLE, Toolchain};
use sensor_lab::python;

use crate::cargo::cargo;
use crate::privilege::Privilege;
use crate::steps::Steps;
use by_hand::ByHand;
use programs::Program;
pub(crate) use programs::find;
use system::System;

/// Arguments of `setup`.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// List missing tools and install nothing; exit code 1 if anything is missing
    #[arg(long)]
    check: bool,
}

/// What the tools are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The demo, which needs the least.
    Demo,
    /// Everything, the tests included.
    Tests,
}

/// The task `setup`: installs what is missing and lists the result.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if !arguments.check {
        prepare(&Steps::begin("setup")?, Purpose::Tests)?;
    }
    Ok(check())
}

/// Installs what is missing, one step each.
///
/// # Errors
/// If something is still missing, with the commands to run by hand.
pub(crate) fn prepare(steps: &Steps, purpose: Purpose) -> anyhow::Result<()> {
    let privilege = Privilege::detect();
    let system = System::detect();
    let mut by_hand = ByHand::default();

    if !programs::missing().is_empty() {
        programs::install(steps, system, privilege, &mut by_hand);
    }
    if let Err(missing) = Toolchain::find() {
        if let Some(reason) = &missing.rustc {
            refuse_explicit_choice(RUSTC_VARIABLE, reason)?;
            compiler::install(steps, system, privilege, &mut by_hand);
        }
        if let Some(reason) = &missing.linker {
            refuse_explicit_choice(LINKER_VARIABLE, reason)?;
            if let Err(error) = install_linker(steps) {
                by_hand.why(format!("bpf-linker could not be installed: {error:#}"));
            }
        }
    }
    if purpose == Purpose::Tests {
        if !python::is_made() {
            python_peers::install(steps);
        }
        programs::install_optional_programs(steps);
        if !sensor_lab::axe::script().is_file() {
            axe::install(steps);
        }
    }
    steps.run("Check tools and packages", |_| {
        if let Err(missing) = Toolchain::find() {
            by_hand.why(missing.to_string().replace("; run: cargo xtask setup", ""));
        }
        if by_hand.is_empty() { Ok(()) } else { bail!("{by_hand}") }
    })
}

/// Lists what is present and what is missing.
fn check() -> ExitCode {
    let toolchain = Toolchain::find();
    match &toolchain {
        Ok(toolchain) => toolchain.describe().lines().for_each(|line| println!("found    {line}")),
        Err(missing) => {
            let parts = [&missing.rustc, &missing.linker, &missing.llvm];
            parts.into_iter().flatten().for_each(|part| println!("missing  {part}"));
        }
    }
    for program in programs::NEEDED {
        match program.find() {
            Some(path) => println!("found    {}: {}", program.name, path.display()),
            None => println!("missing  {}: {}", program.name, program.purpose),
        }
    }
    for program in programs::OPTIONAL {
        match program.find() {
            Some(path) => println!("found    {}: {}", program.name, path.display()),
            None => println!("optional {}: {}", program.name, program.purpose),
        }
    }
    if python::is_made() {
        println!("found    impacket, smbprotocol and WsgiDAV: {}", python::folder().display());
    } else {
        println!("optional impacket, smbprotocol and WsgiDAV: {}", python_peers::PURPOSE);
    }
    if sensor_lab::axe::script().is_file() {
        println!("found    axe-core: {}", sensor_lab::axe::script().display());
    } else {
        println!("optional axe-core: {}", axe::PURPOSE);
    }
    if toolchain.is_ok() && programs::missing().is_empty() {
        println!("ready");
        ExitCode::SUCCESS
    } else {
        println!("not ready; run: cargo xtask setup");
        ExitCode::FAILURE
    }
}

/// Fails if the user chose a tool by variable and that tool does not work; setup does not override the choice.
fn refuse_explicit_choice(variable: &str, reason: &str) -> anyhow::Result<()> {
    if reason.starts_with(variable) {
        bail!("{reason}; correct or unset {variable}, then run this again");
    }
    Ok(())
}

/// Installs the BPF linker from crates.io into cargo's own folder.
fn install_linker(steps: &Steps) -> anyhow::Result<()> {
    let arguments = ["install", "bpf-linker", "--version", LINKER_VERSION, "--locked"];
    run_step(steps, "Install bpf-linker from crates.io", cargo().args(arguments))
}

/// Runs one program as a step of its own.
fn run_step(steps: &Steps, name: &str, command: &mut Command) -> anyhow::Result<()> {
    steps.run(name, |step| step.command(command))
}

/// Installs Debian packages that a task can do without, as a step that names them.
///
/// # Errors
/// If this is not Debian, the user may not install packages, or apt-get fails.
pub(crate) fn install_optional(steps: &Steps, packages: &[&str]) -> anyhow::Result<()> {
    let privilege = Privilege::detect();
    if System::detect() != System::Debian || privilege == Privilege::None {
        bail!("packages are not installed automatically here; install by hand: {}", packages.join(", "));
    }
    apt::install(steps, packages, privilege)
}

/// The packages that hold `programs`, each once, on systems whose packages are known.
fn packages(programs: &[&Program], system: System) -> Vec<&'static str> {
    let mut packages: Vec<&str> = programs.iter().filter_map(|program| program.package(system)).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}
