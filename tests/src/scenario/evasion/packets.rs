//! The packets of a session, to be changed before they are sent.

use std::net::SocketAddrV4;
use std::time::Duration;

use sensor_common::slot::{TCP, tcp};

use super::super::smb2::{Dialogue, Exchange, Status};
use super::super::wire::{Tape, completed};
use crate::Frame;

const CLIENT: &str = "10.0.0.2:50000";
const SERVER: &str = "8.8.4.4:445";

/// The side that sends a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Client,
    Server,
}

/// One TCP segment of the session.
#[derive(Clone)]
pub(super) struct Packet {
    pub(super) from: From,
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledges: u32,
    pub(super) payload: Vec<u8>,
    /// Time to let pass before it.
    pub(super) after: Duration,
    /// Which message it holds.
    pub(super) holds: Holds,
}

/// What a packet holds of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Flags alone.
    Nothing,
    /// A message before the log-on.
    Negotiation,
    /// The NTLM response.
    LogOn,
    /// A later message.
    Later,
}

/// Packets in the order of sending, as frames.
#[derive(Default)]
pub(super) struct Packets {
    tape: Tape,
}

/// The connection and the log-on as `user`, answered by success; a share is connected, and both sides close.
pub(super) fn session(user: &str) -> Vec<Packet> {
    session_behind(user, &[])
}

/// The same with these bytes before each message, in its segment.
pub(super) fn session_behind(user: &str, before: &[u8]) -> Vec<Packet> {
    let before = before.to_vec();
    let mut numbers = Numbers { packets: vec![], client: 1_000, server: 5_000, before };
    numbers.push(From::Client, tcp::SYN, &[], Holds::Nothing);
    numbers.push(From::Server, tcp::SYN | tcp::ACK, &[], Holds::Nothing);
    numbers.push(From::Client, tcp::ACK, &[], Holds::Nothing);
    let mut dialogue = Dialogue::default();
    let negotiation = [dialogue.negotiate(), dialogue.challenge()];
    negotiation.into_iter().for_each(|exchange| numbers.say(&exchange, Holds::Negotiation));
    numbers.say(&dialogue.authenticate(user, Status::Success), Holds::LogOn);
    numbers.say(&dialogue.tree_connect(r"\\8.8.4.4\files"), Holds::Later);
    numbers.push(From::Client, tcp::FIN | tcp::ACK, &[], Holds::Nothing);
    numbers.push(From::Server, tcp::FIN | tcp::ACK, &[], Holds::Nothing);
    numbers.packets
}

/// The NTLM response of `user` as a message.
pub(super) fn log_on(user: &str) -> Vec<u8> {
    let is_response = |packet: &Packet| packet.holds == Holds::LogOn && packet.from == From::Client;
    session(user).into_iter().find(is_response).map(|packet| packet.payload).unwrap_or_default()
}

struct Numbers {
    packets: Vec<Packet>,
    client: u32,
    server: u32,
    /// Bytes before each message.
    before: Vec<u8>,
}

impl Numbers {
    fn say(&mut self, (request, reply): &Exchange, holds: Holds) {
        let [request, reply] = [request, reply].map(|message| [&self.before[..], message].concat());
        self.push(From::Client, tcp::ACK, &request, holds);
        self.push(From::Server, tcp::ACK, &reply, holds);
    }

    fn push(&mut self, from: From, flags: u8, payload: &[u8], holds: Holds) {
        let (sequence, acknowledges) = match from {
            From::Client => (self.client, self.server),
            From::Server => (self.server, self.client),
        };
        let moved = payload.len() as u32 + u32::from(flags & (tcp::SYN | tcp::FIN) != 0);
        match from {
            From::Client => self.client += moved,
            From::Server => self.server += moved,
        }
        let payload = payload.to_vec();
        self.packets.push(Packet {
            from,
            flags,
            sequence,
            acknowledges,
            payload,
            after: Duration::ZERO,
            holds,
        });
    }
}

impl Packet {
    /// Whether it is the client's NTLM response.
    pub(super) fn is_log_on(&self) -> bool {
        self.holds == Holds::LogOn && self.from == From::Client
    }

    /// The part of it from an offset on, of this length at most.
    pub(super) fn part(&self, at: usize, length: usize) -> Self {
        let end = self.payload.len().min(at + length);
        let payload = self.payload[at..end].to_vec();
        Self { sequence: self.sequence + at as u32, payload, ..self.clone() }
    }

    /// It in segments of this length.
    pub(super) fn in_segments_of(&self, length: usize) -> Vec<Self> {
        (0..self.payload.len()).step_by(length).map(|at| self.part(at, length)).collect()
    }

    /// The same with other content.
    pub(super) fn with(&self, payload: Vec<u8>) -> Self {
        Self { payload, ..self.clone() }
    }

    /// As a frame that can be changed further.
    pub(super) fn frame(&self) -> Frame {
        let ends: [SocketAddrV4; 2] =
            [CLIENT, SERVER].map(|end| end.parse().unwrap_or_else(|_| unreachable!()));
        let [client, server] = ends;
        let (from, to) = match self.from {
            From::Client => (client, server),
            From::Server => (server, client),
        };
        Frame::between(TCP, from.into(), to.into())
            .flags(self.flags)
            .sequence(self.sequence)
            .payload(&self.payload)
    }

    /// As the bytes of a frame with right checksums.
    pub(super) fn bytes(&self) -> Vec<u8> {
        completed(&self.frame(), self.acknowledges)
    }
}

impl Packets {
    /// Every packet of a session in place of which `change` sends others.
    pub(super) fn of(session: Vec<Packet>, change: impl Fn(&Packet) -> Vec<Packet>) -> Self {
        Self::in_frames(session.iter().flat_map(change).collect(), |packet| vec![packet.bytes()])
    }

    /// Packets, each as the frames that `frames` makes of it.
    pub(super) fn in_frames(packets: Vec<Packet>, frames: impl Fn(&Packet) -> Vec<Vec<u8>>) -> Self {
        let mut all = Self::default();
        for packet in packets {
            all.tape.wait(packet.after);
            frames(&packet).into_iter().for_each(|bytes| all.tape.bytes(bytes));
        }
        all
    }

    pub(super) fn pcap(&self) -> Vec<u8> {
        self.tape.pcap()
    }
}
