//! A capture written by hand: TCP connections and datagrams with made-up times, checksums and sequence numbers as on a wire.

use std::net::SocketAddrV4;
use std::time::Duration;

use sensor_common::slot::tcp;

use crate::{ByteOrder, Frame, Recording, link};

/// When a tape begins, in nanoseconds since 1970: noon of a day in November 2026.
const BEGINS: u64 = 1_795_953_600 * 1_000_000_000;
/// Time between two frames that answer each other.
const STEP: Duration = Duration::from_millis(1);
/// Payload of a full segment.
const SEGMENT: usize = 1460;
/// PSH (RFC 9293 3.1), which the packet path ignores.
const PUSH: u8 = 8;
/// First sequence numbers.
const CLIENT_BEGINS: u32 = 1_000;
const SERVER_BEGINS: u32 = 5_000;

/// Frames in the order of their times.
pub struct Tape {
    recording: Recording,
    now: Duration,
}

impl Default for Tape {
    fn default() -> Self {
        Self { recording: Recording::default(), now: Duration::ZERO }
    }
}

impl Tape {
    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets time pass until this long after the beginning, if that is not over.
    pub fn wait_until(&mut self, since_beginning: Duration) {
        self.now = self.now.max(since_beginning);
    }

    /// A frame now, with its checksums set right; a millisecond passes.
    pub fn send(&mut self, frame: &Frame, acknowledges: u32) {
        self.bytes(completed(frame, acknowledges));
    }

    /// The bytes of a frame now, as they are; a millisecond passes.
    pub fn bytes(&mut self, frame: Vec<u8>) {
        self.recording.frames.push((BEGINS + self.now.as_nanos() as u64, frame));
        self.now += STEP;
    }

    /// A TCP segment without payload.
    pub fn segment(&mut self, from: SocketAddrV4, to: SocketAddrV4, flags: u8, numbers: (u32, u32)) {
        let (sequence, acknowledges) = numbers;
        let frame = Frame::between(sensor_common::slot::TCP, from.into(), to.into());
        self.send(&frame.flags(flags).sequence(sequence), acknowledges);
    }

    /// A UDP datagram.
    pub fn datagram(&mut self, from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) {
        let frame = Frame::between(sensor_common::slot::UDP, from.into(), to.into());
        self.send(&frame.payload(payload), 0);
    }

    /// As a pcap file.
    #[must_use]
    pub fn pcap(&self) -> Vec<u8> {
        self.recording.pcap(ByteOrder::Little, true, link::ETHERNET)
    }
}

/// One TCP connection on a tape.
pub(super) struct Connection {
    client: SocketAddrV4,
    server: SocketAddrV4,
    client_next: u32,
    server_next: u32,
}

impl Connection {
    /// A connection whose handshake is complete.
    pub(super) fn open(tape: &mut Tape, client: SocketAddrV4, server: SocketAddrV4) -> Self {
        Self::open_at(tape, client, server, (CLIENT_BEGINS, SERVER_BEGINS))
    }

    /// The same with other first sequence numbers of client and server.
    pub(super) fn open_at(
        tape: &mut Tape,
        client: SocketAddrV4,
        server: SocketAddrV4,
        first: (u32, u32),
    ) -> Self {
        let (c, s) = first;
        tape.segment(client, server, tcp::SYN, (c, 0));
        tape.segment(server, client, tcp::SYN | tcp::ACK, (s, c + 1));
        tape.segment(client, server, tcp::ACK, (c + 1, s + 1));
        Self { client, server, client_next: c + 1, server_next: s + 1 }
    }

    /// A connection in its middle: the handshake was before.
    pub(super) const fn joined(client: SocketAddrV4, server: SocketAddrV4) -> Self {
        Self { client, server, client_next: CLIENT_BEGINS, server_next: SERVER_BEGINS }
    }

    /// Bytes of the client, in as many segments as they take.
    pub(super) fn request(&mut self, tape: &mut Tape, bytes: &[u8]) {
        self.client_next =
            stream(tape, (self.client, self.server), (self.client_next, self.server_next), bytes);
    }

    /// Bytes of the server.
    pub(super) fn reply(&mut self, tape: &mut Tape, bytes: &[u8]) {
        self.server_next =
            stream(tape, (self.server, self.client), (self.server_next, self.client_next), bytes);
    }

    /// A keep-alive probe of the client's TCP (RFC 9293 3.8.4) and its answer.
    pub(super) fn keep_alive(&self, tape: &mut Tape) {
        tape.segment(self.client, self.server, tcp::ACK, (self.client_next - 1, self.server_next));
        tape.segment(self.server, self.client, tcp::ACK, (self.server_next, self.client_next));
    }

