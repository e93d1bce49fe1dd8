//! An oracle for frames that shares no code with the packet path: headers by etherparse, networks by ipnet, and the
//! rest from the standards.
//!
//! Takes a frame, gives its expected outcome, or the reason why the oracle does not know it. It does not parse tunnels and
//! PPPoE, and knows of no flow slots.

mod exempt;
mod followed;
mod headers;
mod places;
#[cfg(test)]
mod tests;

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
    followed::{Followed, Standing},
    headers::{Packet, Transport},
    places::{Place, Places},
};

/// Shortest packet in which SMB is looked for on ports that nothing is known of: IPv4, TCP, session header, and the header
/// of SMB 1 (MS-CIFS 2.2.3.1). An Ethernet frame has 14 bytes more.
const SHORTEST_MESSAGE: usize = 20 + 20 + 4 + 32;

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
    followed: Followed,
}

/// What is recognised in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recognition {
    /// Nothing.
    Nothing,
    /// The oracle does not know, for this reason.
    Unsure(&'static str),
    /// Something between hosts of which one is exempt.
    Exempt,
    /// SMB or WebDAV, between this client and this server if it says so.
    Ours(Option<(IpAddr, IpAddr)>),
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
            followed: Followed::default(),
        }
    }

    /// Notes that a packet between these ends was kept: if no port is watched, one of them is marked now.
    pub fn kept(&mut self, transport: u8, local: SocketAddr, remote: SocketAddr) {
        if self.mark_one(transport, [local.port(), remote.port()]) {
            self.followed.kept((local, remote));
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

    /// A TCP packet on ports that nothing is known of.
    fn by_content(&self, packet: &Packet<'_>, frame_len: usize, link: Link) -> Opinion {
        if is_too_short(frame_len, link) {
            return Opinion::Foreign;
        }
        self.by_recognition(packet, self.recognition(packet))
    }

    /// A TCP packet of which a port is marked, or may be.
    fn on_marked_port(&self, packet: &Packet<'_>, frame_len: usize, link: Link) -> Opinion {
        let Some(account) = self.crossing(packet).ok().and_then(|side| account(packet, side)) else {
            return Opinion::Foreign;
        };
        let recognition = self.recognition(packet);
        if recognition != Recognition::Nothing {
            // Where the port is marked it is recognised at any length.
            return if is_too_short(frame_len, link) {
                Opinion::Unsure("a short message on a port that may be marked")
            } else {
                self.by_recognition(packet, recognition)
            };
        }
        if answers_webdav(packet) {
            return if self.servers.contains(&packet.source.port()) {
                self.by_recognition(packet, self.between(packet.destination, packet.source))
            } else {
                Opinion::Unsure("an answer from a port that may be marked")
            };
        }
        match self.followed.standing((account.local, account.remote)) {
            Standing::Not => Opinion::Foreign,
            Standing::Perhaps => Opinion::Unsure("a connection that may be followed"),
            // That depends on whether the CPU has a slot of it.
            Standing::Followed if account.tcp_flags & tcp::SYN != 0 => {
                Opinion::Unsure("a SYN in a connection that is followed")
            }
            Standing::Followed => {
                self.if_not_blocked(account, (packet.source.ip(), packet.destination.ip()), None)
            }
        }
    }

    /// What the first bytes of a segment are, on whatever port.
    fn recognition(&self, packet: &Packet<'_>) -> Recognition {
        let Some(segment) = packet.segment else { return Recognition::Nothing };
        let beginning = match segment.payload.get(..8) {
            Some(beginning) if segment.payload_len >= 8 => beginning,
            _ => return Recognition::Nothing,
        };
        match beginning {
            // RFC 1002 4.3.2: a session request for two encoded names.
            [0x81, ..] => Recognition::Unsure("a session request"),
            // MS-CIFS 2.2.3.1, MS-SMB2 2.2.1, 2.2.41 and 2.2.42, each behind the header of a session message.
            [0, _, _, _, 0xFC..=0xFF, b'S', b'M', b'B'] if smb_header(segment.payload) => {
                let (source, destination) = (packet.source.ip(), packet.destination.ip());
                let touched = |end: IpAddr| self.exempt.client(end) || self.exempt.server(end);
                let paired =
                    self.exempt.request(source, destination) != self.exempt.request(destination, source);
                if touched(source) || touched(destination) || paired && !self.blocked.is_empty() {
                    return Recognition::Unsure("who is exempt by what is said");
                }
                Recognition::Ours(None)
            }
            // RFC 9110 9.3.7, RFC 4918 9.1: requests, so the sender is the client.
            b"OPTIONS " | b"PROPFIND" => self.between(packet.source, packet.destination),
            _ => Recognition::Nothing,
        }
    }

    /// What was recognised between this client and this server, unless one of them is exempt.
    fn between(&self, client: SocketAddr, server: SocketAddr) -> Recognition {
        if self.exempt.client(client.ip()) || self.exempt.server(server.ip()) {
            return Recognition::Exempt;
        }
        Recognition::Ours(Some((client.ip(), server.ip())))
    }

    fn by_recognition(&self, packet: &Packet<'_>, recognition: Recognition) -> Opinion {
        match recognition {
            Recognition::Nothing | Recognition::Exempt => Opinion::Foreign,
            Recognition::Unsure(reason) => Opinion::Unsure(reason),
            Recognition::Ours(roles) => self.if_it_crosses(packet, roles),
        }
    }

    /// Learns from a frame of which this was the opinion, and in which the mark of a connection was replaced, or not.
    pub fn learn(&mut self, frame: &[u8], link: Link, opinion: Opinion, has_replaced: bool) {
        if has_replaced {
            self.followed.doubt_all();
        }
        let Ok(packet) = headers::packet(frame, link, self.tunnels) else {
            self.followed.unreadable(frame);
            return;
        };
        let unwatched =
            [packet.source, packet.destination].iter().all(|end| self.service(TCP, end.port()).is_none());
        let Some(account) = self.crossing(&packet).ok().and_then(|side| account(&packet, side)) else {
            return;
        };
        if packet.transport != Transport::Tcp || !unwatched || !self.services.smb_any_port {
            return;
        }
        let ends = (account.local, account.remote);
        let is_ours = matches!(self.recognition(&packet), Recognition::Ours(_)) || answers_webdav(&packet);
        match opinion {
            Opinion::Kept(_) if is_ours => self.followed.recognised(ends),
            _ if account.tcp_flags & tcp::SYN != 0 => self.followed.begun_anew(ends),
            _ => {}
        }
        if matches!(opinion, Opinion::Kept(_) | Opinion::Cut)
            && let Recognition::Ours(Some(_)) = self.recognition(&packet)
        {
            self.servers.insert(packet.destination.port());
        }
    }

    /// A packet that is kept for its content if it crosses the border, or cut out of its connection.
    fn if_it_crosses(&self, packet: &Packet<'_>, roles: Option<(IpAddr, IpAddr)>) -> Opinion {
        let ends = (packet.source.ip(), packet.destination.ip());
        let account = self.crossing(packet).ok().and_then(|side| account(packet, side));
        account.map_or(Opinion::Foreign, |account| self.if_not_blocked(account, ends, roles))
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

/// Whether nothing is looked for in a frame of this length on ports that nothing is known of.
fn is_too_short(frame_len: usize, link: Link) -> bool {
    frame_len < SHORTEST_MESSAGE + if link == Link::Ethernet { 14 } else { 0 }
}

/// Whether a segment begins with an answer of the status 401 (RFC 9110 15.5.2) or 207 (RFC 4918 11.1).
fn answers_webdav(packet: &Packet<'_>) -> bool {
    packet.segment.is_some_and(|segment| {
        segment.payload_len >= 8
            && matches!(
                segment.payload,
                [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'4', b'0', b'1', ..]
                    | [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', b'0', b'7', ..]
            )
    })
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

/// Whether the header of a message is one of SMB: its length covers the header, and its command and its flags exist. The first
/// 24 bytes must be there.
fn smb_header(payload: &[u8]) -> bool {
    let Some(header) = payload.get(..24) else { return false };
    let length = u32::from_be_bytes([0, header[1], header[2], header[3]]);
    match header[4] {
        0xFE => {
            let command = u16::from_le_bytes([header[16], header[17]]);
            let flags = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
            length >= 64 && header[8..10] == [64, 0] && command <= 18 && flags & 0xCFFF_FF80 == 0
        }
        0xFF => {
            let ranges = [(0, 0x35), (0x70, 0x75), (0x80, 0x84), (0xA0, 0xA5), (0xC0, 0xC3), (0xD0, 0xD7)];
            let exists = ranges.iter().any(|(first, last)| (*first..=*last).contains(&header[8]));
            length >= 35 && exists && u16::from_le_bytes([header[14], header[15]]) & 0x03A0 == 0
        }
        0xFD => length >= 52,
        _ => length >= 16,
    }
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
