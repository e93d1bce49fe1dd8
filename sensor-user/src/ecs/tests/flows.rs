//! Finished connections of many shapes.

use std::{net::SocketAddr, sync::Arc};

use sensor_common::slot::{TCP, UDP, mark};
use sensor_core::{
    address::{Direction, FiveTuple},
    event::FlowSummary,
    incident::{IncidentId, fixtures},
    level::EvidenceLevel,
    record::Counts,
    service::Service,
    view::{Content, FlowView, OtherProtocol},
};
use sensor_dissect::{
    Facts, Sender,
    facts::{
        Answer, Credential, Datagrams, Dialect, Exchange, Interface, Method, Operation, Outcome, Share,
        Signing,
    },
    netbios_datagram::{Datagram, DatagramKind, DatagramNames},
    netbios_name::{NetbiosName, NodeName},
    ntlmssp::ResponseKind,
    smb2::{Contexts, ShareKind},
    status::Status,
};
use uuid::Uuid;

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A connection of an internal client or server with this evidence level.
fn view(direction: Direction, local: &str, remote: &str, level: EvidenceLevel) -> FlowView<'static> {
    let tuple = FiveTuple { transport: TCP, local: end(local), remote: end(remote) };
    let (client, server) = match direction {
        Direction::Outbound => (tuple.local, tuple.remote),
        Direction::Inbound => (tuple.remote, tuple.local),
    };
    FlowView {
        tuple,
        direction,
        service: Service::Smb,
        usual_port: true,
        client,
        server,
        roles_known: true,
        level,
        first: fixtures::START,
        last: fixtures::after(2_000),
        settled: true,
        closed: true,
        smb_spoken: level >= EvidenceLevel::Smb,
        encrypted: false,
        joined_late: false,
        one_sided: false,
        conflicting: false,
        complete: true,
        content: Content::default(),
        other_protocol: None,
        tls_server: None,
        threat: false,
        dropped: false,
        counts: Counts { packets: [9, 7], bytes: [900, 700], payload: [500, 300], retransmitted: [0, 0] },
        facts: None,
        datagrams: None,
        quic: None,
        process: None,
        vlan: None,
        ifindex: Some(2),
        marks: mark::HOOK_XDP_INGRESS | mark::HOOK_TC_EGRESS,
        lost_before: 0,
    }
}

fn netbios_name(name: &str, suffix: u8) -> NetbiosName {
    NetbiosName { name: name.into(), suffix }
}

/// Everything that two ends can say about themselves.
fn facts() -> Facts {
    let contexts = Contexts {
        kinds: vec![2, 3, 8],
        ciphers: vec![2, 7],
        compression: vec![3],
        signing: vec![1],
        netname: Some("files".into()),
    };
    let mut facts = Facts {
        smb2: true,
        dialect: Some(Dialect::Smb2(0x0311)),
        signing: Some(Signing::Required),
        signed: true,
        netbios: Some((netbios_name("*SMBSERVER", 0x20), netbios_name("DESK", 0x00))),
        credentials: vec![
            Credential {
                method: Method::Ntlm(ResponseKind::Anonymous),
                user: None,
                domain: None,
                workstation: None,
                target: None,
                fingerprint: None,
                outcome: Some(Outcome::Accepted),
            },
            Credential {
                method: Method::Ntlm(ResponseKind::V2),
                user: Some("ann".into()),
                domain: Some("CORP".into()),
                workstation: Some("PC-ANN".into()),
                target: Some("cifs/8.8.4.4".into()),
                fingerprint: None,
                outcome: Some(Outcome::Refused(Status::Nt(0xC000_006D))),
            },
        ],
        session_statuses: vec![Status::Nt(0xC000_006D)],
        sessions: 1,
        shares: vec![Share {
            path: r"\\8.8.4.4\IPC$".into(),
            kind: Some(ShareKind::Pipe),
            outcome: Some(Outcome::Accepted),
        }],
        interfaces: vec![Interface { uuid: Uuid::nil(), version: (1, 0), name: None, operations: vec![3] }],
        logoffs: 1,
        left_out: 2,
        ..Facts::default()
    };
    facts.client.contexts = contexts.clone();
    facts.server.contexts = contexts;
    facts.server.names.dns_computer = Some("files.example".into());
    facts.server.names.netbios_computer = Some("FILES".into());
    facts.server.guid = Some(Uuid::from_bytes([2; 16]));
    facts
}

