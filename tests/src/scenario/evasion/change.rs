//! Changes to the packets of the session.

use std::time::Duration;

use sensor_common::slot::tcp;

use super::packets::{From, Holds, Packet, Packets, log_on, session};
use crate::encapsulation::{ENDS, GRE, IPV4, gre, ip};

/// Where the IP header begins, and where what it carries does.
pub(super) const IP: usize = 14;
pub(super) const TRANSPORT: usize = IP + 20;

/// Flows beside the session.
const OTHER_FLOWS: u16 = 400;

/// A connection, these flags with sequence numbers so far beyond the next ones, ten seconds, and the session.
pub(super) fn before_negotiation(forged: &[(From, u8, u32)]) -> Packets {
    let mut packets = session("alice");
    let first = packets.iter().position(|packet| packet.holds == Holds::Negotiation).unwrap_or_default();
    let next = packets[first].clone();
    packets[first].after = Duration::from_secs(10);
    let forgeries: Vec<_> = forged
        .iter()
        .map(|(from, flags, beyond)| {
            let (own, others) = match from {
                From::Client => (next.sequence, next.acknowledges),
                From::Server => (next.acknowledges, next.sequence),
            };
            let numbers = (own.wrapping_add(*beyond), others);
            Packet {
                from: *from,
                flags: *flags,
                sequence: numbers.0,
                acknowledges: numbers.1,
                ..next.with(vec![])
            }
        })
        .collect();
    packets.splice(first..first, forgeries);
    Packets::of(packets, |packet| vec![packet.clone()])
}

/// The session with other segments in place of that with the log-on.
pub(super) fn log_on_as(segments: impl Fn(&Packet) -> Vec<Packet>) -> Packets {
    Packets::of(
        session("alice"),
        |packet| if packet.is_log_on() { segments(packet) } else { vec![packet.clone()] },
    )
}

/// The session with other frames in place of that with the log-on.
pub(super) fn frames_of_log_on(frames: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Packets {
    all_frames(|packet| if packet.is_log_on() { frames(&packet.bytes()) } else { vec![packet.bytes()] })
}

pub(super) fn all_frames(frames: impl Fn(&Packet) -> Vec<Vec<u8>>) -> Packets {
    Packets::in_frames(session("alice"), frames)
}

/// Before the log-on one of decoy, changed so that no peer takes it.
pub(super) fn with_decoy(change: fn(&[u8]) -> Vec<u8>) -> Packets {
    all_frames(|packet| {
        let real = packet.bytes();
        if !packet.is_log_on() {
            return vec![real];
        }
        vec![change(&packet.with(log_on("decoy")).bytes()), real]
    })
}

/// A log-on of decoy in the place of the real one, changed.
pub(super) fn decoy_of(change: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let packets = session("alice");
    let real = packets.iter().find(|packet| packet.is_log_on());
    real.map_or_else(Vec::new, |packet| change(&packet.with(log_on("decoy")).bytes()))
}

/// The frame as its own machine sends it: its checksum is the sum of the pseudo-header (RFC 9293 3.1).
pub(super) fn without_checksum(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() - TRANSPORT) as u16;
    let addresses = frame[IP + 12..TRANSPORT].chunks(2);
    let mut sum: u32 = addresses.map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    sum += u32::from(sensor_common::slot::TCP) + u32::from(length);
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let [high, low] = (((folded & 0xFFFF) + (folded >> 16)) as u16).to_be_bytes();
    patched(&patched(frame, TRANSPORT + 16, high), TRANSPORT + 17, low)
}

/// A byte of a frame changed; its IP checksum, which no hook reads, stays.
pub(super) fn patched(frame: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at] = byte;
    frame
}

/// The log-on in two segments, and one of decoy over both of them.
pub(super) fn overlap(false_first: bool) -> Packets {
    log_on_as(|packet| {
        let half = packet.payload.len() / 2;
        let [first, second] = [packet.part(0, half), packet.part(half, usize::MAX - half)];
        let decoy = packet.with(log_on("decoy"));
        if false_first { vec![decoy, first, second] } else { vec![first, second, decoy] }
    })
}

/// The second half of a log-on of decoy, changed, and the real log-on in two segments.
pub(super) fn end_of_decoy(change: fn(&[u8]) -> Vec<u8>) -> Packets {
    all_frames(|packet| {
        if !packet.is_log_on() {
            return vec![packet.bytes()];
        }
        let half = packet.payload.len() / 2;
        let halves = |packet: &Packet| [packet.part(0, half), packet.part(half, usize::MAX - half)];
        let [first, second] = halves(packet);
        let [_, decoy] = halves(&packet.with(log_on("decoy")));
        vec![change(&decoy.bytes()), first.bytes(), second.bytes()]
    })
}

pub(super) fn one_side(side: From) -> Packets {
    Packets::of(session("alice"), |packet| if packet.from == side { vec![packet.clone()] } else { vec![] })
}

pub(super) fn tagged(packet: &Packet, tags: &[u16]) -> Vec<u8> {
    tags.iter().zip(100..).fold(packet.frame(), |frame, (tag, vlan)| frame.tag(*tag, vlan)).build()
}

/// The IP packet of a frame in a tunnel between two routers on the Internet.
pub(super) fn in_gre(frame: &[u8]) -> Vec<u8> {
    ip(ENDS, GRE, &gre(0, IPV4, &frame[IP..])).build()
}

/// The IP fragments of a frame, with so many bytes each, a multiple of eight.
pub(super) fn fragments(frame: &[u8], length: usize) -> Vec<Vec<u8>> {
    let body = &frame[TRANSPORT..];
    let last = body.len().div_ceil(length) - 1;
    let fragment = |(number, part): (usize, &[u8])| {
        let mut fragment = [&frame[..TRANSPORT], part].concat();
        fragment[IP + 2..IP + 4].copy_from_slice(&((20 + part.len()) as u16).to_be_bytes());
        let more = if number < last { 0x2000 } else { 0 };
        let offset = (number * length / 8) as u16 | more;
        fragment[IP + 6..IP + 8].copy_from_slice(&offset.to_be_bytes());
        fragment
    };
    body.chunks(length).enumerate().map(fragment).collect()
}

/// The session, and before each of its packets one of many other connections.
pub(super) fn crowded() -> Packets {
    all_frames(|packet| {
        let other = |port: u16| {
            let mut frame = Packet { flags: tcp::SYN, ..packet.with(vec![]) }.bytes();
            let ports = if packet.from == From::Client { TRANSPORT } else { TRANSPORT + 2 };
            frame[ports..ports + 2].copy_from_slice(&(10_000 + port).to_be_bytes());
            frame
        };
        (0..OTHER_FLOWS).map(other).chain([packet.bytes()]).collect()
    })
}