    /// A reset in the client's name, with a sequence number this far beyond the client's last one.
    pub(super) fn forged_reset(&self, tape: &mut Tape, beyond: u32) {
        tape.segment(self.client, self.server, tcp::RST, (self.client_next.wrapping_add(beyond), 0));
    }

    /// The client resets the connection.
    pub(super) fn reset(self, tape: &mut Tape) {
        tape.segment(self.client, self.server, tcp::RST, (self.client_next, 0));
    }

    /// Both sides close the connection.
    pub(super) fn close(self, tape: &mut Tape) {
        let (c, s) = (self.client_next, self.server_next);
        tape.segment(self.client, self.server, tcp::FIN | tcp::ACK, (c, s));
        tape.segment(self.server, self.client, tcp::FIN | tcp::ACK, (s, c + 1));
        tape.segment(self.client, self.server, tcp::ACK, (c + 1, s + 1));
    }
}

/// Sends bytes as segments; returns the next sequence number.
fn stream(tape: &mut Tape, ends: (SocketAddrV4, SocketAddrV4), numbers: (u32, u32), bytes: &[u8]) -> u32 {
    let (from, to) = ends;
    let (mut sequence, acknowledges) = numbers;
    for part in bytes.chunks(SEGMENT) {
        let frame = Frame::between(sensor_common::slot::TCP, from.into(), to.into());
        tape.send(&frame.flags(PUSH | tcp::ACK).sequence(sequence).payload(part), acknowledges);
        sequence = sequence.wrapping_add(part.len() as u32);
    }
    sequence
}

/// The bytes of a plain IPv4 frame with its acknowledgment number, and right checksums (RFC 1071).
#[must_use]
pub(super) fn completed(frame: &Frame, acknowledges: u32) -> Vec<u8> {
    let mut frame = frame.build();
    const IP: usize = 14;
    const TRANSPORT: usize = IP + 20;
    let (protocol, checksum_at) = match frame[IP + 9] {
        sensor_common::slot::TCP => (sensor_common::slot::TCP, TRANSPORT + 16),
        other => (other, TRANSPORT + 6),
    };
    if protocol == sensor_common::slot::TCP {
        frame[TRANSPORT + 8..TRANSPORT + 12].copy_from_slice(&acknowledges.to_be_bytes());
    }
    let header = checksum(0, &frame[IP..TRANSPORT]);
    frame[IP + 10..IP + 12].copy_from_slice(&header.to_be_bytes());
    let length = frame.len() - TRANSPORT;
    let pseudo = sum(u32::from(protocol) + length as u32, &frame[IP + 12..TRANSPORT]);
    let whole = checksum(pseudo, &frame[TRANSPORT..]);
    frame[checksum_at..checksum_at + 2].copy_from_slice(&whole.to_be_bytes());
    frame
}

fn sum(start: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(start, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([pair[0], low]))
    })
}

fn checksum(start: u32, bytes: &[u8]) -> u16 {
    let mut folded = sum(start, bytes);
    while folded > 0xFFFF {
        folded = (folded & 0xFFFF) + (folded >> 16);
    }
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    #[test]
    fn connection_has_valid_checksums_and_sequence_numbers() {
        let mut tape = Tape::default();
        let client = "10.0.0.2:50000".parse().unwrap();
        let server = "8.8.4.4:445".parse().unwrap();
        let mut connection = Connection::open(&mut tape, client, server);
        connection.request(&mut tape, &[7; 3001]);
        connection.reply(&mut tape, b"odd");
        connection.close(&mut tape);
        let mut next = CLIENT_BEGINS;
        let mut times = vec![];
        for (time, frame) in &tape.recording.frames {
            times.push(*time);
            let packet = SlicedPacket::from_ethernet(frame).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
            let [a, b, c, d]: [u8; 4] = frame[26..30].try_into().unwrap();
            let [e, f, g, h]: [u8; 4] = frame[30..34].try_into().unwrap();
            let right =
                tcp.to_header().calc_checksum_ipv4_raw([a, b, c, d], [e, f, g, h], tcp.payload()).unwrap();
            assert_eq!(tcp.checksum(), right);
            if tcp.source_port() == 50000 {
                assert_eq!(tcp.sequence_number(), next);
                next += tcp.payload().len() as u32 + u32::from(tcp.syn()) + u32::from(tcp.fin());
            } else if tcp.ack() {
                assert_eq!(tcp.acknowledgment_number(), next);
            }
        }
        assert_eq!(next, CLIENT_BEGINS + 3001 + 2);
        assert!(times.is_sorted());
    }
}
