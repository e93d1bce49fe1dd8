//! The stage of a session: a border, an agent on its gateway, and the same session twice: internally, where nothing may be
//! reported, and across the border.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use sensor_lab::{Namespace, PythonClient, Smbclient, Topology, address, allowed_cpus, poll};
use sensor_tests::{Agent, Ended, PATIENCE};

use crate::expected::{Expected, is_flow};

/// Configuration of the agents of these tests. The document of a flow has its totals. The volume limit is above half of a large file.
/// On an unwatched port a FIN may come before the port is marked, and then only time ends the flow.
const CONFIG: &str =
    "flow_documents = true\n[kernel]\nflow_idle = 10\n[detection]\ndata_leaving_bytes = 10485760\n";

/// A machine on the stage.
#[derive(Clone, Copy)]
struct Host<'a> {
    namespace: &'a Namespace,
    address: IpAddr,
}

/// A client and a server that have a session.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    client: Host<'a>,
    server: Host<'a>,
}

impl<'a> Pair<'a> {
    pub(crate) fn smbclient(self) -> Smbclient<'a> {
        Smbclient::new(self.client.namespace, self.server.address)
    }

    pub(crate) fn impacket(self) -> PythonClient<'a> {
        PythonClient::impacket(self.client.namespace, self.server.address)
    }

    pub(crate) fn smbprotocol(self) -> PythonClient<'a> {
        PythonClient::smbprotocol(self.client.namespace, self.server.address)
    }
}

/// The result of a session across the border.
pub(crate) struct Played {
    pub(crate) ended: Ended,
    pub(crate) client: IpAddr,
    pub(crate) server: IpAddr,
    /// Retransmitted segments of client and server.
    pub(crate) sent_again: [u64; 2],
}

/// How a session is staged.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    inbound: bool,
    ipv6: bool,
    small_segments: bool,
}

impl Stage {
    /// An internal client and a server on the Internet.
    pub(crate) fn outbound() -> Self {
        Self { inbound: false, ipv6: false, small_segments: false }
    }

    /// A client on the Internet and an internal server.
    pub(crate) fn inbound() -> Self {
        Self { inbound: true, ..Self::outbound() }
    }

    /// IPv6 instead of IPv4.
    pub(crate) fn ipv6(self) -> Self {
        Self { ipv6: true, ..self }
    }

    /// Each end sends segments of at most 88 bytes. The native XDP program keeps the sender from handing over
    /// larger ones for the driver to cut.
    pub(crate) fn small_segments(self) -> Self {
        Self { small_segments: true, ..self }
    }

    /// Starts the servers, runs the session on both sides of the border, and returns the agent's documents after comparing them.
    pub(crate) fn expect<S>(
        self,
        start: impl Fn(&Namespace) -> Result<S>,
        session: impl Fn(Pair<'_>),
        expected: &Expected,
    ) -> Ended {
        let played = self.play(start, session, 1).unwrap();
        expected.compare(&played);
        played.ended
    }

    /// The same for sessions one after the other, over a connection each, which have these names and the same expected result.
    pub(crate) fn expect_each<S>(
        self,
        start: impl Fn(&Namespace) -> Result<S>,
        sessions: impl Fn(Pair<'_>),
        expected: &Expected,
        names: &[String],
    ) {
        let played = self.play(start, sessions, names.len()).unwrap();
        expected.compare_each(&played.ended, names);
    }

    fn play<S>(
        self,
        start: impl Fn(&Namespace) -> Result<S>,
        session: impl Fn(Pair<'_>),
        connections: usize,
    ) -> Result<Played> {
        let border = Topology::builder().lan_server().build()?;
        let [crossing, internal] = self.pairs(&border)?;
        // Each CPU counts the packets that it sees: what is sent again is not recognised on another one.
        let cpu = *allowed_cpus()?.first().context("no CPU may be used")?;
        [crossing.client, crossing.server].iter().for_each(|host| host.namespace.keep_to_cpu(cpu));
        let _server = start(crossing.server.namespace)?;
        let _twin = if self.inbound { None } else { Some(start(internal.server.namespace)?) };
        let mut agent = Agent::on(border.gateway(), "lan0").config(CONFIG);
        if self.small_segments {
            border.client().ip(&format!("route change default via {} advmss 88", address::GATEWAY_LAN_V4))?;
            border.server().ip(&format!("route change default via {} advmss 88", address::GATEWAY_WAN_V4))?;
            agent = agent.arguments(&["--ingress", "xdp-native"]);
        }
        let agent = agent.start()?;
        session(internal);
        session(crossing);
        let ended = || agent.documents().iter().filter(|document| is_flow(document)).count();
        poll(PATIENCE, || (ended() >= connections).then_some(()))
            .with_context(|| format!("{} of {connections} connections ended\n{}", ended(), agent.log()))?;
        let sent_again = [crossing.client, crossing.server].map(|host| segments_sent_again(host.namespace));
        let [by_client, by_server] = sent_again;
        Ok(Played {
            ended: agent.stop()?,
            client: crossing.client.address,
            server: crossing.server.address,
            sent_again: [by_client?, by_server?],
        })
    }

    /// The ends of the session across the border, and of its internal twin.
    fn pairs(self, border: &Topology) -> Result<[Pair<'_>; 2]> {
        let host = |namespace, v4: Ipv4Addr, v6: Ipv6Addr| Host {
            namespace,
            address: if self.ipv6 { v6.into() } else { v4.into() },
        };
        let client = host(border.client(), address::CLIENT_V4, address::CLIENT_V6);
        let stranger = host(border.server(), address::SERVER_V4, address::SERVER_V6);
        let colleague = host(border.lan_server()?, address::LAN_SERVER_V4, address::LAN_SERVER_V6);
        let ends = if self.inbound {
            [(stranger, client), (colleague, client)]
        } else {
            [(client, stranger), (client, colleague)]
        };
        Ok(ends.map(|(client, server)| Pair { client, server }))
    }
}

/// `RetransSegs` of this namespace (RFC 4022, tcpRetransSegs).
fn segments_sent_again(namespace: &Namespace) -> Result<u64> {
    const FILE: &str = "/proc/thread-self/net/snmp";
    let text = namespace.run(|| fs::read_to_string(FILE))?.with_context(|| format!("read {FILE}"))?;
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = lines.next().zip(lines.next()).with_context(|| format!("no Tcp in {FILE}"))?;
    let mut columns = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = columns
        .find(|(name, _)| *name == "RetransSegs")
        .with_context(|| format!("no RetransSegs in {FILE}"))?;
    value.parse().with_context(|| format!("{value} is no number of segments"))
}
