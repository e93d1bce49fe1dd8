//! Each kind of message that is wanted, in one segment.

use sensor_common::{
    payload::PieceKind::{Datagram, Message, Rpc},
    slot::Side::{Local, Remote},
};
use sensor_tests::Setup;

use super::{
    Course, ENDS, Ends, SECRET, alone, datagram, follow,
    message::{REPLY, REQUEST, of_smb1, of_smb2, pdu, rpc, smb1, smb1_naming, smb1_with, smb2, smb2_with},
    segment,
};
use crate::any_port::session_request;

/// A message of the client or, as a reply, of the server: reported whole.
fn whole(name: &str, reply: bool, message: &[u8]) -> Course {
    let side = if reply { Remote } else { Local };
    alone(name, segment(ENDS, side, 0x1234_5678, message).reported_whole(Message))
}

#[test]
fn reports_smb2_session_setup_and_tree_connect_whole_from_both_sides() {
    let commands = [
        ("negotiate", smb2::NEGOTIATE),
        ("session setup", smb2::SESSION_SETUP),
        ("logoff", smb2::LOGOFF),
        ("tree connect", smb2::TREE_CONNECT),
        ("tree disconnect", smb2::TREE_DISCONNECT),
    ];
    let rows = commands.iter().flat_map(|(name, command)| {
        [(REQUEST, "request", 232), (REPLY, "reply", 301)].map(|(reply, what, length)| {
            whole(&format!("{name} {what}"), reply, &of_smb2(*command, reply, length))
        })
    });
    let test = "reports_smb2_session_setup_and_tree_connect_whole_from_both_sides";
    follow(test, &Setup::default(), rows.collect());
}

#[test]
fn reports_smb1_session_setup_and_tree_connect_whole_from_both_sides() {
    let commands = [
        ("tree connect", smb1::TREE_CONNECT),
        ("tree disconnect", smb1::TREE_DISCONNECT),
        ("negotiate", smb1::NEGOTIATE),
        ("session setup", smb1::SESSION_SETUP_ANDX),
        ("logoff", smb1::LOGOFF_ANDX),
        ("tree connect and x", smb1::TREE_CONNECT_ANDX),
        ("transaction", smb1::TRANSACTION),
    ];
    let rows = commands.iter().flat_map(|(name, command)| {
        [(REQUEST, "request", 88), (REPLY, "reply", 117)].map(|(reply, what, length)| {
            whole(&format!("{name} {what}"), reply, &of_smb1(*command, reply, length))
        })
    });
    let test = "reports_smb1_session_setup_and_tree_connect_whole_from_both_sides";
    follow(test, &Setup::default(), rows.collect());
}

#[test]
fn internal_server_is_the_local_side() {
    let ends: Ends = ("10.0.0.2:445", "8.8.4.4:50000");
    let rows = vec![
        alone(
            "request of an external client",
            segment(ends, Remote, 7, &of_smb2(smb2::NEGOTIATE, REQUEST, 120)).reported_whole(Message),
        ),
        alone(
            "its answer",
            segment(ends, Local, 9, &of_smb2(smb2::NEGOTIATE, REPLY, 140)).reported_whole(Message),
        ),
    ];
    follow("internal_server_is_the_local_side", &Setup::default(), rows);
}

#[test]
fn reports_a_netbios_session_request() {
    let ends: Ends = ("10.0.0.2:50000", "8.8.4.4:139");
    let request = session_request();
    let with_more = [&request[..], SECRET].concat();
    let rows = vec![
        alone("alone", segment(ends, Local, 3, &request).reported_whole(Message)),
        alone("with more behind it", segment(ends, Local, 3, &with_more).reported(Message, 72, 72)),
        alone("on the port of SMB", segment(ENDS, Local, 3, &request).reported_whole(Message)),
    ];
    follow("reports_a_netbios_session_request", &Setup::default(), rows);
}

/// A message with these bytes at this place.
type Carrier = fn(usize, &[u8]) -> Vec<u8>;

/// The PDUs that bind, each reported whole.
const BINDING: [(&str, u8); 6] = [
    ("bind", rpc::BIND),
    ("bind_ack", rpc::BIND_ACK),
    ("bind_nak", rpc::BIND_NAK),
    ("alter_context", rpc::ALTER_CONTEXT),
    ("alter_context_resp", rpc::ALTER_CONTEXT_RESP),
    ("auth3", rpc::AUTH3),
];

