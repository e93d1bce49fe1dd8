//! The SMB mark: evidence that the payload is SMB and not only on its port.

use sensor_common::slot::{
    Side,
    mark::{self, SMB_FROM_LOCAL, SMB_FROM_REMOTE},
    tcp::ACK,
};
use sensor_tests::{Frame, Outcome, Setup};

use crate::expect::{CLIENT, CLIENT_V6, Row, SERVER, SERVER_V6, hold, kept, kept_syn, syn};

fn message(first: u8, magic: &[u8; 4]) -> Vec<u8> {
    [&[first, 0, 0, 64][..], magic, &[0; 60]].concat()
}

fn data(payload: &[u8]) -> Frame {
    syn().flags(ACK).payload(payload)
}

fn reported(payload: &[u8], marks: u16) -> Outcome {
    let len = payload.len() as u64;
    kept_syn(40 + len).flags(ACK).payload(len).marked(marks).reported()
}

#[test]
fn marks_each_smb_identifier_behind_a_session_header() {
    let rows =
        [(b"\xFFSMB", 0), (b"\xFESMB", 0), (b"\xFDSMB", mark::ENCRYPTED), (b"\xFCSMB", mark::COMPRESSED)]
            .map(|(magic, hidden)| {
                let payload = message(0, magic);
                ("identifier", data(&payload), reported(&payload, SMB_FROM_LOCAL | hidden))
            });
    hold("marks_each_smb_identifier_behind_a_session_header", &Setup::default(), rows);
}

#[test]
fn mark_names_the_sending_side() {
    let payload = message(0, b"\xFESMB");
    let from = |source, destination| Frame::tcp(source, destination).flags(ACK).payload(&payload);
    let reported = |side, local, remote, ip_len: u64, mark| {
        kept(side, local, remote, ip_len + 88).flags(ACK).payload(68).marked(mark).reported()
    };
    let rows: [Row; 6] = [
        (
            "request of an internal client",
            from(CLIENT, SERVER),
            reported(Side::Local, CLIENT, SERVER, 20, SMB_FROM_LOCAL),
        ),
        (
            "answer of an external server",
            from(SERVER, CLIENT),
            reported(Side::Remote, CLIENT, SERVER, 20, SMB_FROM_REMOTE),
        ),
        (
            "answer of an internal server",
            from("10.0.0.2:445", "8.8.4.4:50000"),
            reported(Side::Local, "10.0.0.2:445", "8.8.4.4:50000", 20, SMB_FROM_LOCAL),
        ),
        (
            "IPv6 request",
            from(CLIENT_V6, SERVER_V6),
            reported(Side::Local, CLIENT_V6, SERVER_V6, 40, SMB_FROM_LOCAL),
        ),
        (
            "IPv6 answer",
            from(SERVER_V6, CLIENT_V6),
            reported(Side::Remote, CLIENT_V6, SERVER_V6, 40, SMB_FROM_REMOTE),
        ),
        (
            "behind TCP options",
            from(CLIENT, SERVER).payload(&[&[1; 12][..], &payload].concat()).data_offset(8),
            kept_syn(120).flags(ACK).payload(68).marked(SMB_FROM_LOCAL).reported(),
        ),
    ];
    hold("mark_names_the_sending_side", &Setup::default(), rows);
}

#[test]
fn other_payload_on_the_port_is_no_smb() {
    let payloads: [(&str, Vec<u8>); 10] = [
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a NetBIOS session request", message(0x81, b"\xFESMB")),
        ("a keep-alive", message(0x85, b"\xFFSMB")),
        ("an identifier below FC", message(0, b"\xFBSMB")),
        ("identifier 00", message(0, b"\x00SMB")),
        ("other letters", message(0, b"\xFESMC")),
        ("small letters", message(0, b"\xFEsmb")),
        ("no session header", b"\xFESMB\x40\x00\x00\x00".to_vec()),
        ("shifted by a byte", [&[0][..], &message(0, b"\xFESMB")].concat()),
        ("seven bytes", b"\0\0\0\x40\xFESM".to_vec()),
    ];
    let rows = payloads.map(|(name, payload)| (name, data(&payload), reported(&payload, 0)));
    hold("other_payload_on_the_port_is_no_smb", &Setup::default(), rows);
}

#[test]
fn eight_bytes_are_enough_and_padding_does_not_complete_them() {
    let whole = b"\0\0\0\x40\xFESMB";
    // The header claims seven bytes of payload; the eighth is Ethernet's.
    let cut = data(whole).length(47);
    let rows: [Row; 2] = [
        ("eight bytes", data(whole), reported(whole, SMB_FROM_LOCAL)),
        ("seven and one of padding", cut, kept_syn(47).flags(ACK).payload(7).reported()),
    ];
    hold("eight_bytes_are_enough_and_padding_does_not_complete_them", &Setup::default(), rows);
}

#[test]
fn datagram_is_never_smb() {
    let payload = message(0, b"\xFESMB");
    let frame = Frame::udp("10.0.0.2:138", "8.8.4.4:138").payload(&payload);
    let expected = kept(Side::Local, "10.0.0.2:138", "8.8.4.4:138", 96).udp().payload(68).reported();
    hold("datagram_is_never_smb", &Setup::default(), [("UDP", frame, expected)]);
}
