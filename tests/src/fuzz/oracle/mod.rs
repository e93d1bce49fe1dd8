//! An oracle for frames that shares no code with the packet path: headers by etherparse, networks by ipnet, and the
//! rest from the standards.
//!
//! Takes a frame, gives its expected outcome, or the reason why the oracle does not know it. It does not parse tunnels and
//! PPPoE, and knows of no flow slots.

mod exempt;
mod headers;
mod marked_flows;
mod places;
#[cfg(test)]
mod tests;
mod unwatched;

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;

use sensor_common::{
    counter::Counter,
    headers::Link,
    slot::{Side, TCP, tcp},
};
use sensor_user::{
    config::{Config, Service, ServicePorts},
    response::Target,
};

pub(super) use self::places::embedded;
use self::{
    exempt::Exempt,
    headers::{Packet, Transport},
    marked_flows::MarkedFlows,
    places::{Place, Places},
};

/// The expected outcome of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// The oracle does not know, for this reason.
    Unsure(&'static str),
    /// Nothing: it is not watched.
    Foreign,
    /// It has no ports to test and is counted so.
    Unparsed(Counter),
    /// It begins with an Initial packet of QUIC to one of its ports, and is counted so.
    Initial,
    /// It is on a watched port and counted so.
    Passed(Counter),
    /// It is accounted to this flow.
    Kept(Account),
    /// It is dropped out of its connection.
    Cut,
}

/// The change of a flow by a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who sent it.
    pub side: Side,
    /// IP protocol.
    pub transport: u8,
    /// Internal end.
    pub local: SocketAddr,
    /// External end.
    pub remote: SocketAddr,
    /// Bytes of the IP packet.
    pub bytes: u64,
    /// Bytes of payload.
    pub payload: u64,
    /// TCP flags.
    pub tcp_flags: u8,
    /// Outer VLAN.
    pub vlan: Option<u16>,
    /// Whether it is a first fragment.
    pub fragment: bool,
    /// Whether it is dropped.
    pub dropped: bool,
}

/// The oracle, with its configuration.
pub struct Oracle {
    services: ServicePorts,
    places: Places,
    exempt: Exempt,
    tunnels: bool,
    enforcing: bool,
    blocked: Vec<Target>,
    /// TCP ports of packets in which SMB or WebDAV was recognised: at least one of each two is marked.
    suspected: HashSet<u16>,
    /// TCP ports that WebDAV was asked of: they are marked for certain.
    servers: HashSet<u16>,
    /// Connections on unwatched ports.
    marked_flows: MarkedFlows,
}

impl Oracle {
    /// An oracle for a configuration and these blocks.
    #[must_use]
    pub fn new(config: &Config, enforcing: bool, blocked: &[Target]) -> Self {
        Self {
            services: config.services.clone(),
            places: Places::new(config),
            exempt: Exempt::new(config),
            tunnels: config.kernel.tunnels,
            enforcing,
            blocked: blocked.to_vec(),
            suspected: HashSet::new(),
            servers: HashSet::new(),
            marked_flows: MarkedFlows::default(),
        }
    }

    /// Notes that a packet between these ends was kept: if no port is watched, one of them is marked now.
    pub fn kept(&mut self, transport: u8, local: SocketAddr, remote: SocketAddr) {
        if self.mark_one(transport, [local.port(), remote.port()]) {
            self.marked_flows.kept((local, remote));
        }
    }

    /// Whether no port is watched, so that one of them is marked.
    fn mark_one(&mut self, transport: u8, ports: [u16; 2]) -> bool {
        let unwatched = transport == TCP && ports.iter().all(|port| self.service(TCP, *port).is_none());
        if unwatched {
            self.suspected.extend(ports);
        }
        unwatched
    }

    /// Notes that a frame was cut out of its connection: the program knew by its content, or by its ports, what it is.
    ///
    /// # Errors
    /// If it cannot read the frame's headers, and so does not know which port was marked.
    pub fn cut(&mut self, frame: &[u8], link: Link) -> Result<(), Opinion> {
        let packet = headers::packet(frame, link, self.tunnels)?;
        self.mark_one(packet.transport as u8, [packet.source.port(), packet.destination.port()]);
        Ok(())
    }

    /// Notes that a port is marked.
    pub fn marked(&mut self, port: u16) {
        self.suspected.insert(port);
    }

    fn service(&self, transport: u8, port: u16) -> Option<Service> {
        self.services.service(transport, port)
    }

    /// The expected outcome of a frame.
    #[must_use]
    pub fn judge(&self, frame: &[u8], link: Link) -> Opinion {
        let packet = match headers::packet(frame, link, self.tunnels) {
            Ok(packet) => packet,
            Err(opinion) => return opinion,
        };
        let number = packet.transport as u8;
        let [from, to] = [packet.source, packet.destination].map(|end| self.service(number, end.port()));
        if from.is_some() || to.is_some() {
            return self.of_service(&packet, [from, to]);
        }
        if packet.transport == Transport::Udp {
            let offered = self.services.quic_udp.contains(&packet.destination.port()) && initial(&packet);
            return if offered && self.crossing(&packet).is_ok() {
                Opinion::Initial
            } else {
                Opinion::Foreign
            };
        }
        if !self.services.smb_any_port {
            return Opinion::Foreign;
        }
        if [packet.source, packet.destination].iter().any(|end| self.suspected.contains(&end.port())) {
            return self.on_marked_port(&packet, frame.len(), link);
        }
        self.by_content(&packet, frame.len(), link)
    }

