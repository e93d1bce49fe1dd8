//! nats-server with JetStream inside a namespace, alone or as a member of a cluster.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Namespace, Process, Signal, poll};

const READY_WITHIN: Duration = Duration::from_secs(20);
const END_WITHIN: Duration = Duration::from_secs(10);

/// The port for clients.
const CLIENTS: u16 = 4_222;

/// The port for the other members of a cluster.
const MEMBERS: u16 = 6_222;

/// A NATS server. It can be ended and started again; dropping it ends it.
pub struct NatsServer<'a> {
    namespace: &'a Namespace,
    at: Ipv4Addr,
    config: PathBuf,
    process: Option<Process>,
}

impl<'a> NatsServer<'a> {
    /// The port on which a server says how it is, over HTTP.
    pub const MONITORING: u16 = 8_222;

    /// Starts a server at this loopback address of the namespace. Its data lie in `folder`; `settings` are further lines of its
    /// configuration. Returns when clients can connect.
    ///
    /// # Errors
    /// When nats-server cannot be run or does not come up within 20 s; the error quotes its output.
    pub fn start(namespace: &'a Namespace, at: Ipv4Addr, folder: &Path, settings: &str) -> Result<Self> {
        let mut server = Self::prepare(namespace, at, folder, settings)?;
        server.begin()?;
        Ok(server)
    }

    /// Starts a server that keeps no messages.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn without_jetstream(namespace: &'a Namespace, at: Ipv4Addr, folder: &Path) -> Result<Self> {
        let mut server = Self::prepare(namespace, at, folder, "")?;
        fs::write(&server.config, format!("listen: \"{at}:{CLIENTS}\"\n"))?;
        server.begin()?;
        Ok(server)
    }

    /// Starts a cluster with a member at each of these addresses of a namespace; each has a folder of its own in `folder`. Their
    /// names are `n1`, `n2` and so on.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn cluster(at: &[(&'a Namespace, Ipv4Addr)], folder: &Path) -> Result<Vec<Self>> {
        let routes: Vec<_> = at.iter().map(|(_, one)| format!("\"nats://{one}:{MEMBERS}\"")).collect();
        let mut servers = Vec::new();
        for (number, (namespace, one)) in at.iter().enumerate() {
            let settings = format!(
                "server_name: \"n{}\"\ncluster {{ name: \"lab\", listen: \"{one}:{MEMBERS}\", routes: [{}] }}\n",
                number + 1,
                routes.join(", ")
            );
            servers.push(Self::prepare(namespace, *one, &folder.join(one.to_string()), &settings)?);
        }
        for server in &mut servers {
            server.launch()?;
        }
        for server in &mut servers {
            server.wait_until_ready()?;
        }
        Ok(servers)
    }

    fn prepare(namespace: &'a Namespace, at: Ipv4Addr, folder: &Path, settings: &str) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let config = folder.join("nats.conf");
        let text = format!(
            "listen: \"{at}:{CLIENTS}\"\nhttp: \"{at}:{}\"\njetstream {{ store_dir: {:?} }}\n{settings}\n",
            Self::MONITORING,
            folder.join("data")
        );
        fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
        Ok(Self { namespace, at, config, process: None })
    }

    /// Starts it again, and returns when clients can connect.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn begin(&mut self) -> Result<()> {
        self.launch()?;
        self.wait_until_ready()
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = self.namespace.command("nats-server");
        command.arg("--config").arg(&self.config);
        self.process = Some(Process::spawn(command)?);
        Ok(())
    }

    fn wait_until_ready(&self) -> Result<()> {
        let at = self.address();
        let ready = poll(READY_WITHIN, || {
            let connected = self.namespace.run(|| TcpStream::connect(at).is_ok());
            connected.unwrap_or(false).then_some(())
        });
        ready.with_context(|| {
            format!("nats-server did not come up; it wrote {:?}", self.process.as_ref().map(Process::lines))
        })
    }

    /// Ends it: with SIGKILL like a crash, with SIGTERM in an orderly way.
    ///
    /// # Errors
    /// When it does not end within 10 s.
    pub fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(signal)?;
        process.wait(END_WITHIN)?;
        Ok(())
    }

    /// Sends it a signal: SIGSTOP makes it hang, SIGCONT makes it go on.
    ///
    /// # Errors
    /// When the signal may not be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.as_mut().context("it does not run")?.signal(signal)
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::V4(std::net::SocketAddrV4::new(self.at, CLIENTS))
    }
}
