//! A real smbd inside a namespace, with all its files in a scratch folder.
//!
//! One user can log in, [`USER`] with [`PASSWORD`], without an account of that name on the machine: the name is
//! mapped to a system account that every Linux has. One share is served, [`SHARE`], with a file `hello.txt` in it.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::User;

use crate::{Namespace, Process, Scratch, poll, scratch_dir};

/// The user that can log in.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "Sesame-1001";
/// The share she can read and write.
pub const SHARE: &str = "files";

/// The system account behind the user. Not `nobody`, who stands for guests.
const ACCOUNT: &str = "daemon";
const READY_WITHIN: Duration = Duration::from_secs(30);
const ONE_TRY: Duration = Duration::from_millis(200);

/// Settings of smbd.
#[derive(Debug, Clone)]
pub struct SmbdBuilder {
    ports: Vec<u16>,
    guest: bool,
    ntlmv1: bool,
    administrator: bool,
    global: Vec<String>,
}

impl SmbdBuilder {
    /// TCP ports to listen on, on all addresses of the namespace; by default 445 and 139.
    #[must_use]
    pub fn ports(mut self, ports: &[u16]) -> Self {
        self.ports = ports.to_vec();
        self
    }

    /// Lets unknown users and anonymous ones in as guests.
    #[must_use]
    pub fn guest(mut self) -> Self {
        self.guest = true;
        self
    }

    /// Accepts NTLMv1 answers.
    #[must_use]
    pub fn ntlmv1(mut self) -> Self {
        self.ntlmv1 = true;
        self
    }

    /// Makes [`USER`] an administrator of the server, who may write to its registry.
    #[must_use]
    pub fn administrator(mut self) -> Self {
        self.administrator = true;
        self
    }

    /// Adds a line to the `[global]` section, for example `smb encrypt = required`.
    #[must_use]
    pub fn global(mut self, line: &str) -> Self {
        self.global.push(line.to_owned());
        self
    }

    /// Starts smbd in `namespace` and returns when all its ports accept connections.
    ///
    /// # Errors
    /// When Samba is missing or does not come up in time; the error quotes its log.
    pub fn start(&self, namespace: &Namespace) -> Result<Smbd> {
        let scratch = scratch_dir()?;
        let root = scratch.path();
        let share = root.join(SHARE);
        self.lay_out(root, &share)?;
        add_user(namespace, &root.join("smb.conf"))?;
        if self.administrator {
            make_administrator(namespace, &root.join("smb.conf"))?;
        }
        let mut command = namespace.tree_command("smbd");
        command.args(["--foreground", "--no-process-group", "--configfile"]).arg(root.join("smb.conf"));
        let process = Process::spawn(command)?;
        let mut smbd = Smbd { process, share, scratch };
        smbd.create_file("hello.txt", b"Hello from the laboratory.\n")?;
        for port in &self.ports {
            smbd.wait_for_port(namespace, *port)?;
        }
        Ok(smbd)
    }

