//! The one path of a packet: ports → service → addresses → classify → enforce → flow → emit → capture.
//!
//! Written once over an [`Environment`]; the kernel hooks and the host engine are thin environments. The path never fails:
//! every packet ends with a [`Verdict`] and, if it is watched, a counter.

mod account;
mod andx;
mod block;
mod capture;
mod checksum;
mod datagram;
mod decide;
mod enforce;
mod environment;
mod follow;
mod handover;
mod heads;
mod kept;
mod known;
mod place;
mod prefixes;
mod quic;

use self::decide::decide_and_account;
pub use self::{
    account::{Unaccounted, account},
    andx::command,
    block::{Blocked, block},
    capture::{Look, MAX_LOOKS, MAX_PIECES, begin, capture},
    decide::decide,
    environment::Environment,
    handover::READERS,
    kept::Kept,
    known::process_known,
    prefixes::flags_of,
    quic::decide_quic,
};
use crate::{
    bytes::Bytes,
    classify::Server,
    counter::Counter,
    headers::{self, Link, NoPorts, Ports},
    http::{self, is_webdav},
    settings::{PortKind, feature},
    slot::{Hook, UDP},
    smb::{self, Opening},
};

/// What the hook knows about a frame besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Hook that saw it.
    pub hook: Hook,
    /// Interface it passed.
    pub ifindex: u32,
    /// What its frames begin with.
    pub link: Link,
    /// Length of the whole frame, bytes.
    pub frame_len: u32,
    /// VLAN tag that is no longer in the frame, as in [`headers::Ports::vlan`], or 0.
    pub vlan: u16,
}

/// The result of the path for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not Windows networking.
    Foreign,
    /// It has no readable ports, for this reason.
    Unparsed(NoPorts),
    /// It begins with an Initial packet of QUIC, and was handed up, or counted as passed over.
    Initial,
    /// Watched, but not kept for this reason.
    Passed(Counter),
    /// Accounted to its flow.
    Kept,
    /// Accounted to its flow, and its payload may be evidence: [`capture`] must read it.
    Evident,
    /// Dropped, and accounted to its flow or counted.
    Dropped,
}

/// What the port tables say about the ports of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Of its source port.
    pub source: PortKind,
    /// Of its destination port.
    pub destination: PortKind,
}

impl Kinds {
    #[inline(always)]
    fn of<E: Environment>(env: &E, ports: &Ports) -> Self {
        Self {
            source: env.port_kind(ports.transport, ports.source),
            destination: env.port_kind(ports.transport, ports.destination),
        }
    }
}

/// Why a packet is processed further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    /// One of its ports is watched.
    Service(Server),
    /// It begins with an SMB message, or a request of a WebDAV client, on some other port.
    Recognised(Server),
    /// SMB or WebDAV was recognised on one of its ports: the packet counts only if its own flow is in a slot, or marked.
    Suspected,
    /// It is an Initial packet of QUIC, or may be of a flow of QUIC that the agent asked for.
    Quic,
}

/// A packet that may be watched.
#[derive(Clone, Copy, Debug)]
pub struct Parsed {
    ports: Ports,
    kinds: Kinds,
    interest: Interest,
}

impl Parsed {
    /// Whether it is for [`decide_quic`] to decide, and not for [`decide`].
    #[inline(always)]
    #[must_use]
    pub const fn is_quic(&self) -> bool {
        matches!(self.interest, Interest::Quic)
    }

    /// The TCP port (wire order) of the server, if SMB or WebDAV was recognised in it.
    #[must_use]
    pub const fn recognised_port(&self) -> Option<u16> {
        match self.interest {
            Interest::Recognised(Server::Source) => Some(self.ports.source),
            Interest::Recognised(_) => Some(self.ports.destination),
            _ => None,
        }
    }
}

/// Processes one frame.
#[inline(always)]
pub fn process<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B, arrival: Arrival) -> Verdict {
    let decided = parse(env, frame, arrival).and_then(|parsed| {
        if parsed.is_quic() {
            decide_quic(env, frame, &parsed, &arrival)
        } else {
            decide(env, frame, &parsed, &arrival)
        }
    });
    match decided {
        Ok((mut packet, ends)) => {
            let blocked = if env.has_blocks() { block(env, &mut packet, &ends) } else { Blocked::No };
            match blocked {
                Blocked::No => account(env, &packet, &ends),
                Blocked::Drop => {
                    account(env, &packet, &ends);
                    Verdict::Dropped
                }
                Blocked::Cut => Verdict::Dropped,
                Blocked::Foreign => Verdict::Foreign,
            }
        }
        Err(verdict) => verdict,
    }
}

