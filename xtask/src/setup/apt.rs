//! Installs Debian packages without starting the services in them, and without removing any package.

use std::process::Stdio;

use anyhow::Context;

use crate::privilege::Privilege;

/// Runs as root; what it is given are the packages. One script, so that one sudo serves and so that it undoes what it
/// did also when it is interrupted.
const SCRIPT: &str = include_str!("install_packages.sh");

/// Installs `packages`.
pub(super) fn install(packages: &[&str], privilege: Privilege) -> anyhow::Result<()> {
    let mut command = privilege.command("/bin/sh").context("no right to install packages here")?;
    if packages.contains(&"samba") {
        println!("samba's services are not started, and are disabled afterwards where samba is new here");
    }
    // Announced by its effect: the words of the script itself would tell nobody anything.
    println!("installing Debian packages: {}", packages.join(" "));
    command.args(["-c", SCRIPT, "install_packages"]).args(packages).stdin(Stdio::null());
    let status = command.status().context("running apt-get")?;
    anyhow::ensure!(status.success(), "apt-get could not install {}", packages.join(" "));
    Ok(())
}