/// A question with an answer, a refused one, and a message.
fn datagrams() -> Datagrams {
    let exchange = |name, answer| Exchange {
        asked_by: Sender::Client,
        transaction: 7,
        operation: Operation::NodeStatus,
        name,
        answer,
    };
    let node = |name, suffix, group| NodeName { name: netbios_name(name, suffix), group };
    let names = vec![node("FILES", 0x20, false), node("LAB", 0x00, true)];
    Datagrams {
        exchanges: vec![
            exchange(netbios_name("*", 0x00), Some(Answer { code: 0, names })),
            exchange(netbios_name("X", 0x20), Some(Answer { code: 3, names: vec![] })),
            exchange(netbios_name("Y", 0x20), None),
        ],
        messages: vec![(
            Sender::Server,
            Datagram {
                kind: DatagramKind::DirectGroup,
                source_address: [10, 0, 0, 2].into(),
                names: Some(DatagramNames {
                    source: netbios_name("LABSRV", 0),
                    destination: netbios_name("LAB", 0x1E),
                }),
                mailslot: Some(r"\MAILSLOT\BROWSE".into()),
            },
        )],
        not_netbios: true,
        left_out: 1,
    }
}

/// All of them, each with its name.
pub(super) fn all() -> Vec<(&'static str, FlowSummary)> {
    let (facts, datagrams, process) = (Arc::new(facts()), Arc::new(datagrams()), fixtures::smbclient());
    let plain = |direction, level| view(direction, "10.0.0.2:50000", "8.8.4.4:445", level);
    let mut flows: Vec<(&'static str, FlowView<'_>)> = Vec::new();
    for level in EvidenceLevel::ALL {
        flows.push(("flow outbound", plain(Direction::Outbound, level)));
        flows.push(("flow inbound", view(Direction::Inbound, "10.0.0.2:445", "8.8.4.4:50000", level)));
    }
    let said = FlowView {
        facts: Some(&facts),
        process: Some(&process),
        vlan: Some(12),
        ..plain(Direction::Outbound, EvidenceLevel::Share)
    };
    flows.push(("flow smb", said));
    flows.push((
        "flow on a gateway",
        FlowView { process: None, encrypted: true, marks: mark::COMPRESSED | mark::ENCRYPTED, ..said },
    ));
    let asked = view(Direction::Inbound, "[fd00::2]:137", "[2001:4860::4]:137", EvidenceLevel::Connected);
    let tuple = FiveTuple { transport: UDP, ..asked.tuple };
    flows.push((
        "flow netbios",
        FlowView { tuple, service: Service::Netbios, datagrams: Some(&datagrams), ..asked },
    ));
    let hello = Arc::new(fixtures::quic().quic.remove(0));
    let offered = view(Direction::Outbound, "10.0.0.2:50000", "8.8.4.4:443", EvidenceLevel::Answered);
    let tuple = FiveTuple { transport: UDP, ..offered.tuple };
    flows.push((
        "flow quic",
        FlowView { tuple, service: Service::SmbOverQuic, quic: Some(&hello), ..offered },
    ));
    let name = Arc::from("vpn.example.com");
    let tls = FlowView {
        other_protocol: Some(OtherProtocol::Tls),
        tls_server: Some(&name),
        dropped: true,
        roles_known: false,
        ..plain(Direction::Outbound, EvidenceLevel::Connected)
    };
    flows.push(("flow tls", tls));
    let summary =
        |view: &FlowView<'_>| FlowSummary::of(view, Some("nightly copy".into()), Some(IncidentId(7)));
    flows.iter().map(|(name, view)| (*name, summary(view))).collect()
}
