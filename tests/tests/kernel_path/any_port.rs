//! SMB on an unwatched port: recognised by its messages, and followed from then on.

use sensor_common::{
    counter::Counter,
    slot::{
        Hook, Side,
        mark::{self, SERVER_IS_LOCAL, SERVER_IS_REMOTE, SMB_FROM_LOCAL, SMB_FROM_REMOTE},
        tcp::ACK,
    },
};
use sensor_tests::{Effect, Frame, HOOKS, Outcome, Setup, Twin, flows};

use crate::{
    expect::{Row, foreign, hold, kept, on},
    payload::begin_anew,
};

const LOCAL: &str = "10.0.0.2";
const REMOTE: &str = "8.8.4.4";
const REPLY: bool = true;
const REQUEST: bool = false;

/// An engine apart: ports on which SMB was recognised stay marked, and no other table may depend on that.
fn own() -> Setup {
    Setup { ring_bytes: 1 << 19, ..Setup::default() }
}

/// MS-CIFS 2.2.3.1 and MS-SMB2 2.2.1.2, with the reply flag of either; FD and FC have none.
pub(crate) fn message(identifier: u8, reply: bool) -> Vec<u8> {
    let mut message = vec![0; 68];
    message[3] = 64;
    message[4..8].copy_from_slice(&[identifier, b'S', b'M', b'B']);
    match identifier {
        0xFF => message[13] = if reply { 0x80 } else { 0x18 },
        0xFE => (message[8], message[20]) = (64, u8::from(reply)),
        // Where other messages have flags, all bits are set.
        _ => message[8..].fill(0xFF),
    }
    message
}

/// RFC 1002 4.3.2, called `*SMBSERVER`.
pub(crate) fn session_request() -> Vec<u8> {
    let mut request = vec![0x81, 0, 0, 68];
    for _ in 0..2 {
        request.push(0x20);
        request.extend(b"CKFDENECFDEFFCFGEFFCCACACACACACA");
        request.push(0);
    }
    request
}

fn data(from: &str, to: &str, payload: &[u8]) -> Frame {
    Frame::tcp(from, to).flags(ACK).payload(payload)
}

fn ends(local_port: u16, remote_port: u16) -> (String, String) {
    (format!("{LOCAL}:{local_port}"), format!("{REMOTE}:{remote_port}"))
}

/// A packet of the internal side, and its expected report.
fn sent(ports: (u16, u16), payload: &[u8], marks: u16) -> (Frame, Outcome) {
    let (local, remote) = ends(ports.0, ports.1);
    let len = payload.len() as u64;
    let expected = kept(Side::Local, &local, &remote, 40 + len).flags(ACK).payload(len).marked(marks);
    (data(&local, &remote, payload), expected.reported())
}

/// A packet of the external side, likewise.
fn received(ports: (u16, u16), payload: &[u8], marks: u16) -> (Frame, Outcome) {
    let (local, remote) = ends(ports.0, ports.1);
    let len = payload.len() as u64;
    let expected = kept(Side::Remote, &local, &remote, 40 + len).flags(ACK).payload(len).marked(marks);
    (data(&remote, &local, payload), expected.reported())
}

fn row(name: &'static str, (frame, outcome): (Frame, Outcome)) -> Row {
    (name, frame, outcome)
}

