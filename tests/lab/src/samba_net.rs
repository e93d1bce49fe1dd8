//! Samba's program `net`, run inside a namespace and bounded in time: it administers a server by remote procedure calls.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::smbd::STATE_FOLDERS;
use crate::{Namespace, Outcome, PASSWORD, Process, USER, scratch_dir};

const TIME_LIMIT: Duration = Duration::from_secs(60);

/// `net` for one server, as [`USER`]. It sends each call to a pipe by FSCTL_PIPE_TRANSCEIVE; impacket's clients write to the pipe and
/// read the answer from it.
pub struct SambaNet<'a> {
    namespace: &'a Namespace,
    server: IpAddr,
}

impl<'a> SambaNet<'a> {
    /// `net` inside `namespace` for the server at that address.
    #[must_use]
    pub fn new(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self { namespace, server: server.into() }
    }

    /// Creates a key of the registry, for example `HKLM\SOFTWARE\lab`.
    ///
    /// # Errors
    /// When `net` cannot be run or takes longer than a minute; a refusal is an [`Outcome`].
    pub fn create_registry_key(&self, key: &str) -> Result<Outcome> {
        let scratch = scratch_dir()?;
        let root = scratch.path();
        let mut configuration = "[global]\n".to_owned();
        for (folder, name) in STATE_FOLDERS {
            let path = root.join(name);
            fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
            configuration.push_str(&format!("{folder} = {}\n", path.display()));
        }
        let path = root.join("smb.conf");
        fs::write(&path, configuration).with_context(|| format!("write {}", path.display()))?;
        let mut command = self.namespace.command("net");
        command.arg("-s").arg(&path).args(["rpc", "registry", "createkey", key]);
        command.args(["-S", &self.server.to_string(), "-U", &format!("{USER}%{PASSWORD}")]);
        Outcome::of(Process::spawn(command)?, TIME_LIMIT)
    }
}
