//! rclone with its clients for SMB (go-smb2) and WebDAV, run inside a namespace and bounded in time.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{Namespace, Outcome, PASSWORD, Process, SHARE, USER};

const TIME_LIMIT: Duration = Duration::from_secs(30);

/// rclone as [`USER`] on [`SHARE`] of one server. It sends the four-byte header of each message in a segment of its own.
pub struct Rclone<'a> {
    namespace: &'a Namespace,
    server: IpAddr,
}

impl<'a> Rclone<'a> {
    /// A client inside `namespace` of the server at that address.
    #[must_use]
    pub fn new(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self { namespace, server: server.into() }
    }

    /// Copies the content of a folder to the share.
    ///
    /// # Errors
    /// When rclone cannot be run or takes longer than 30 s; a refusal is an [`Outcome`].
    pub fn upload(&self, folder: &Path) -> Result<Outcome> {
        let mut command = self.rclone()?;
        command.arg("copy").arg(folder).arg(format!(":smb:{SHARE}"));
        Outcome::of(Process::spawn(command)?, TIME_LIMIT)
    }

    fn rclone(&self) -> Result<Command> {
        let mut command = rclone_in(self.namespace);
        command.args(["--smb-host", &self.server.to_string(), "--smb-user", USER]);
        command.args(["--smb-pass", &obscured(PASSWORD)?]);
        Ok(command)
    }
}

/// Copies the content of a folder to a WebDAV server, with rclone's client in `namespace`.
///
/// # Errors
/// When rclone cannot be run or takes longer than 30 s; a refusal is an [`Outcome`].
pub fn upload_by_webdav(namespace: &Namespace, folder: &Path, url: &str) -> Result<Outcome> {
    let mut command = rclone_in(namespace);
    command.args(["--webdav-url", url, "copy"]).arg(folder).arg(":webdav:");
    Outcome::of(Process::spawn(command)?, TIME_LIMIT)
}

fn rclone_in(namespace: &Namespace) -> Command {
    let mut command = namespace.command("rclone");
    // No configuration and no cache of the machine; no retries.
    command.args(["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]);
    command
}

/// The password in rclone's form.
fn obscured(password: &str) -> Result<String> {
    let output = Command::new("rclone")
        .args(["obscure", password])
        .stdin(Stdio::null())
        .output()
        .context("start rclone: install the package rclone")?;
    ensure!(output.status.success(), "rclone obscure: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