    fn lay_out(&self, root: &Path, share: &Path) -> Result<()> {
        for folder in [share.to_owned()].into_iter().chain(STATE_FOLDERS.map(|(_, name)| root.join(name))) {
            fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        }
        give_to_account(share)?;
        for (name, content) in [("smb.conf", self.configuration(root, share)), ("users.map", users_map())] {
            let path = root.join(name);
            fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    fn configuration(&self, root: &Path, share: &Path) -> String {
        let root = root.display();
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let mut lines = vec![
            "[global]".to_owned(),
            "workgroup = LAB".to_owned(),
            "netbios name = LABSRV".to_owned(),
            "server role = standalone server".to_owned(),
            format!("smb ports = {}", ports.join(" ")),
            "server min protocol = NT1".to_owned(),
            format!("passdb backend = smbpasswd:{root}/smbpasswd"),
            format!("username map = {root}/users.map"),
            "guest account = nobody".to_owned(),
            format!("map to guest = {}", if self.guest { "bad user" } else { "never" }),
            format!("ntlm auth = {}", if self.ntlmv1 { "yes" } else { "ntlmv2-only" }),
            format!("log file = {root}/smbd.log"),
            "max log size = 0".to_owned(),
            "load printers = no".to_owned(),
            "printcap name = /dev/null".to_owned(),
            "disable spoolss = yes".to_owned(),
        ];
        lines.extend(STATE_FOLDERS.map(|(key, name)| format!("{key} = {root}/{name}")));
        lines.extend(self.global.iter().cloned());
        lines.extend([
            format!("[{SHARE}]"),
            format!("path = {}", share.display()),
            "read only = no".to_owned(),
            format!("guest ok = {}", if self.guest { "yes" } else { "no" }),
        ]);
        lines.join("\n") + "\n"
    }
}

/// Every folder Samba would otherwise look for on the machine.
pub(crate) const STATE_FOLDERS: [(&str, &str); 6] = [
    ("private dir", "private"),
    ("lock directory", "lock"),
    ("state directory", "state"),
    ("cache directory", "cache"),
    ("pid directory", "pid"),
    ("ncalrpc dir", "ncalrpc"),
];

/// A running smbd. Dropping it ends it, its helpers and its files.
pub struct Smbd {
    // Drop order: first the processes, then their files.
    process: Process,
    share: PathBuf,
    scratch: Scratch,
}

impl Smbd {
    /// smbd on ports 445 and 139 for [`USER`] alone.
    ///
    /// # Errors
    /// As [`SmbdBuilder::start`].
    pub fn start(namespace: &Namespace) -> Result<Self> {
        Self::builder().start(namespace)
    }

    /// Settings for smbd, to change before it is started.
    #[must_use]
    pub fn builder() -> SmbdBuilder {
        SmbdBuilder {
            ports: vec![445, 139],
            guest: false,
            ntlmv1: false,
            administrator: false,
            global: Vec::new(),
        }
    }

    /// The folder that is shared.
    #[must_use]
    pub fn share_dir(&self) -> &Path {
        &self.share
    }

    /// The folder of this smbd: configuration, state, share and log.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Puts a file into the share.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create_file(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.share.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        give_to_account(&path)?;
        Ok(path)
    }

    /// Puts a file of `megabytes` times 2^20 zero bytes into the share; it takes no disk space.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create_large_file(&self, name: &str, megabytes: u64) -> Result<PathBuf> {
        let path = self.create_file(name, b"")?;
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(megabytes << 20))
            .with_context(|| format!("extend {} to {megabytes} MiB", path.display()))?;
        Ok(path)
    }

    /// The log of smbd so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch().join("smbd.log")).unwrap_or_default()
    }

    /// From inside the server's own namespace, so that no packet crosses a link.
    fn wait_for_port(&mut self, namespace: &Namespace, port: u16) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let process = &mut self.process;
        let accepted = namespace.run(|| {
            poll(READY_WITHIN, || match TcpStream::connect_timeout(&address, ONE_TRY) {
                Ok(_) => Some(true),
                Err(_) => (!process.is_running()).then_some(false),
            })
        })?;
        match accepted {
            Some(true) => Ok(()),
            Some(false) => bail!("smbd ended before it listened on {port}; {}", self.last_words()),
            None => bail!("smbd does not listen on {port} within {READY_WITHIN:?}; {}", self.last_words()),
        }
    }

    fn last_words(&self) -> String {
        let output: Vec<String> = self.process.lines().into_iter().map(|line| line.text).collect();
        format!("it wrote:\n{}\nand logged:\n{}", output.join("\n"), self.log())
    }
}

fn users_map() -> String {
    format!("{ACCOUNT} = {USER}\n")
}

fn give_to_account(path: &Path) -> Result<()> {
    let account = User::from_name(ACCOUNT)
        .with_context(|| format!("look up the system account {ACCOUNT}"))?
        .with_context(|| format!("this machine has no system account {ACCOUNT}"))?;
    chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw()))
        .with_context(|| format!("give {} to {ACCOUNT}", path.display()))
}

/// The group of the account becomes BUILTIN\Administrators.
fn make_administrator(namespace: &Namespace, configuration: &Path) -> Result<()> {
    let output = namespace
        .command("net")
        .arg("-s")
        .arg(configuration)
        .args(["groupmap", "add", "sid=S-1-5-32-544", "type=builtin", &format!("unixgroup={ACCOUNT}")])
        .output()
        .context("start net: install the package samba-common-bin")?;
    if !output.status.success() {
        bail!(
            "net refused to map the group {ACCOUNT}: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}

fn add_user(namespace: &Namespace, configuration: &Path) -> Result<()> {
    let mut child = namespace
        .command("smbpasswd")
        .arg("-c")
        .arg(configuration)
        .args(["-s", "-a", ACCOUNT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start smbpasswd: install the package samba")?;
    if let Some(mut input) = child.stdin.take() {
        // If it ends early, its own messages below say why.
        let _ = write!(input, "{PASSWORD}\n{PASSWORD}\n");
    }
    let output = child.wait_with_output().context("wait for smbpasswd")?;
    if !output.status.success() {
        bail!("smbpasswd refused to add {ACCOUNT}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
