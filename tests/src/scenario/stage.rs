//! The stage of a scenario with real peers: the border, an agent on its gateway, and two hosts, one of which connects to the
//! other.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{
    Atexec, Guesser, Namespace, Nmap, PythonClient, Rclone, SambaNet, Scratch, Smbclient, Topology, address,
    poll, scratch_dir,
};
use serde_json::Value;

use super::expected::Direction;
use crate::Agent;

/// Watched interfaces of the gateway: those of all internal hosts.
const WATCHED: &str = "lan0,lan1";

/// A host on the stage.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// Where its programs run.
    pub namespace: &'a Namespace,
    /// Its address.
    pub address: Ipv4Addr,
}

/// The agent over its restarts, on one state directory.
pub(super) struct Watch<'a> {
    border: &'a Topology,
    state: Scratch,
    agent: Agent,
    /// Documents of agents that have ended.
    earlier: Vec<Value>,
    /// Their packets between internal hosts.
    lateral: u64,
}

impl<'a> Watch<'a> {
    /// Starts the agent.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(super) fn start(border: &'a Topology) -> Result<Self> {
        let state = scratch_dir()?;
        let agent = launched(border, &state)?;
        Ok(Self { border, state, agent, earlier: vec![], lateral: 0 })
    }

    /// Waits until `reached` accepts the documents so far; returns whether it did.
    #[must_use]
    pub(super) fn wait_until(&self, within: Duration, reached: impl Fn(&[Value]) -> bool) -> bool {
        let mut documents = self.earlier.clone();
        let mut known = 0;
        let waited = poll(within, || {
            // Nothing is read and parsed twice: that would take processor time from the agent.
            let new = self.agent.documents_after(known);
            if new.is_empty() && known > 0 {
                return None;
            }
            known += new.len();
            documents.extend(new);
            reached(&documents).then_some(())
        });
        waited.is_some()
    }

    /// Ends the agent in an orderly way and starts another on the same state.
    ///
    /// # Errors
    /// When it does not end well, or the next one does not become ready.
    pub(super) fn restart(self) -> Result<Self> {
        let Self { border, state, agent, mut earlier, lateral } = self;
        let ended = agent.stop()?;
        let lateral = lateral + lateral_of(&ended.statistics)?;
        earlier.extend(ended.documents);
        let agent = launched(border, &state)?;
        Ok(Self { border, state, agent, earlier, lateral })
    }

    /// Ends the agent; returns all documents, and the number of packets between internal hosts.
    ///
    /// # Errors
    /// When it does not end well.
    pub(super) fn stop(self) -> Result<(Vec<Value>, u64)> {
        let Self { state, agent, mut earlier, lateral, .. } = self;
        let ended = agent.stop()?;
        drop(state);
        earlier.extend(ended.documents);
        Ok((earlier, lateral + lateral_of(&ended.statistics)?))
    }
}

fn launched(border: &Topology, state: &Scratch) -> Result<Agent> {
    Agent::on(border.gateway(), WATCHED).state_dir(state.path()).start()
}

/// Packets between internal hosts, from the statistics line.
pub(super) fn lateral_of(log: &str) -> Result<u64> {
    let word = log.split_whitespace().filter_map(|word| word.strip_prefix("lateral=")).next_back();
    word.and_then(|number| number.parse().ok())
        .with_context(|| format!("no number of lateral packets in {log}"))
}

/// One performance on the stage: across the border, or its twin between two internal hosts.
pub struct Stage<'a> {
    border: &'a Topology,
    watch: Option<Watch<'a>>,
    direction: Direction,
    internal: bool,
}

impl<'a> Stage<'a> {
    /// The twin's performance, with the agent that watches.
    pub(super) fn twin(border: &'a Topology, watch: Watch<'a>, direction: Direction) -> Self {
        Self { border, watch: Some(watch), direction, internal: true }
    }

    /// The performance across the border, after the twin's.
    #[must_use]
    pub(super) fn crossing(self) -> Self {
        Self { internal: false, ..self }
    }

