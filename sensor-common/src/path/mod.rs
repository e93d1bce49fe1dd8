//! The one path of a packet: ports → service → addresses → classify → enforce → flow → emit → capture.
//!
//! Written once over an [`Environment`]; the kernel hooks and the host engine are thin environments. Never fails: every
//! way out is a [`Verdict`] and, for a watched packet, a counter.

mod account;
mod capture;
mod enforce;
mod environment;
mod judge;
mod place;
mod prefixes;
mod watched;

use self::judge::judge_and_count;
pub(crate) use self::place::bit;
pub use self::{
    capture::{MAX_LOOKS, MAX_PIECES, capture},
    environment::Environment,
    prefixes::flags_of,
    watched::Watched,
};
use crate::{
    bytes::Bytes,
    classify::Server,
    counter::Counter,
    headers::{self, NoPorts, Ports},
    settings::{PortKind, feature},
    slot::{Hook, TCP},
    smb::{self, Opening},
};

/// What the hook knows of a frame besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Hook that saw it.
    pub hook: Hook,
    /// Interface it passed.
    pub ifindex: u32,
    /// Length of the whole frame, bytes.
    pub frame_len: u32,
    /// VLAN tag that is no longer in the frame, as in [`headers::Ports::vlan`], or 0.
    pub vlan: u16,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not Windows networking.
    Foreign,
    /// No way to tell: why.
    Unjudged(NoPorts),
    /// Watched, and not kept for this reason.
    Passed(Counter),
    /// Accounted to its flow.
    Kept,
    /// Accounted to its flow, and its payload may be evidence: [`capture`] is to look at it.
    Evident,
    /// Accounted to its flow, and to be dropped.
    Dropped,
}

/// What is known of the ports of a packet.
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

/// Why a packet is looked at more closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    /// A port of it is watched.
    Service(Server),
    /// It begins with an SMB message on some other port.
    Recognised(Server),
    /// SMB was recognised on a port of it: it counts only if its own flow is in a slot.
    Suspected,
}

/// A packet that may be ours.
#[derive(Clone, Copy, Debug)]
pub struct Parsed {
    ports: Ports,
    kinds: Kinds,
    interest: Interest,
}

/// Takes one frame down the path.
#[inline(always)]
pub fn process<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B, arrival: Arrival) -> Verdict {
    match parse(env, frame, arrival) {
        Ok(parsed) => process_parsed(env, frame, &parsed, arrival),
        Err(verdict) => verdict,
    }
}

/// The first half of [`process`]: whether a packet may be ours.
///
/// # Errors
/// The verdict on one that is not.
#[inline(always)]
pub fn parse<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    arrival: Arrival,
) -> Result<Parsed, Verdict> {
    let ports = match headers::ports(frame, arrival.vlan, env.features() & feature::TUNNELS != 0) {
        Ok(ports) => ports,
        Err(NoPorts::Foreign) => return Err(Verdict::Foreign),
        Err(reason) => return Err(Verdict::Unjudged(reason)),
    };
    let kinds = Kinds::of(env, &ports);
    match interest(env, frame, &ports, kinds, &arrival) {
        Some(interest) => Ok(Parsed { ports, kinds, interest }),
        None => Err(Verdict::Foreign),
    }
}

/// The second half: judges and accounts what was parsed.
#[inline(always)]
pub fn process_parsed<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    parsed: &Parsed,
    arrival: Arrival,
) -> Verdict {
    judge_and_count::<_, _, false>(env, frame, &parsed.ports, parsed.kinds, parsed.interest, &arrival)
}

/// Takes a frame down the path of which a first [`fast_path`](crate::fast_path) told where everything is, and that one port of it,
/// that of the `server`, is a watched `service`.
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
    judge_and_count::<_, _, true>(env, frame, ports, kinds, Interest::Service(server), &arrival)
}

/// Why a packet is to be looked at more closely, if it is.
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
        _ if source.is_foreign() && destination.is_foreign() => {
            let any_port = env.features() & feature::SMB_ON_ANY_PORT != 0;
            if !any_port || arrival.frame_len < smb::SHORTEST_FRAME || ports.transport != TCP {
                return None;
            }
            Interest::Recognised(recognise(frame, ports, arrival)?)
        }
        _ => match recognise(frame, ports, arrival) {
            Some(server) => Interest::Recognised(server),
            None => Interest::Suspected,
        },
    })
}

/// Counts a frame that could not be judged. Apart from [`process`], so that a hook may try again with more of the frame.
#[inline(always)]
pub fn count_unjudged<E: Environment>(env: &mut E, verdict: Verdict) {
    let Verdict::Unjudged(reason) = verdict else { return };
    let counter = match reason {
        NoPorts::Foreign => return,
        NoPorts::Short => Counter::ShortFrame,
        NoPorts::LaterFragment => Counter::Fragment,
        NoPorts::EvasiveFragment => Counter::EvasiveFragment,
        NoPorts::LongExtensionChain => Counter::LongExtensionChain,
        NoPorts::UnknownLink => Counter::UnknownLink,
    };
    env.count(counter, 1);
}

/// Whether the payload begins with SMB, and which end is the server.
#[inline(always)]
fn recognise<B: Bytes + Copy>(frame: B, ports: &Ports, arrival: &Arrival) -> Option<Server> {
    let segment = headers::segment(frame, ports, ip_len(frame, ports, arrival))?;
    if segment.payload_len < smb::PROBE_LEN {
        return None;
    }
    match smb::opening(frame.load_deep(segment.payload_at)?) {
        Opening::Other => None,
        opening => Some(smb::server(frame, segment.payload_at, opening, ports.source, ports.destination)),
    }
}

/// Length of the IP packet: by its header, or of all that there is where that does not say.
#[inline(always)]
fn ip_len<B: Bytes>(frame: B, ports: &Ports, arrival: &Arrival) -> u32 {
    if ports.ip_len != 0 {
        return ports.ip_len;
    }
    frame.whole_len().unwrap_or(arrival.frame_len).saturating_sub(ports.network)
}
