//! Finds what building, demo and tests need, and installs what is not there.
//!
//! It says what it installs before it does, changes no default toolchain, starts no service, and where it has no right
//! to install it says what to run by hand.

mod apt;
mod by_hand;
mod compiler;
mod programs;
mod python_peers;
mod system;

use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use bpf_toolchain::{LINKER_VARIABLE, LINKER_VERSION, RUSTC_VARIABLE, Toolchain};
use sensor_lab::python;

use crate::cargo::cargo;
use crate::privilege::Privilege;
use by_hand::ByHand;
use programs::Program;
use system::System;

/// What `setup` takes.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Only say what is missing; exit 1 if anything is
    #[arg(long)]
    check: bool,
    /// Leave out what the tests alone need
    #[arg(skip)]
    for_demo: bool,
}

impl Arguments {
    /// What the demonstration needs, and nothing that the tests alone do.
    pub(crate) fn for_demo() -> Self {
        Self { for_demo: true, ..Self::default() }
    }
}

/// Makes everything ready, or says what is left to do by hand.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.check {
        return Ok(check());
    }
    let privilege = Privilege::detect();
    let system = System::detect();
    let mut by_hand = ByHand::default();

    if !programs::missing().is_empty() {
        programs::install(system, privilege, &mut by_hand);
    }
    if let Err(missing) = Toolchain::find() {
        if let Some(reason) = &missing.rustc {
            refuse_explicit_choice(RUSTC_VARIABLE, reason)?;
            compiler::install(system, privilege, &mut by_hand);
        }
        if let Some(reason) = &missing.linker {
            refuse_explicit_choice(LINKER_VARIABLE, reason)?;
            if let Err(error) = install_linker() {
                by_hand.step(format!("{error:#}: mend what it complains of"));
            }
        }
        if let Err(missing) = Toolchain::find() {
            by_hand.why(missing.to_string().replace("; run: cargo xtask setup", ""));
        }
    }
    if !arguments.for_demo {
        if !python::is_made() {
            python_peers::install();
        }
        programs::install_attackers();
    }
    if by_hand.is_empty() {
        return Ok(check());
    }
    bail!("{by_hand}");
}

/// Lists what is there and what is not.
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
    for program in programs::ATTACKERS {
        match program.find() {
            Some(path) => println!("found    {}: {}", program.name, path.display()),
            None => println!("without  {}: {}", program.name, program.purpose),
        }
    }
    if python::is_made() {
        println!("found    impacket and smbprotocol: {}", python::folder().display());
    } else {
        println!("without  impacket and smbprotocol: {}", python_peers::PURPOSE);
    }
    if toolchain.is_ok() && programs::missing().is_empty() {
        println!("ready");
        ExitCode::SUCCESS
    } else {
        println!("not ready; run: cargo xtask setup");
        ExitCode::FAILURE
    }
}

/// A choice that the user made and that does not work is the user's to mend.
fn refuse_explicit_choice(variable: &str, reason: &str) -> anyhow::Result<()> {
    if reason.starts_with(variable) {
        bail!("{reason}; correct or unset {variable}, then run this again");
    }
    Ok(())
}

/// Installs the linker where cargo installs programs.
fn install_linker() -> anyhow::Result<()> {
    let arguments = ["install", "bpf-linker", "--version", LINKER_VERSION, "--locked"];
    run_announced(
        cargo().args(arguments),
        "the linker of BPF objects, from crates.io, into cargo's own folder",
    )
}

/// Prints what is about to be installed and with which command, then runs it.
fn run_announced(command: &mut Command, purpose: &str) -> anyhow::Result<()> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    println!("installing {purpose}: {words}");
    let status = command.status().with_context(|| format!("running {words}"))?;
    if !status.success() {
        bail!("{words}: {status}");
    }
    Ok(())
}

/// Installs Debian packages that a task can do without, announced first.
///
/// # Errors
/// Where this is not Debian, there is no right to install, or apt-get fails; in words for the user.
pub(crate) fn install_optional(packages: &[&str]) -> anyhow::Result<()> {
    let privilege = Privilege::detect();
    if System::detect() != System::Debian || privilege == Privilege::None {
        bail!("they are not installed here by themselves; by hand, the packages {}", packages.join(", "));
    }
    apt::install(packages, privilege)
}

/// The package names, for those systems whose packages are known, of what `programs` are in.
fn packages(programs: &[&Program], system: System) -> Vec<&'static str> {
    let mut packages: Vec<&str> = programs.iter().filter_map(|program| program.package(system)).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}