    /// Takes the agent off the stage.
    pub(super) fn into_watch(self) -> Result<Watch<'a>> {
        self.watch.context("the agent was lost in a restart")
    }

    /// The client.
    ///
    /// # Errors
    /// None on this stage.
    pub fn client(&self) -> Result<Host<'a>> {
        match (self.direction, self.internal) {
            (Direction::Outbound, _) => Ok(self.inside()),
            (Direction::Inbound, false) => Ok(self.outside()),
            (Direction::Inbound, true) => self.colleague(),
        }
    }

    /// The server.
    ///
    /// # Errors
    /// None on this stage.
    pub fn server(&self) -> Result<Host<'a>> {
        match (self.direction, self.internal) {
            (Direction::Inbound, _) => Ok(self.inside()),
            (Direction::Outbound, false) => Ok(self.outside()),
            (Direction::Outbound, true) => self.colleague(),
        }
    }

    /// An internal host for a server on the other side to connect to: another one than the client, if the twin's server is not it.
    ///
    /// # Errors
    /// None on this stage.
    pub fn third(&self) -> Result<Host<'a>> {
        if self.internal { Ok(self.inside()) } else { self.colleague() }
    }

    /// Whether this is the twin.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        self.internal
    }

    /// Adds 300 addresses for a sweep: the first ten for servers, the next 246 refuse, the last 44 are silent. Returns
    /// the sweeping host, the host of the addresses, and the addresses in nmap's form.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn three_hundred(&self) -> Result<(Host<'a>, Host<'a>, [String; 2])> {
        let is_beyond = self.direction == Direction::Outbound && !self.internal;
        let (sweeper, owner) = match (self.direction, self.internal) {
            (Direction::Outbound, false) => (self.inside(), self.outside()),
            (Direction::Inbound, false) => (self.outside(), self.colleague()?),
            (_, true) => (self.inside(), self.colleague()?),
        };
        // Public addresses that exist in these namespaces alone, or internal ones.
        let net = if is_beyond { "8.9" } else { "10.9" };
        owner.namespace.ip_batch(&format!(
            "route replace local {net}.0.0/24 dev lo\nroute replace blackhole {net}.1.0/24"
        ))?;
        self.border.gateway().ip(&format!("route replace {net}.0.0/16 via {}", owner.address))?;
        Ok((sweeper, owner, [format!("{net}.0.0/24"), format!("{net}.1.0-43")]))
    }

    /// An internal address without a host.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn silent_address(&self) -> Result<Ipv4Addr> {
        let owner = self.colleague()?;
        owner.namespace.ip("route replace blackhole 10.9.1.0/24")?;
        self.border.gateway().ip(&format!("route replace 10.9.0.0/16 via {}", owner.address))?;
        Ok(Ipv4Addr::new(10, 9, 1, 1))
    }

    /// smbclient of this client for this server.
    ///
    /// # Errors
    /// None on this stage.
    pub fn smbclient(&self) -> Result<Smbclient<'a>> {
        Ok(Smbclient::new(self.client()?.namespace, self.server()?.address))
    }

    /// impacket's client, likewise.
    ///
    /// # Errors
    /// None on this stage.
    pub fn impacket(&self) -> Result<PythonClient<'a>> {
        Ok(PythonClient::impacket(self.client()?.namespace, self.server()?.address))
    }

    /// impacket's atexec, likewise.
    ///
    /// # Errors
    /// None on this stage.
    pub fn atexec(&self) -> Result<Atexec<'a>> {
        Ok(Atexec::new(self.client()?.namespace, self.server()?.address))
    }

    /// Samba's `net`, likewise.
    ///
    /// # Errors
    /// None on this stage.
    pub fn samba_net(&self) -> Result<SambaNet<'a>> {
        Ok(SambaNet::new(self.client()?.namespace, self.server()?.address))
    }

    /// rclone, likewise.
    ///
    /// # Errors
    /// None on this stage.
    pub fn rclone(&self) -> Result<Rclone<'a>> {
        Ok(Rclone::new(self.client()?.namespace, self.server()?.address))
    }

    /// A guesser, likewise.
    ///
    /// # Errors
    /// None on this stage.
    pub fn guesser(&self) -> Result<Guesser<'a>> {
        Ok(Guesser::new(self.client()?.namespace, self.server()?.address))
    }

    /// nmap on the client.
    ///
    /// # Errors
    /// None on this stage.
    pub fn nmap(&self) -> Result<Nmap<'a>> {
        Ok(Nmap::new(self.client()?.namespace))
    }

    /// Waits, across the border, until a document matches; the twin has none, so it does not wait.
    ///
    /// # Errors
    /// When none fits in time.
    pub fn wait_for(&self, within: Duration, fits: impl Fn(&Value) -> bool) -> Result<()> {
        if self.internal {
            return Ok(());
        }
        let watch = self.watch.as_ref().context("the agent was lost in a restart")?;
        let came = watch.wait_until(within, |documents| documents.iter().any(&fits));
        ensure!(came, "the awaited document did not come within {within:?}");
        Ok(())
    }

    /// Ends the agent and starts it again on the same state.
    ///
    /// # Errors
    /// As [`Watch::restart`].
    pub fn restart_agent(&mut self) -> Result<()> {
        let watch = self.watch.take().context("the agent was lost in a restart")?;
        self.watch = Some(watch.restart()?);
        Ok(())
    }

    /// The hardware addresses of a frame from the client to its router.
    ///
    /// # Errors
    /// None on this stage.
    pub fn to_router(&self) -> Result<[[u8; 6]; 2]> {
        let client = self.client()?;
        let interface = match client.address {
            address::CLIENT_V4 => "lan0",
            address::LAN_SERVER_V4 => "lan1",
            _ => "wan0",
        };
        Ok([self.border.gateway().mac_address(interface)?, client.namespace.mac_address("eth0")?])
    }

    fn inside(&self) -> Host<'a> {
        Host { namespace: self.border.client(), address: address::CLIENT_V4 }
    }

    fn outside(&self) -> Host<'a> {
        Host { namespace: self.border.server(), address: address::SERVER_V4 }
    }

    fn colleague(&self) -> Result<Host<'a>> {
        Ok(Host { namespace: self.border.lan_server()?, address: address::LAN_SERVER_V4 })
    }
}
