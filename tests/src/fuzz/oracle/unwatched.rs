//! Packets on TCP ports that are not watched: what is recognised in them, and what follows from that for later ones.

use std::net::{IpAddr, SocketAddr};

use sensor_common::{
    headers::Link,
    slot::{TCP, tcp},
};

use super::{
    Opinion, Oracle, account,
    headers::{self, Packet, Transport},
    marked_flows::MarkState,
};

/// Shortest packet in which SMB is looked for on ports that nothing is known of: IPv4, TCP, session header, and the header
/// of SMB 1 (MS-CIFS 2.2.3.1). An Ethernet frame has 14 bytes more.
const SHORTEST_MESSAGE: usize = 20 + 20 + 4 + 32;

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
    /// A TCP packet on ports that nothing is known of.
    pub(super) fn by_content(&self, packet: &Packet<'_>, frame_len: usize, link: Link) -> Opinion {
        if is_too_short(frame_len, link) {
            return Opinion::Foreign;
        }
        self.by_recognition(packet, self.recognition(packet))
    }

    /// A TCP packet of which a port is marked, or may be.
    pub(super) fn on_marked_port(&self, packet: &Packet<'_>, frame_len: usize, link: Link) -> Opinion {
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
        match self.marked_flows.mark_state((account.local, account.remote)) {
            MarkState::Unmarked => Opinion::Foreign,
            MarkState::MaybeMarked => Opinion::Unsure("a connection that may be followed"),
            // That depends on whether the CPU has a slot of it.
            MarkState::Marked if account.tcp_flags & tcp::SYN != 0 => {
                Opinion::Unsure("a SYN in a connection that is followed")
            }
            MarkState::Marked => {
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
            self.marked_flows.doubt_all();
        }
        let Ok(packet) = headers::packet(frame, link, self.tunnels) else {
            self.marked_flows.unreadable(frame);
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
            Opinion::Kept(_) if is_ours => self.marked_flows.recognised(ends),
            _ if account.tcp_flags & tcp::SYN != 0 => self.marked_flows.begun_anew(ends),
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