#[test]
fn named_pipe_reports_binds_whole_and_requests_up_to_the_opnum() {
    let carriers: [(&str, bool, usize, Carrier); 14] = [
        ("WRITE", REQUEST, 116, |at, data| smb2_with(smb2::WRITE, REQUEST, at, data)),
        ("READ reply", REPLY, 84, |at, data| smb2_with(smb2::READ, REPLY, at, data)),
        ("IOCTL", REQUEST, 124, |at, data| smb2_with(smb2::IOCTL, REQUEST, at, data)),
        ("IOCTL reply", REPLY, 116, |at, data| smb2_with(smb2::IOCTL, REPLY, at, data)),
        ("SMB1 read reply", REPLY, 63, |at, data| smb1_with(smb1::READ_ANDX, REPLY, at, data)),
        ("SMB1 read reply, padded", REPLY, 64, |at, data| smb1_with(smb1::READ_ANDX, REPLY, at, data)),
        ("SMB1 write", REQUEST, 67, |at, data| smb1_with(smb1::WRITE_ANDX, REQUEST, at, data)),
        ("SMB1 write, padded", REQUEST, 68, |at, data| smb1_with(smb1::WRITE_ANDX, REQUEST, at, data)),
        ("SMB1 core read reply", REPLY, 52, |at, data| smb1_with(smb1::READ, REPLY, at, data)),
        ("SMB1 core write", REQUEST, 52, |at, data| smb1_with(smb1::WRITE, REQUEST, at, data)),
        // MS-CIFS 2.2.4.46 and 2.2.4.62: DataOffset.
        ("SMB1 transaction 2", REQUEST, 70, |at, data| {
            smb1_naming(smb1::TRANSACTION2, REQUEST, 61, at, data)
        }),
        ("SMB1 transaction 2 reply", REPLY, 60, |at, data| {
            smb1_naming(smb1::TRANSACTION2, REPLY, 51, at, data)
        }),
        ("SMB1 NT transaction", REQUEST, 88, |at, data| {
            smb1_naming(smb1::NT_TRANSACT, REQUEST, 68, at, data)
        }),
        ("SMB1 NT transaction reply", REPLY, 74, |at, data| {
            smb1_naming(smb1::NT_TRANSACT, REPLY, 64, at, data)
        }),
    ];
    let mut rows = Vec::new();
    for (carrier, reply, at, message) in carriers {
        for (name, kind) in BINDING {
            rows.push(whole(&format!("{carrier} with {name}"), reply, &message(at, &pdu(kind, 72))));
        }
        let side = if reply { Remote } else { Local };
        let request = segment(ENDS, side, 9, &message(at, &pdu(rpc::REQUEST, 400)));
        let header = at + 24;
        rows.push(alone(
            format!("{carrier} with a request"),
            request.reported(Message, header as u32, header),
        ));
        for kind in [rpc::RESPONSE, rpc::FAULT] {
            let answer = segment(ENDS, side, 9, &message(at, &pdu(kind, 400)));
            rows.push(alone(format!("{carrier} with answer {kind}"), answer.unreported()));
        }
    }
    let test = "named_pipe_reports_binds_whole_and_requests_up_to_the_opnum";
    follow(test, &Setup::default(), rows);
}

#[test]
fn endpoint_mapper_reports_binds_whole_and_requests_up_to_the_opnum() {
    let ends: Ends = ("10.0.0.2:50000", "8.8.4.4:135");
    let served: Ends = ("10.0.0.2:135", "8.8.4.4:50000");
    let mut rows = Vec::new();
    for (name, kind) in BINDING {
        rows.push(alone(name, segment(ends, Local, 5, &pdu(kind, 116)).reported_whole(Rpc)));
        rows.push(alone(
            format!("{name} of the external side"),
            segment(ends, Remote, 5, &pdu(kind, 60)).reported_whole(Rpc),
        ));
        rows.push(alone(
            format!("{name} to an internal server"),
            segment(served, Remote, 5, &pdu(kind, 60)).reported_whole(Rpc),
        ));
        let two = [pdu(kind, 72), pdu(rpc::RESPONSE, 300)].concat();
        rows.push(alone(
            format!("{name} with more behind"),
            segment(ends, Local, 5, &two).reported(Rpc, 72, 72),
        ));
    }
    let request = pdu(rpc::REQUEST, 300);
    rows.push(alone("request", segment(ends, Local, 5, &request).reported(Rpc, 24, 24)));
    let mut minor_one = pdu(rpc::BIND, 72);
    minor_one[1] = 1;
    rows.push(alone("version 5.1", segment(ends, Local, 5, &minor_one).reported_whole(Rpc)));
    let test = "endpoint_mapper_reports_binds_whole_and_requests_up_to_the_opnum";
    follow(test, &Setup::default(), rows);
}

