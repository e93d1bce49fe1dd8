//! rsyslog as a syslog server inside a namespace.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Namespace, Process, Scratch, poll, scratch_dir};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// The port at which it takes messages.
const PORT: u16 = 6_514;

/// How it takes messages.
#[derive(Debug, Clone, Copy)]
pub enum SyslogInput<'a> {
    /// Datagrams.
    Udp,
    /// TCP, with counted octets where a message begins with a number.
    Tcp,
    /// TLS with this certificate and its private key (PEM).
    Tls(&'a Path, &'a Path),
}

/// A running syslog server. Dropping it ends it; what it received stays.
pub struct Rsyslogd {
    received: PathBuf,
    address: SocketAddr,
    _process: Process,
    _scratch: Scratch,
}

impl Rsyslogd {
    /// Starts a server at this loopback address of the namespace, which appends to `received` a line for each message: severity,
    /// host, program, kind and text, with a tab between two. Returns when it takes messages.
    ///
    /// # Errors
    /// When rsyslogd cannot be run or does not come up in time; the error quotes its output.
    pub fn start(
        namespace: &Namespace,
        at: Ipv4Addr,
        input: SyslogInput<'_>,
        received: &Path,
    ) -> Result<Self> {
        let scratch = scratch_dir()?;
        let folder = scratch.path();
        let [config, pid_file] = ["rsyslog.conf", "rsyslogd.pid"].map(|name| folder.join(name));
        let module = match input {
            SyslogInput::Udp => "module(load=\"imudp\")".to_owned(),
            SyslogInput::Tcp => "module(load=\"imtcp\")".to_owned(),
            SyslogInput::Tls(certificate, key) => format!(
                "global(defaultNetstreamDriverCAFile={certificate:?} defaultNetstreamDriverCertFile={certificate:?} \
                 defaultNetstreamDriverKeyFile={key:?})\n\
                 module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")"
            ),
        };
        let kind = if matches!(input, SyslogInput::Udp) { "imudp" } else { "imtcp" };
        let text = format!(
            "global(workDirectory={folder:?} maxMessageSize=\"256k\" parser.escapeControlCharactersOnReceive=\"off\")\n\
             {module}\n\
             template(name=\"line\" type=\"string\" \
             string=\"%syslogseverity-text%\\t%hostname%\\t%app-name%\\t%msgid%\\t%msg%\\n\")\n\
             input(type=\"{kind}\" address=\"{at}\" port=\"{PORT}\")\n\
             action(type=\"omfile\" file={received:?} template=\"line\")\n"
        );
        fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
        let mut command = namespace.command("rsyslogd");
        // In the foreground, with nothing of the machine's own.
        command.arg("-n").arg("-f").arg(&config).arg("-i").arg(&pid_file);
        let process = Process::spawn(command)?;
        let listens =
            poll(READY_WITHIN, || namespace.run(|| is_bound(at, kind)).unwrap_or(false).then_some(()));
        listens.with_context(|| format!("rsyslogd did not come up; it wrote {:?}", process.lines()))?;
        let address = SocketAddr::from((at, PORT));
        Ok(Self { received: received.to_owned(), address, _process: process, _scratch: scratch })
    }

    /// Where it takes messages.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The whole lines that it has written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.received).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }
}

/// Whether somebody has the port.
fn is_bound(at: Ipv4Addr, kind: &str) -> bool {
    if kind == "imudp" {
        // Not by binding it, which would keep it from the server.
        let sockets = fs::read_to_string("/proc/thread-self/net/udp").unwrap_or_default();
        sockets.contains(&format!(" {:08X}:{PORT:04X} ", u32::from_ne_bytes(at.octets())))
    } else {
        std::net::TcpStream::connect((at, PORT)).is_ok()
    }
}