#[test]
fn keeps_a_message_on_any_port_and_its_reply_flag_shows_the_server() {
    let (out, back) = (SMB_FROM_LOCAL, SMB_FROM_REMOTE);
    let (here, there) = (SERVER_IS_LOCAL, SERVER_IS_REMOTE);
    let (smb1, smb2) = (|reply| message(0xFF, reply), |reply| message(0xFE, reply));
    let (v6, server6) = ("[fd00:1::2]:50000", "[2001:4860::8844]:4445");
    let rows = [
        row("SMB2 request to 4445", sent((50_000, 4445), &smb2(REQUEST), out | there)),
        row("SMB2 response from 4445", received((50_000, 4445), &smb2(REPLY), back | there)),
        row("SMB2 request to 443", sent((50_000, 443), &smb2(REQUEST), out | there)),
        row("SMB2 response from 443", received((50_000, 443), &smb2(REPLY), back | there)),
        row("SMB1 request to 4445", sent((50_000, 4445), &smb1(REQUEST), out | there)),
        row("SMB1 response from 4445", received((50_000, 4445), &smb1(REPLY), back | there)),
        row("SMB1 request to 443", sent((50_000, 443), &smb1(REQUEST), out | there)),
        row("SMB2 request from the Internet", received((4445, 50_000), &smb2(REQUEST), back | here)),
        row("SMB2 response to the Internet", sent((4445, 50_000), &smb2(REPLY), out | here)),
        row("SMB1 request from the Internet", received((443, 50_000), &smb1(REQUEST), back | here)),
        row("SMB1 response to the Internet", sent((443, 50_000), &smb1(REPLY), out | here)),
        row("a reply from the higher port", received((4446, 60_000), &smb2(REPLY), back | there)),
        row("a request to the higher port", sent((4446, 60_000), &smb2(REQUEST), out | there)),
        row("between equal ports", sent((4447, 4447), &smb2(REQUEST), out | there)),
        row("session request to 443", sent((50_000, 443), &session_request(), there)),
        row("session request from the Internet", received((1139, 50_000), &session_request(), here)),
        row("session request to the higher port", sent((1140, 50_001), &session_request(), there)),
        (
            "SMB2 request over IPv6",
            data(v6, server6, &smb2(REQUEST)),
            kept(Side::Local, v6, server6, 128).flags(ACK).payload(68).marked(out | there).reported(),
        ),
    ];
    hold("keeps_a_message_on_any_port_and_its_reply_flag_shows_the_server", &own(), rows);
}

#[test]
fn lower_port_is_the_server_where_the_reply_flag_is_hidden() {
    let rows =
        [(0xFD, mark::ENCRYPTED), (0xFC, mark::COMPRESSED)].into_iter().flat_map(|(identifier, by)| {
            let (out, back) = (SMB_FROM_LOCAL | by, SMB_FROM_REMOTE | by);
            let hidden = message(identifier, REQUEST);
            [
                row("to the lower port", sent((50_000, 4445), &hidden, out | SERVER_IS_REMOTE)),
                row("from the lower port", received((50_000, 4445), &hidden, back | SERVER_IS_REMOTE)),
                row("to the internal lower port", received((443, 50_000), &hidden, back | SERVER_IS_LOCAL)),
                row("from the internal lower port", sent((443, 50_000), &hidden, out | SERVER_IS_LOCAL)),
            ]
        });
    hold("lower_port_is_the_server_where_the_reply_flag_is_hidden", &own(), rows);
}

#[test]
fn requests_of_both_sides_name_both_as_the_server_and_an_answer_does_not() {
    let test = "requests_of_both_sides_name_both_as_the_server_and_an_answer_does_not";
    on(test, &own(), |twin| {
        let named = SMB_FROM_LOCAL | SMB_FROM_REMOTE | SERVER_IS_LOCAL | SERVER_IS_REMOTE;
        let ports = (50_020, 4448);
        let asked = sent(ports, &message(0xFE, REQUEST), 0).0.build();
        for hook in HOOKS {
            for (reply, expected) in [(REQUEST, named), (REPLY, named & !SERVER_IS_LOCAL)] {
                begin_anew(twin, hook);
                twin.run(hook, &asked).unwrap();
                let said = received(ports, &message(0xFE, reply), 0).0.build();
                let effect = twin.run(hook, &said).unwrap();
                let marks = flows(&effect.records).unwrap().last().unwrap().1.marks;
                assert_eq!(marks & named, expected, "{hook:?}, reply {reply}");
            }
        }
        vec![]
    });
}

#[test]
fn watched_port_shows_the_server() {
    let rows = [
        row("a request", sent((50_000, 445), &message(0xFE, REQUEST), SMB_FROM_LOCAL)),
        row("a reply in the wrong direction", sent((50_000, 445), &message(0xFE, REPLY), SMB_FROM_LOCAL)),
    ];
    hold("watched_port_shows_the_server", &own(), rows);
}

