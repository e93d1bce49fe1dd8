//! Packets that no internal host asked for, or that the sensor does not watch: no incident.

use std::net::SocketAddrV4;
use std::time::Duration;

use sensor_common::slot::tcp;

use super::super::expected::Direction::{Inbound, Outbound};
use super::super::wire::Tape;
use super::written::{client, server};
use super::{Ends, Scenario, captured};

/// A NetBIOS name response (RFC 1002 4.2.13): the header, and any name.
const NAME_RESPONSE: [u8; 56] = {
    let mut response = [0; 56];
    let head = [0x12, 0x34, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x20, b'C', b'K'];
    let mut at = 0;
    while at < response.len() {
        response[at] = match at {
            0..15 => head[at],
            15..45 => b'A',
            // Type NBSTAT (0x21), class IN, six bytes of data.
            47 => 0x21,
            49 => 1,
            _ => 0,
        };
        at += 1;
    }
    response
};

/// A query for the address of `www.a` (RFC 1035 4.1), and the flags of its response.
const DNS: [u8; 23] = *b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x01a\x00\x00\x01\x00\x01";

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        captured(
            "stray-syn-ack",
            "A stranger's SYN-ACK from TCP 445, answered by RST: nobody inside began",
            Outbound,
            |tape, ends| stray(tape, (ends, server(ends)), tcp::SYN | tcp::ACK),
            None,
        ),
        captured(
            "stray-ack",
            "A stranger's ACK from TCP 445, answered by RST",
            Outbound,
            |tape, ends| stray(tape, (ends, server(ends)), tcp::ACK),
            None,
        ),
        captured(
            "reflected-syn-acks",
            "25 strangers' SYN-ACKs from TCP 445 to one host: no sweep by that host",
            Outbound,
            |tape, ends| {
                for n in 1..=25 {
                    stray(tape, (ends, SocketAddrV4::new(ends.other(n), 445)), tcp::SYN | tcp::ACK);
                    tape.wait(Duration::from_millis(200));
                }
            },
            None,
        ),
        captured(
            "dns-from-port-138",
            "An internal host asks a resolver from UDP port 138",
            Outbound,
            |tape, ends| {
                let resolver = SocketAddrV4::new(ends.server, 53);
                tape.datagram(client(ends, 138), resolver, &DNS);
                let mut answer = DNS;
                answer[2..4].copy_from_slice(&[0x81, 0x80]);
                tape.datagram(resolver, client(ends, 138), &answer);
            },
            None,
        ),
        captured(
            "netbios-response-only",
            "A NetBIOS name response from the Internet that nobody asked for",
            Inbound,
            |tape, ends| {
                let names = |address| SocketAddrV4::new(address, 137);
                tape.datagram(names(ends.client), names(ends.server), &NAME_RESPONSE);
            },
            None,
        ),
    ]
}

/// A segment from a server that the client did not call, and the client's RST.
fn stray(tape: &mut Tape, (ends, from): (Ends, SocketAddrV4), flags: u8) {
    let to = client(ends, 50_000);
    tape.segment(from, to, flags, (5_000, 1_000));
    tape.wait(Duration::from_millis(10));
    tape.segment(to, from, tcp::RST, (1_000, 0));
}
