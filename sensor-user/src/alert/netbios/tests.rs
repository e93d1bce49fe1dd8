use std::sync::Arc;

use sensor_common::slot::{Side, UDP};

use super::*;
use crate::{
    alert::{Context, flow_document, note},
    config::ServicePorts,
    detect::fixtures::flow,
    dissect::datagram::{
        hear,
        tests::{ASKS, election, node_status, packet},
    },
    flow::{Evidence, Flow},
};

/// A stranger's questions to an internal machine, and what else may be said.
pub(crate) fn everything_said() -> Flow {
    let mut mailslot = election();
    mailslot.extend(TRANSACTION);
    mailslot.extend(b"\\MAILSLOT\\BROWSE\0");
    said(&[
        (Sender::Client, packet(7, ASKS, "*", 0x21)),
        (Sender::Server, node_status(7)),
        (Sender::Server, packet(8, ASKS, "X\u{1b}\n", 0x20)),
        (Sender::Client, packet(8, 0x8403, "X\u{1b}\n", 0x0A)),
        (Sender::Client, mailslot),
        (Sender::Server, vec![0x13, 2, 0, 9, 10, 0, 0, 2, 0, 138, 0x82]),
        (Sender::Client, vec![0; 9]),
    ])
}

/// An SMB 1 TRANSACTION of seventeen words that carries nothing but its name (MS-MAIL 2.2.1).
const TRANSACTION: [u8; 69] = {
    let mut bytes = [0; 69];
    let head = [0xFF, b'S', b'M', b'B', 0x25];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    (bytes[32], bytes[67]) = (17, 17);
    bytes
};

fn said(packets: &[(Sender, Vec<u8>)]) -> Flow {
    let mut flow = flow(UDP, "10.0.0.2:137", "8.8.4.4:50000", Side::Remote, Evidence::Established);
    let mut known = Datagrams::default();
    for (from, bytes) in packets {
        hear(&mut known, *from, bytes);
    }
    flow.datagrams = Some(Arc::new(known));
    flow
}

fn sight(flow: &Flow) -> Sight<'_> {
    Sight::of(flow, &ServicePorts::default()).unwrap()
}

#[test]
fn what_was_asked_and_told_stands_in_the_document() {
    let flow = everything_said();
    let document = flow_document(&sight(&flow), None, &Context::for_tests());
    let expected = json!({
        "names": [
            {
                "name": "*", "suffix": "0x20", "role": "file server",
                "asked_by": "source", "operation": "node status", "outcome": "answered",
                "computer": "FILES", "workgroup": "LAB",
                "told": [
                    { "name": "LAB", "suffix": "0x00", "role": "workgroup or domain", "group": true },
                    { "name": "LABSRV", "suffix": "0x00", "role": "workstation", "group": false },
                    { "name": "FILES", "suffix": "0x20", "role": "file server", "group": false },
                ],
            },
            {
                "name": "X\u{FFFD}\u{FFFD}", "suffix": "0x20", "role": "file server",
                "asked_by": "destination", "operation": "query",
                "outcome": "refused", "status": "name does not exist",
            },
        ],
        "datagrams": [
            {
                "sent_by": "source", "kind": "direct group", "sender_address": "10.0.0.2",
                "from": { "name": "LABSRV", "suffix": "0x00" },
                "to": { "name": "LAB", "suffix": "0x1e", "role": "browser elections" },
                "mailslot": "\\MAILSLOT\\BROWSE",
            },
            { "sent_by": "destination", "kind": "error", "sender_address": "10.0.0.2" },
        ],
        "foreign": true,
    });
    assert_eq!(document["smb_sensor"]["netbios"], expected);
    assert_eq!(document["related"]["hosts"], json!(["FILES", "LABSRV"]));
}

#[test]
fn the_note_tells_what_was_asked_and_whether_it_was_answered() {
    let question = (Sender::Client, packet(7, ASKS, "*", 0x21));
    let told = |packets: &[_], evidence| {
        let mut flow = said(packets);
        flow.evidence = evidence;
        note::seen(&sight(&flow))
    };
    let stranger = "External 8.8.4.4 contacted NetBIOS of internal 10.0.0.2 on UDP/137";
    for (packets, evidence, words) in [
        (vec![], Evidence::Established, "; the server answered."),
        (
            vec![question.clone()],
            Evidence::Attempt,
            "; it asked for the node status of *<20>; nothing shows that a server of NetBIOS answered.",
        ),
        (
            vec![question.clone()],
            Evidence::Established,
            "; it asked for the node status of *<20>; the server answered.",
        ),
        (
            vec![question.clone(), (Sender::Server, node_status(7))],
            Evidence::Established,
            "; it asked for the node status of *<20>, and was told FILES of LAB.",
        ),
        (
            vec![(Sender::Client, election())],
            Evidence::Attempt,
            "; it sent a NetBIOS datagram from LABSRV<00> to LAB<1e>; nothing shows that a server of NetBIOS answered.",
        ),
        (
            vec![(Sender::Client, vec![0; 50])],
            Evidence::Attempt,
            "; what it said is no NetBIOS; nothing shows that a server of NetBIOS answered.",
        ),
    ] {
        assert_eq!(told(&packets, evidence), format!("{stranger}{words}"));
    }
}