    /// A packet on a watched port, from and to these services.
    fn of_service(&self, packet: &Packet<'_>, [from, to]: [Option<Service>; 2]) -> Opinion {
        let side = match self.crossing(packet) {
            Ok(side) => side,
            Err(counter) => return Opinion::Passed(counter),
        };
        let (source, destination) = (packet.source.ip(), packet.destination.ip());
        // With services on both ends the client is unknown.
        let client_and_server = match (from, to) {
            (None, Some(_)) => Some((source, destination)),
            (Some(_), None) => Some((destination, source)),
            _ => None,
        };
        if let Some((client, server)) = client_and_server {
            if self.exempt.client(client) {
                return Opinion::Passed(Counter::ExemptSource);
            }
            if self.exempt.server(server) {
                return Opinion::Passed(Counter::ExemptDestination);
            }
        }
        let Some(account) = account(packet, side) else { return Opinion::Passed(Counter::ShortTransport) };
        let asks = account.tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST | tcp::FIN) == tcp::SYN;
        // From the Internet every service counts, to the Internet SMB alone.
        let forbidden = match side {
            Side::Remote => to.is_some(),
            Side::Local => to == Some(Service::Smb),
        };
        let tcp = packet.transport == Transport::Tcp;
        let covered = self.exempt.request(source, destination);
        if self.enforcing && tcp && asks && forbidden && !covered {
            return Opinion::Kept(Account { dropped: true, ..account });
        }
        self.if_not_blocked(account, (source, destination), client_and_server)
    }

    /// What becomes of a packet that is kept unless a block concerns it. If the client is not known, either end may be it.
    fn if_not_blocked(
        &self,
        account: Account,
        (source, destination): (IpAddr, IpAddr),
        roles: Option<(IpAddr, IpAddr)>,
    ) -> Opinion {
        let is_exempt = match roles {
            Some((client, server)) => self.exempt.request(client, server),
            None => self.exempt.request(source, destination) || self.exempt.request(destination, source),
        };
        let among = |net: IpNet, address| Places::among(&[net], address);
        let concerns = |target: &Target| match *target {
            Target::Network(net) => among(net, source) || among(net, destination),
            Target::Pair(host, net) => {
                let is = |one, other| among(host.into(), one) && among(net, other);
                is(source, destination) || is(destination, source)
            }
        };
        if is_exempt || !self.blocked.iter().any(concerns) {
            return Opinion::Kept(account);
        }
        let within = account.transport == TCP
            && account.tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST | tcp::FIN) != tcp::SYN;
        if within { Opinion::Cut } else { Opinion::Kept(Account { dropped: true, ..account }) }
    }

    /// The sender of a packet that crosses the border, or how another packet is counted.
    fn crossing(&self, packet: &Packet<'_>) -> Result<Side, Counter> {
        let place = |end: SocketAddr| self.places.of(end.ip());
        match (place(packet.source), place(packet.destination)) {
            (Place::Reserved, _) | (_, Place::Reserved) => Err(Counter::Reserved),
            (Place::Internal, Place::External) => Ok(Side::Local),
            (Place::External, Place::Internal) => Ok(Side::Remote),
            (Place::Internal, Place::Internal) => Err(Counter::Lateral),
            (Place::External, Place::External) => Err(Counter::Transit),
        }
    }
}

/// Whether a datagram begins with an Initial packet of QUIC (RFC 9000 17.2.2, RFC 9369 3) and is long enough for one of a client
/// (RFC 9000 14.1).
fn initial(packet: &Packet<'_>) -> bool {
    packet.segment.is_some_and(|segment| {
        segment.payload_len >= 1200
            && matches!(
                segment.payload,
                [0b1100_0000..=0b1100_1111, 0, 0, 0, 1, ..]
                    | [0b1101_0000..=0b1101_1111, 0x6B, 0x33, 0x43, 0xCF, ..]
            )
    })
}

/// The change of the flow by a packet from `side`, or `None` if its transport header is cut.
fn account(packet: &Packet<'_>, side: Side) -> Option<Account> {
    let segment = packet.segment?;
    let (local, remote) = match side {
        Side::Local => (packet.source, packet.destination),
        Side::Remote => (packet.destination, packet.source),
    };
    Some(Account {
        side,
        transport: packet.transport as u8,
        local,
        remote,
        bytes: packet.ip_len as u64,
        payload: segment.payload_len as u64,
        tcp_flags: segment.tcp_flags,
        vlan: packet.vlan,
        fragment: packet.fragment,
        dropped: false,
    })
}