#[test]
fn near_smb_on_another_port_is_ignored() {
    let long = |start: &[u8]| [start, &[0x55; 80]].concat();
    let with = |at: usize, byte: u8| {
        let mut payload = message(0xFE, REQUEST);
        payload[at] = byte;
        payload
    };
    let mut names = session_request();
    names[5] = b'Q';
    let near: [(&'static str, Vec<u8>); 18] = [
        ("TLS", long(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3])),
        ("HTTP", long(b"GET / HTTP/1.1\r\nHost: ")),
        ("HTTP/2", long(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        ("SSH", long(b"SSH-2.0-OpenSSH_9.2p1\r\n")),
        ("'smB'", with(5, b's')),
        ("'SmB'", with(6, b'm')),
        ("'SMb'", with(7, b'b')),
        ("a length shorter than the header", with(3, 63)),
        ("another structure size", with(8, 65)),
        ("an unknown command", with(16, 19)),
        ("an unknown flag", with(23, 0x80)),
        ("an identifier in a web page", long(b"\0\0\0\x60\xFESMB")),
        ("identifier FB", with(4, 0xFB)),
        ("a keep-alive", with(0, 0x85)),
        ("no session header", long(b"\xFESMB\x40\0\0\0")),
        ("the magic a byte later", [&[0][..], &message(0xFE, REQUEST)].concat()),
        ("a session request of names that are none", names),
        ("a session request of another length", [&[0x81, 0, 0, 69, 0x20][..], &[b'E'; 80]].concat()),
    ];
    let rows = near.into_iter().flat_map(|(name, payload)| {
        // Between ports of its own: a connection in which SMB was recognised is followed whatever it holds then.
        let port = |port: u16| (name, sent((50_060, port), &payload, 0).0, foreign());
        [port(4445), port(443), (name, received((50_060, 443), &payload, 0).0, foreign())]
    });
    hold("near_smb_on_another_port_is_ignored", &own(), rows);
}

#[test]
fn smb_within_the_border_on_another_port_is_ignored() {
    let smb = message(0xFE, REQUEST);
    let rows: [Row; 6] = [
        ("internal to internal", data("10.0.0.2:50000", "10.9.9.9:4445", &smb), foreign()),
        ("over IPv6", data("[fd00::2]:50000", "[fd00::3]:4445", &smb), foreign()),
        ("to reserved space", data("10.0.0.2:50000", "192.0.2.1:4445", &smb), foreign()),
        ("in transit", data("1.1.1.1:50000", "8.8.4.4:4445", &smb), foreign()),
        ("UDP", Frame::udp("10.0.0.2:50000", "8.8.4.4:4445").payload(&smb), foreign()),
        ("UDP behind 443", Frame::udp("8.8.4.4:443", "10.0.0.2:50000").payload(&smb), foreign()),
    ];
    hold("smb_within_the_border_on_another_port_is_ignored", &own(), rows);
}

#[test]
fn ignores_a_frame_too_short_for_a_message() {
    let smb = message(0xFE, REQUEST);
    // Ethernet, IPv4 and TCP take 54 bytes, a session header and the shortest message header 36. A port for each row: a
    // marked port is followed at any length.
    let mut rows: Vec<Row> = (8..36)
        .map(|len| ("short", sent((50_000, 4000 + len as u16), &smb[..len], 0).0, foreign()))
        .collect();
    let marks = SMB_FROM_LOCAL | SERVER_IS_REMOTE;
    rows.push(row("just long enough", sent((50_000, 4036), &smb[..36], marks)));
    rows.push(row("a session request is longer", sent((50_000, 4037), &session_request(), SERVER_IS_REMOTE)));
    hold("ignores_a_frame_too_short_for_a_message", &own(), rows);
}

#[test]
fn smb_on_another_port_is_ignored_without_the_option() {
    let mut setup = own();
    setup.config.services.smb_any_port = false;
    let mut rows: Vec<Row> = Vec::new();
    for identifier in [0xFF, 0xFE, 0xFD, 0xFC] {
        let smb = message(identifier, REQUEST);
        rows.push(("to 4445", sent((50_000, 4445), &smb, 0).0, foreign()));
        rows.push(("from 443", received((50_000, 443), &smb, 0).0, foreign()));
    }
    rows.push(("a session request", sent((50_000, 4445), &session_request(), 0).0, foreign()));
    rows.push(row("on a watched port", sent((50_000, 445), &message(0xFE, REQUEST), SMB_FROM_LOCAL)));
    hold("smb_on_another_port_is_ignored_without_the_option", &setup, rows);
}

/// Runs a frame that must be kept, or ignored.
fn expect(twin: &mut Twin, hook: Hook, frame: &Frame, is_kept: bool) -> Effect {
    let effect = twin.run(hook, &frame.build()).unwrap();
    let kept = effect.counted.get(Counter::Kept);
    if is_kept {
        assert_eq!((effect.counted.get(Counter::Seen), kept), (1, 1), "{:?}", effect.changes());
    } else {
        assert_eq!(effect.changes(), [], "{hook:?}");
    }
    effect
}

#[test]
fn follows_only_the_flow_that_spoke_smb_on_an_unwatched_port() {
    let test = "follows_only_the_flow_that_spoke_smb_on_an_unwatched_port";
    let mut twin = Setup { slots_per_cpu: 1024, ..Setup::default() }.twin(test).unwrap();
    for (hook, port) in HOOKS.into_iter().zip([4445, 443, 8080]) {
        let (bulk, smb) = ([0x55; 400], message(0xFE, REQUEST));
        let mine = sent((50_000, port), &bulk, 0).0;
        let answer = received((50_000, port), &bulk, 0).0;
        let empty = sent((50_000, port), &[], 0).0;
        let other = sent((50_001, port), &bulk, 0).0;
        let other_answer = received((50_001, port), &bulk, 0).0;
        let backwards = received((port, 50_000), &bulk, 0).0;
        for frame in [&mine, &answer, &empty, &other, &other_answer, &backwards] {
            expect(&mut twin, hook, frame, false);
        }
        let opened = expect(&mut twin, hook, &sent((50_000, port), &smb, 0).0, true);
        assert_eq!(opened.counted.get(Counter::RecordsSent), 1, "the flow is opened");
        for frame in [&mine, &answer, &empty] {
            expect(&mut twin, hook, frame, true);
        }
        for frame in [&other, &other_answer, &backwards] {
            expect(&mut twin, hook, frame, false);
        }
        // A new flow on the same port begins with a message of its own.
        expect(&mut twin, hook, &sent((50_001, port), &smb, 0).0, true);
        for frame in [&mine, &other, &other_answer] {
            expect(&mut twin, hook, frame, true);
        }
        // Inside the border the port is still unwatched.
        expect(&mut twin, hook, &data("10.0.0.2:50000", &format!("10.9.9.9:{port}"), &bulk), false);
        expect(
            &mut twin,
            hook,
            &Frame::udp("10.0.0.2:50000", &format!("8.8.4.4:{port}")).payload(&bulk),
            false,
        );
    }
}

#[test]
fn flow_that_lost_its_slot_takes_it_again_with_its_next_packet() {
    let test = "flow_that_lost_its_slot_takes_it_again_with_its_next_packet";
    let mut twin = Setup::default().twin(test).unwrap();
    let (bulk, smb) = ([0x55; 400], message(0xFE, REQUEST));
    let (opening, mine) = (sent((50_000, 4445), &smb, 0).0, sent((50_000, 4445), &bulk, 0).0);
    expect(&mut twin, Hook::XdpIngress, &opening, true);
    expect(&mut twin, Hook::XdpIngress, &mine, true);
    expect(&mut twin, Hook::XdpIngress, &sent((50_000, 445), &[], 0).0, true);
    let other = sent((50_001, 4445), &bulk, 0).0;
    expect(&mut twin, Hook::XdpIngress, &other, false);
    let again = expect(&mut twin, Hook::XdpIngress, &mine, true);
    assert_eq!(again.counted.get(Counter::Evicted), 1);
    expect(&mut twin, Hook::XdpIngress, &opening, true);
}

#[test]
fn webdav_is_kept_on_any_port_and_its_answers_where_the_port_is_marked() {
    let long = |start: &[u8]| [start, &[b'a'; 60]].concat();
    let marks = |server: u16| mark::HTTP | server;
    let (here, there) = (marks(SERVER_IS_LOCAL), marks(SERVER_IS_REMOTE));
    let [options, propfind, get] = [&b"OPTIONS / H"[..], b"PROPFIND /a", b"GET / HTTP/"].map(long);
    let [refused, listing, page] = [&b"HTTP/1.1 401 U"[..], b"HTTP/1.1 207 M", b"HTTP/1.1 200 O"].map(long);
    let rows = [
        ("an answer before the request", received((50_010, 8090), &refused, 0).0, foreign()),
        row("PROPFIND to 8090", sent((50_000, 8090), &propfind, there)),
        row("OPTIONS to the lower port", sent((50_000, 443), &options, there)),
        row("PROPFIND from the Internet", received((8091, 50_000), &propfind, here)),
        row("401 of another connection", received((50_010, 8090), &refused, there)),
        row("207 of another connection", received((50_011, 8090), &listing, there)),
        ("200 of another connection", received((50_012, 8090), &page, 0).0, foreign()),
        ("GET in another connection", sent((50_013, 8090), &get, 0).0, foreign()),
        ("within the border", data("10.0.0.2:50000", "10.9.9.9:8092", &propfind), foreign()),
    ];
    hold("webdav_is_kept_on_any_port_and_its_answers_where_the_port_is_marked", &own(), rows);
}
