//! Installs Debian packages without starting their services and without removing any package.

use anyhow::Context;

use crate::{privilege::Privilege, steps::Steps};

/// Runs as root with the packages as arguments. It is one script so that one sudo is enough and so that it cleans up even when it
/// is interrupted.
const SCRIPT: &str = include_str!("install_packages.sh");

/// Installs `packages`, as a step that names them.
pub(super) fn install(steps: &Steps, packages: &[&str], privilege: Privilege) -> anyhow::Result<()> {
    let mut command = privilege.command("/bin/sh").context("this user may not install packages")?;
    command.args(["-c", SCRIPT, "install_packages"]).args(packages);
    steps
        .run(&format!("Install Debian packages: {}", packages.join(" ")), |step| {
            step.with_terminal(|| privilege.ask_password());
            step.command(&mut command)
        })
        .with_context(|| format!("apt-get could not install {}", packages.join(" ")))
}