/// The first part of [`process`]: whether a packet may be watched.
///
/// # Errors
/// The verdict on a packet that is not.
#[inline(always)]
pub fn parse<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    arrival: Arrival,
) -> Result<Parsed, Verdict> {
    let tunnels = env.features() & feature::TUNNELS != 0;
    let ports = match headers::ports(frame, arrival.link, arrival.vlan, tunnels) {
        Ok(ports) => ports,
        Err(NoPorts::Foreign) => return Err(Verdict::Foreign),
        Err(reason) => return Err(Verdict::Unparsed(reason)),
    };
    let kinds = Kinds::of(env, &ports);
    match interest(env, frame, &ports, kinds, &arrival) {
        Some(interest) => Ok(Parsed { ports, kinds, interest }),
        None => Err(Verdict::Foreign),
    }
}

/// Processes a frame for which [`fast_path`](crate::fast_path) already found the offsets, and one of whose ports, that of the
/// `server`, is a watched `service`; [`process_known`] left it. Blocks are
/// not looked at: while there are any, a frame takes the general path instead.
#[inline(always)]
pub fn process_plain<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    (server, service): (Server, PortKind),
    arrival: Arrival,
) -> Verdict {
    let kinds = match server {
        Server::Source => Kinds { source: service, destination: PortKind::FOREIGN },
        _ => Kinds { source: PortKind::FOREIGN, destination: service },
    };
    let parsed = Parsed { ports: *ports, kinds, interest: Interest::Service(server) };
    decide_and_account(env, frame, &parsed, &arrival)
}

/// Why a packet is processed further, if it is.
#[inline(always)]
fn interest<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    arrival: &Arrival,
) -> Option<Interest> {
    let Kinds { source, destination } = kinds;
    Some(match (source.is_service(), destination.is_service()) {
        (true, true) => Interest::Service(Server::Either),
        (true, false) => Interest::Service(Server::Source),
        (false, true) => Interest::Service(Server::Destination),
        _ if ports.transport == UDP => {
            return quic::is_called_for(frame, ports, kinds, arrival).then_some(Interest::Quic);
        }
        _ if source.is_foreign() && destination.is_foreign() => {
            let any_port = env.features() & feature::SMB_ON_ANY_PORT != 0;
            let shortest = arrival.link.header_len() + smb::SHORTEST_PACKET;
            if !any_port || arrival.frame_len < shortest {
                return None;
            }
            Interest::Recognised(recognise(frame, ports, arrival, false)?)
        }
        _ => match recognise(frame, ports, arrival, true) {
            Some(server) => Interest::Recognised(server),
            None => Interest::Suspected,
        },
    })
}

/// Counts a frame without readable ports. Apart from [`process`], so that a hook may try again with more of the frame.
#[inline(always)]
pub fn count_unparsed<E: Environment>(env: &mut E, verdict: Verdict) {
    let Verdict::Unparsed(reason) = verdict else { return };
    let counter = match reason {
        NoPorts::Foreign => return,
        NoPorts::Short => Counter::ShortFrame,
        NoPorts::LaterFragment => Counter::Fragment,
        NoPorts::EvasiveFragment => Counter::EvasiveFragment,
        NoPorts::LongExtensionChain => Counter::LongExtensionChain,
        NoPorts::UnknownLink => Counter::UnknownLink,
        NoPorts::UnknownTunnel => Counter::UnknownTunnel,
    };
    env.count(counter, 1);
}

/// Whether the payload begins with SMB or with a request of a WebDAV client, and which end is the server. On a port that is marked,
/// also with an answer to such a request: another CPU may have seen that.
#[inline(always)]
fn recognise<B: Bytes + Copy>(frame: B, ports: &Ports, arrival: &Arrival, is_marked: bool) -> Option<Server> {
    let segment = headers::segment(frame, ports, ip_len(frame, ports, arrival))?;
    if segment.payload_len < smb::PROBE_LEN {
        return None;
    }
    let probe = frame.load_deep(segment.payload_at)?;
    match smb::opening(probe) {
        Opening::Other if is_webdav(probe) => Some(Server::Destination),
        Opening::Other if is_marked => {
            http::is_answer(frame.load_deep(segment.payload_at)?).then_some(Server::Source)
        }
        Opening::Other => None,
        opening if !smb::is_credible(frame, segment.payload_at, opening) => None,
        opening => Some(smb::server(frame, segment.payload_at, opening, ports.source, ports.destination)),
    }
}

/// Length of the IP packet: from its header, or of the rest of the frame if the header does not say.
#[inline(always)]
fn ip_len<B: Bytes>(frame: B, ports: &Ports, arrival: &Arrival) -> u32 {
    if ports.ip_len != 0 {
        return ports.ip_len;
    }
    frame.whole_len().unwrap_or(arrival.frame_len).saturating_sub(ports.network)
}
