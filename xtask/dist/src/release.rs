//! The release: its version, its architecture and its time.

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};

/// Name of the packages.
pub(crate) const NAME: &str = "smb-sensor";

/// One line about it.
pub(crate) const SUMMARY: &str =
    "Sensor for SMB, NetBIOS, DCE-RPC and WebDAV that cross the border to the Internet";

/// A few lines about it.
pub(crate) const DESCRIPTION: &str = "\
Watches a gateway or host with a small program in the kernel (XDP and TC)
and reports when Windows networking crosses the border between internal
networks and the Internet: who logged on, how, to which share, and how far
it got.";

/// License of the agent.
pub(crate) const LICENSE: &str = "MIT OR Apache-2.0";

/// Who makes the packages. The address is none, by RFC 2606.
pub(crate) const MAINTAINER: &str = "The smb-sensor contributors <smb-sensor@packages.invalid>";

/// A release.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) version: String,
    /// By the name that Rust and RPM have for it.
    pub(crate) architecture: &'static str,
    /// Seconds since 1970: that of every file.
    pub(crate) epoch: u32,
}

impl Release {
    /// The release of an agent.
    pub(crate) fn of(agent: &Path, version: Option<String>) -> Result<Self> {
        let version = match version {
            Some(version) => version,
            None => version_of(agent)?,
        };
        let epoch = match env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch.parse().context("SOURCE_DATE_EPOCH is no number of seconds")?,
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().try_into()?,
        };
        Ok(Self { version, architecture: env::consts::ARCH, epoch })
    }

    /// Debian's name of the architecture.
    pub(crate) fn debian_architecture(&self) -> &'static str {
        match self.architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }

    /// The time of every file.
    pub(crate) fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.epoch.into())
    }
}

fn version_of(agent: &Path) -> Result<String> {
    let output = Command::new(agent).arg("--version").output().context("running the agent")?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().strip_prefix("smb-sensor ") {
        Some(version) => Ok(version.to_owned()),
        None => bail!("{} --version said {said:?}", agent.display()),
    }
}