#[test]
fn reports_no_other_payload_on_the_endpoint_mapper_port() {
    let ends: Ends = ("10.0.0.2:50000", "8.8.4.4:135");
    let changed = |at: usize, value: u8| {
        let mut bind = pdu(rpc::BIND, 72);
        bind[at] = value;
        bind
    };
    let payloads = [
        ("response", pdu(rpc::RESPONSE, 300)),
        ("fault", pdu(rpc::FAULT, 300)),
        ("version 4", changed(0, 4)),
        ("version 5.2", changed(1, 2)),
        ("big-endian", changed(4, 0)),
        ("another float format", changed(5, 1)),
        ("reserved byte", changed(6, 1)),
        ("a type that is none", changed(2, 17)),
        ("a length of zero", changed(8, 0)),
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ];
    let rows = payloads.map(|(name, payload)| alone(name, segment(ends, Local, 5, &payload).unreported()));
    let test = "reports_no_other_payload_on_the_endpoint_mapper_port";
    follow(test, &Setup::default(), rows.to_vec());
    let on_445 = vec![alone("bind on port 445", segment(ENDS, Local, 5, &pdu(rpc::BIND, 72)).unreported())];
    follow(test, &Setup::default(), on_445);
}

#[test]
fn reports_the_first_datagram_of_each_side_and_those_that_differ() {
    let pairs: [(&str, Ends); 3] = [
        ("name service", ("10.0.0.2:137", "8.8.4.4:137")),
        ("datagram service", ("10.0.0.2:138", "8.8.4.4:138")),
        ("over IPv6", ("[fd00:1::2]:50000", "[2001:4860:4860::8844]:137")),
    ];
    let query = [0x21; 50];
    let with = |at: usize, byte: u8| {
        let mut other = query;
        other[at] = byte;
        other
    };
    let rows = pairs.map(|(name, ends)| {
        let steps = vec![
            datagram(ends, Local, &query).reported_whole(Datagram),
            datagram(ends, Local, SECRET).unreported(),
            datagram(ends, Local, &query).unreported(),
            datagram(ends, Local, &with(0, 1)).unreported(),
            datagram(ends, Local, &with(3, 1)).unreported(),
            datagram(ends, Local, &with(4, 1)).reported_whole(Datagram),
            datagram(ends, Local, &with(47, 1)).reported_whole(Datagram),
            datagram(ends, Local, &[query, query].concat()).reported_whole(Datagram),
            datagram(ends, Local, &[query, with(30, 1)].concat()).unreported(),
            datagram(ends, Local, &[query, with(29, 1)].concat()).reported_whole(Datagram),
            datagram(ends, Remote, &query[..1]).reported_whole(Datagram),
            datagram(ends, Remote, SECRET).unreported(),
            datagram(ends, Local, SECRET).unreported(),
        ];
        (name.to_owned(), steps)
    });
    let long = [&[0x42; 512][..], SECRET].concat();
    let ends = pairs[0].1;
    let cut = alone("a long one is cut", datagram(ends, Local, &long).reported(Datagram, 512, 512));
    let empty = vec![datagram(ends, Remote, &[]).unreported(), datagram(ends, Remote, SECRET).unreported()];
    let rows = rows.into_iter().chain([cut, ("the first has nothing in it".to_owned(), empty)]).collect();
    follow("reports_the_first_datagram_of_each_side_and_those_that_differ", &Setup::default(), rows);
}

#[test]
fn reports_at_most_sixteen_datagrams_of_a_flow() {
    let ends = ("10.0.0.2:137", "8.8.4.4:137");
    let numbered = |number: u8| {
        let sent = datagram(ends, Local, &[number; 50]);
        if number < 16 { sent.reported_whole(Datagram) } else { sent.unreported() }
    };
    let rows = vec![("all differ".to_owned(), (0..40).map(numbered).collect())];
    follow("reports_at_most_sixteen_datagrams_of_a_flow", &Setup::default(), rows);
}
