//! A real nmbd inside a namespace, with all its files in a scratch folder.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::smbd::STATE_FOLDERS;
use crate::{Namespace, Process, Scratch, poll, scratch_dir};

/// The name of the machine.
pub const COMPUTER: &str = "LABSRV";
/// Its workgroup.
pub const WORKGROUP: &str = "LAB";

/// It registers its names after nobody objected for some seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
const ONE_TRY: Duration = Duration::from_millis(500);

/// A running nmbd. Dropping it removes it and its files.
pub struct Nmbd {
    // Drop order: first the process, then its files.
    process: Process,
    scratch: Scratch,
}

impl Nmbd {
    /// Starts nmbd in `namespace`, whose `eth0` has this address in a network of 256, and returns when it reports that it
    /// has its name.
    ///
    /// # Errors
    /// When Samba is missing or does not come up within 60 s; the error quotes its log.
    pub fn start(namespace: &Namespace, address: Ipv4Addr) -> Result<Self> {
        Self::with(namespace, address, None)
    }

    /// The same, and announces itself to the machine `to` at once.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn announcing(namespace: &Namespace, address: Ipv4Addr, to: Ipv4Addr) -> Result<Self> {
        Self::with(namespace, address, Some(to))
    }

    fn with(namespace: &Namespace, address: Ipv4Addr, announced_to: Option<Ipv4Addr>) -> Result<Self> {
        let scratch = scratch_dir()?;
        let root = scratch.path();
        for (_, name) in STATE_FOLDERS {
            let folder = root.join(name);
            fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let path = root.join("smb.conf");
        fs::write(&path, configuration(root, announced_to))
            .with_context(|| format!("write {}", path.display()))?;
        let mut command = namespace.tree_command("nmbd");
        command.args(["--foreground", "--no-process-group", "--configfile"]).arg(path);
        let process = Process::spawn(command)?;
        let mut nmbd = Self { process, scratch };
        nmbd.wait_for_name(namespace, address)?;
        Ok(nmbd)
    }

    /// From inside the server's own namespace, so that no packet crosses a link.
    fn wait_for_name(&mut self, namespace: &Namespace, address: Ipv4Addr) -> Result<()> {
        let process = &mut self.process;
        let ready = namespace.run(|| {
            poll(READY_WITHIN, || match names(address) {
                Ok(answer) if has_name(&answer) => Some(true),
                _ => (!process.is_running()).then_some(false),
            })
        })?;
        match ready {
            Some(true) => Ok(()),
            Some(false) => bail!("nmbd ended before it had its name; {}", self.last_words()),
            None => bail!("nmbd does not have its name within {READY_WITHIN:?}; {}", self.last_words()),
        }
    }

    fn last_words(&self) -> String {
        let output: Vec<String> = self.process.lines().into_iter().map(|line| line.text).collect();
        let log = fs::read_to_string(self.scratch.path().join("nmbd.log")).unwrap_or_default();
        format!("it wrote:\n{}\nand logged:\n{log}", output.join("\n"))
    }
}

fn configuration(root: &Path, announced_to: Option<Ipv4Addr>) -> String {
    let root = root.display();
    let mut lines = vec![
        "[global]".to_owned(),
        format!("workgroup = {WORKGROUP}"),
        format!("netbios name = {COMPUTER}"),
        "server role = standalone server".to_owned(),
        "interfaces = eth0".to_owned(),
        // No elections: they take a minute and change the names.
        "local master = no".to_owned(),
        "domain master = no".to_owned(),
        "dns proxy = no".to_owned(),
        format!("log file = {root}/nmbd.log"),
        "max log size = 0".to_owned(),
        format!("nmbd:socket dir = {root}/sockets"),
    ];
    lines.extend(STATE_FOLDERS.map(|(key, name)| format!("{key} = {root}/{name}")));
    lines.extend(announced_to.map(|to| format!("remote announce = {to}/{WORKGROUP}")));
    lines.join("\n") + "\n"
}

/// Asks for the names of the machine (RFC 1002 4.2.17).
fn names(address: Ipv4Addr) -> Result<Vec<u8>> {
    const HEADER: [u8; 12] = [0x4C, 0x41, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    const ANY_NAME: &[u8] = b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0";
    const NODE_STATUS: [u8; 4] = [0, 0x21, 0, 1];
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(ONE_TRY))?;
    socket.connect((address, 137))?;
    socket.send(&[&HEADER, ANY_NAME, &NODE_STATUS].concat())?;
    let mut answer = [0; 1024];
    let length = socket.recv(&mut answer)?;
    Ok(answer[..length].to_vec())
}

/// Whether the answer has the name of a file server.
fn has_name(answer: &[u8]) -> bool {
    let wanted = [format!("{COMPUTER:<15}").as_bytes(), &[0x20]].concat();
    answer.windows(wanted.len()).any(|part| part == wanted)
}
