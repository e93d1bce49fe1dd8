//! The evasions, each with its expected outcome.

use sensor_common::slot::tcp;

use super::super::smb2::KEEP_ALIVE;
use super::{
    Evasion, Outcome,
    Outcome::{Contradicted, Counted, Detected, Incomplete, Misled, Unseen},
    change::{
        IP, TRANSPORT, all_frames, before_negotiation, crowded, decoy_of, end_of_decoy, fragments,
        frames_of_log_on, in_gre, log_on_as, one_side, overlap, patched, tagged, with_decoy,
        without_checksum,
    },
    packets::{From, Holds, Packet, Packets, log_on, session, session_behind},
};
use crate::frame::{QINQ, VLAN};

/// So few that the flows of [`crowded`] collide.
const FEW_SLOTS: u32 = 64;

/// All of them.
#[must_use]
pub fn evasions() -> Vec<Evasion> {
    [forged(), contradicting(), segmented(), packed(), partial()].into_iter().flatten().collect()
}

const fn evasion(
    name: &'static str,
    about: &'static str,
    write: fn() -> Packets,
    (expected, why): (Outcome, &'static str),
) -> Evasion {
    Evasion { name, about, tunnels: false, flow_slots: None, expected, why, write }
}

fn forged() -> Vec<Evasion> {
    vec![
        evasion(
            "forged RST",
            "a reset in the client's name, far outside the window, and ten seconds of silence before the session goes on",
            || before_negotiation(&[(From::Client, tcp::RST, 900_000_000)]),
            (Detected, "a connection that goes on is followed on"),
        ),
        evasion(
            "forged FIN",
            "a FIN in the name of each side, and ten seconds of silence",
            || {
                before_negotiation(&[
                    (From::Client, tcp::FIN | tcp::ACK, 0),
                    (From::Server, tcp::FIN | tcp::ACK, 0),
                ])
            },
            (Detected, "likewise"),
        ),
        evasion(
            "forged SYN",
            "a SYN with another sequence number on the ports of the connection",
            || before_negotiation(&[(From::Client, tcp::SYN, 70_000_000)]),
            (Detected, "the later segments are read by their content"),
        ),
        evasion(
            "response flag",
            "every request of the client with the flag of a response",
            flagged_as_responses,
            (Detected, "the handshake and the shape of a message show its sender"),
        ),
        evasion(
            "reused ports",
            "a session of bob, reset, and at once the session on the same ports",
            || {
                let mut packets: Vec<_> =
                    session("bob").into_iter().filter(|packet| packet.flags & tcp::FIN == 0).collect();
                let last = packets.iter().rev().find(|packet| packet.from == From::Client).cloned();
                packets.extend(last.map(|last| Packet {
                    flags: tcp::RST,
                    sequence: last.acknowledges,
                    ..last.with(vec![])
                }));
                packets.extend(session("alice").into_iter().map(|packet| Packet {
                    sequence: packet.sequence.wrapping_add(90_000_000),
                    acknowledges: packet.acknowledges.wrapping_add(90_000_000),
                    ..packet
                }));
                Packets::of(packets, |packet| vec![packet.clone()])
            },
            (Detected, "a SYN with another sequence number after data begins a connection of its own"),
        ),
    ]
}

/// The session with the response flag in the client's SMB headers (MS-SMB2 2.2.1.2).
fn flagged_as_responses() -> Packets {
    Packets::of(session("alice"), |packet| {
        let mut changed = packet.clone();
        if packet.from == From::Client
            && let Some(flags) = changed.payload.get_mut(20)
        {
            *flags |= 1;
        }
        vec![changed]
    })
}

fn contradicting() -> Vec<Evasion> {
    vec![
        evasion(
            "decoy with a short TTL",
            "a log-on of decoy that dies on the way (TTL 1), and the real one with the same sequence number",
            || with_decoy(|decoy| patched(decoy, IP + 8, 1)),
            (Contradicted, "which of the two arrives cannot be known on the way"),
        ),
        evasion(
            "decoy with a wrong checksum",
            "the same, with a wrong TCP checksum instead",
            || with_decoy(|decoy| patched(decoy, TRANSPORT + 17, decoy[TRANSPORT + 17] ^ 0x55)),
            (Detected, "the receiver drops it, so it yields to a segment with a right checksum"),
        ),
        evasion(
            "decoy with a wrong checksum, last",
            "the same, with the decoy behind the real log-on",
            || {
                frames_of_log_on(|real| {
                    let decoy =
                        decoy_of(|packet| patched(packet, TRANSPORT + 17, packet[TRANSPORT + 17] ^ 0x55));
                    vec![real.to_vec(), decoy]
                })
            },
            (Detected, "likewise"),
        ),
        evasion(
            "end of a decoy with a wrong checksum",
            "the second half of a log-on of decoy with a wrong TCP checksum, and the real one in two segments",
            || end_of_decoy(|decoy| patched(decoy, TRANSPORT + 17, decoy[TRANSPORT + 17] ^ 0x55)),
            (Detected, "it waits until a right segment comes in its place"),
        ),
        evasion(
            "end of a decoy",
            "the same, with a right checksum",
            || end_of_decoy(<[u8]>::to_vec),
            (Contradicted, "both readings are kept"),
        ),
        evasion(
            "decoy without a checksum",
            "the same, with the sum of the pseudo-header in its place, as frames have that a machine sends itself",
            || with_decoy(without_checksum),
            (Contradicted, "such a checksum cannot be checked"),
        ),
        evasion(
            "decoy outside the window",
            "a log-on of decoy with a sequence number 100,000 higher, which no peer takes, before the real one",
            || {
                log_on_as(|packet| {
                    let decoy = packet.with(log_on("decoy"));
                    vec![Packet { sequence: packet.sequence + 100_000, ..decoy }, packet.clone()]
                })
            },
            (Misled, "it may as well be a segment behind lost ones: the incident names alice and decoy"),
        ),
        evasion(
            "shorter decoy",
            "a log-on of decoy that ends two bytes before its end, and the real one",
            || {
                log_on_as(|packet| {
                    let decoy = packet.with(log_on("decoy"));
                    vec![decoy.part(0, decoy.payload.len() - 2), packet.clone()]
                })
            },
            (Contradicted, "both readings are kept"),
        ),
        evasion(
            "longer decoy",
            "a log-on of decoy with 16 zeros behind it, and the real one",
            || log_on_as(|packet| vec![packet.with([log_on("decoy"), vec![0; 16]].concat()), packet.clone()]),
            (Contradicted, "likewise"),
        ),
        evasion(
            "overlap, the false one first",
            "the log-on in two segments; before the second one, one of decoy over both",
            || overlap(true),
            (Contradicted, "both readings are kept"),
        ),
        evasion(
            "overlap, the false one last",
            "the same, with the false segment behind the real ones",
            || overlap(false),
            (Contradicted, "likewise"),
        ),
        evasion(
            "repeated segment",
            "the log-on twice, with the same content",
            || log_on_as(|packet| vec![packet.clone(), packet.clone()]),
            (Detected, "a retransmission says nothing new"),
        ),
    ]
}

fn segmented() -> Vec<Evasion> {
    vec![
        evasion(
            "split header",
            "the first three bytes of each of the client's messages in a segment of their own",
            || {
                Packets::of(session("alice"), |packet| match (packet.from, packet.payload.len()) {
                    (From::Client, 1..) => vec![packet.part(0, 3), packet.part(3, usize::MAX - 3)],
                    _ => vec![packet.clone()],
                })
            },
            (Detected, "messages are found by the length in the header before them"),
        ),
        evasion(
            "small segments",
            "the log-on in segments of 8 bytes",
            || log_on_as(|packet| packet.in_segments_of(8)),
            (Detected, "a message may be in many segments"),
        ),
        evasion(
            "tiny segments",
            "the log-on byte by byte",
            || log_on_as(|packet| packet.in_segments_of(1)),
            (Detected, "likewise, up to the limit of pieces for a connection"),
        ),
        evasion(
            "many messages in a segment",
            "twenty keep-alives of the NetBIOS session before each message of both sides, in its segment",
            || Packets::of(session_behind("alice", &KEEP_ALIVE.repeat(20)), |packet| vec![packet.clone()]),
            (Detected, "up to 32 messages of a segment are looked at"),
        ),
        evasion(
            "reordered segments",
            "the two halves of the log-on, the second one first",
            || {
                log_on_as(|packet| {
                    let half = packet.payload.len() / 2;
                    vec![packet.part(half, usize::MAX - half), packet.part(0, half)]
                })
            },
            (Detected, "segments that fill a gap are read"),
        ),
        evasion(
            "reordered bytes",
            "the log-on in segments of 8 bytes, the last one first",
            || log_on_as(|packet| packet.in_segments_of(8).into_iter().rev().collect()),
            (Detected, "likewise"),
        ),
        evasion(
            "fragments",
            "the log-on in IP fragments of 64 bytes",
            || frames_of_log_on(|bytes| fragments(bytes, 64)),
            (Incomplete, "fragments are not reassembled; those behind the first one are counted"),
        ),
        evasion(
            "tiny fragments",
            "the log-on in IP fragments of 8 bytes, of which the first ends inside the TCP header",
            || frames_of_log_on(|bytes| fragments(bytes, 8)),
            (Incomplete, "such fragments are counted as evasive (RFC 1858 3)"),
        ),
    ]
}

fn packed() -> Vec<Evasion> {
    vec![
        evasion(
            "two VLAN tags",
            "every frame with a service tag and a customer tag",
            || all_frames(|packet| vec![tagged(packet, &[QINQ, VLAN])]),
            (Detected, "two tags are read"),
        ),
        evasion(
            "three VLAN tags",
            "every frame with three tags",
            || all_frames(|packet| vec![tagged(packet, &[QINQ, VLAN, VLAN])]),
            (Counted, "a third tag is counted and not looked into"),
        ),
        Evasion {
            tunnels: true,
            ..evasion(
                "a tunnel",
                "every packet in GRE, with `kernel.tunnels = true`",
                || all_frames(|packet| vec![in_gre(&packet.bytes())]),
                (Detected, "one level of tunnel is read"),
            )
        },
        Evasion {
            tunnels: true,
            ..evasion(
                "a tunnel in a tunnel",
                "every packet in GRE in GRE",
                || all_frames(|packet| vec![in_gre(&in_gre(&packet.bytes()))]),
                (Counted, "a second level is not looked into"),
            )
        },
        evasion(
            "a tunnel, without `kernel.tunnels`",
            "every packet in GRE",
            || all_frames(|packet| vec![in_gre(&packet.bytes())]),
            (Unseen, "tunnels are only looked into if the configuration says so"),
        ),
        Evasion {
            flow_slots: Some(FEW_SLOTS),
            ..evasion(
                "colliding flows",
                "400 connections that begin between every two packets of the session, with 64 slots for flows",
                crowded,
                (Detected, "a flow that lost its slot is followed again with its next packet"),
            )
        },
    ]
}

fn partial() -> Vec<Evasion> {
    vec![
        evasion(
            "start in the middle",
            "the session without its first packets; the log-on is the first message",
            || {
                Packets::of(session("alice"), |packet| match packet.holds {
                    Holds::LogOn | Holds::Later => vec![packet.clone()],
                    _ => vec![],
                })
            },
            (
                Detected,
                "a message at the beginning of a segment is found without a beginning of the connection",
            ),
        ),
        evasion(
            "start behind the log-on",
            "only the packets after the log-on",
            || {
                Packets::of(session("alice"), |packet| match packet.holds {
                    Holds::Later => vec![packet.clone()],
                    _ => vec![],
                })
            },
            (Incomplete, "the incident says that the sensor joined late"),
        ),
        evasion(
            "one side",
            "only the client's packets pass the sensor",
            || one_side(From::Client),
            (Detected, "the outcome of the log-on is unknown"),
        ),
        evasion(
            "the other side",
            "only the server's packets pass the sensor",
            || one_side(From::Server),
            (Incomplete, "the NTLM response is not among them"),
        ),
    ]
}
