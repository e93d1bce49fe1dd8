//! Makes the packages, and tries them: in a clean Debian, in a container, and in a virtual machine.

mod chroot;
mod container;
mod daemonset;
mod guest;
mod objects;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

use crate::{
    build::{build_debug, build_release},
    cargo::{target_dir, workspace_root},
    privilege::Privilege,
    setup,
    steps::Steps,
};

/// Arguments of `dist`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder for the packages. Default: dist in the target folder
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Package this agent instead of building one, and make no source distribution
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Then install, upgrade, configure, remove and purge the packages in a clean Debian below the target folder, and unpack the
    /// tarball there, as root; and run a container with the agent as the DaemonSet for Kubernetes does
    #[arg(long = "try")]
    is_tried: bool,
    /// Then install the .deb in a virtual machine with systemd: the service starts, reports a session, and survives kill -9, a reload
    /// and a reboot
    #[arg(long)]
    guest: bool,
}

/// Programs that make packages, and their Debian packages.
const MAKERS: [(&str, &str); 2] = [("dpkg-deb", "dpkg"), ("strip", "binutils")];

/// The version of a package that the packages are an upgrade of.
const OLDER: &str = "0.0.1";

/// The task `dist`.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("dist")?;
    provide(&steps, &MAKERS)?;
    let agent = match &arguments.agent {
        Some(agent) => agent.clone(),
        None => build_release(&steps, "sensor-user", "smb-sensor")?,
    };
    let maker = build_debug(&steps, "sensor-dist", "sensor-dist")?;
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => target_dir()?.join("dist"),
    };
    let kernel_objects = tempfile::tempdir().context("making a folder")?;
    // Whoever has an agent may have no compiler for the kernel program.
    let has_source = arguments.agent.is_none();
    if has_source {
        objects::collect(&steps, kernel_objects.path())?;
    }
    let make = |output: &Path, version: Option<&str>| {
        // An upgrade is tried with packages alone.
        let objects = (has_source && version.is_none()).then(|| kernel_objects.path());
        make(&steps, &maker, &agent, objects, output, version)
    };
    make(&output, None)?;
    if has_source {
        objects::try_source(&steps, &output)?;
    }
    println!("the packages are in {}", output.display());
    if arguments.is_tried {
        let older = tempfile::tempdir().context("making a folder")?;
        make(older.path(), Some(OLDER))?;
        chroot::try_packages(&steps, older.path(), &output)?;
        container::try_container(&steps, &output)?;
    }
    if arguments.guest {
        guest::try_service(&steps, &output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the packages of an agent.
fn make(
    steps: &Steps,
    maker: &Path,
    agent: &Path,
    objects: Option<&Path>,
    output: &Path,
    version: Option<&str>,
) -> anyhow::Result<()> {
    let mut command = Command::new(maker);
    command.arg("--sources").arg(workspace_root()).arg("--agent").arg(agent).arg("--output").arg(output);
    if let Some(objects) = objects {
        command.arg("--objects").arg(objects);
    }
    if let Some(version) = version {
        command.args(["--package-version", version]);
    }
    if let Some(epoch) = last_change() {
        command.env("SOURCE_DATE_EPOCH", epoch);
    }
    let name =
        format!("Make the packages{}", version.map(|version| format!(" as {version}")).unwrap_or_default());
    steps.run(&name, |step| step.command(&mut command))
}

/// The time of the last commit, in seconds; none outside of a repository.
fn last_change() -> Option<String> {
    let mut git = Command::new("git");
    let output = git.args(["log", "-1", "--format=%ct"]).current_dir(workspace_root()).output().ok()?;
    let epoch = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!epoch.is_empty()).then_some(epoch)
}

/// Installs programs that are missing.
pub(crate) fn provide(steps: &Steps, programs: &[(&str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(name, _)| setup::find(name).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() { Ok(()) } else { setup::install_optional(steps, &missing) }
}

/// A command that runs as root.
fn as_root(program: impl AsRef<OsStr>) -> anyhow::Result<Command> {
    let Some(command) = Privilege::detect().command(program) else {
        bail!(
            "packages are tried as root, and sudo cannot be used here; run as root: cargo xtask dist --try"
        );
    };
    Ok(command)
}
