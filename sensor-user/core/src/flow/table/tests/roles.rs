//! Which end is the client, and whether that is known.

use sensor_common::slot::{RecordKind, Side, mark, tcp};

use super::bench::*;
use crate::{address::Direction, level::EvidenceLevel, record::Observation, service::ServicePorts};

/// A packet of one side, without a SYN.
fn stray(side: Side, flags: u8) -> Observation {
    let (tcp_flags, packets) = match side {
        Side::Local => ([flags, 0], [1, 0]),
        Side::Remote => ([0, flags], [0, 1]),
    };
    let first = if side == Side::Local { mark::FIRST_FROM_LOCAL } else { 0 };
    Observation { marks: first, ..seen(tcp_flags, packets, at(1)) }
}

#[test]
fn sender_of_the_syn_is_the_client_whatever_the_ports() {
    let mut bench = Bench::new();
    let syn = Observation { marks: mark::OPENED_BY_SYN, ..stray(Side::Remote, tcp::SYN) };
    bench.opened(&syn, at(1));
    assert_eq!((bench.entry().flow.client(), bench.entry().flow.roles_known), (Side::Remote, true));
    assert!(bench.entry().view(&ServicePorts::default()).is_none(), "its server's port is no service");
}

#[test]
fn stray_syn_ack_ack_or_reset_shows_no_roles() {
    for flags in [tcp::SYN | tcp::ACK, tcp::ACK, tcp::RST, tcp::ACK | tcp::FIN] {
        let mut bench = Bench::new();
        bench.opened(&stray(Side::Remote, flags), at(1));
        let reset = Observation { tcp_flags: [tcp::RST, flags], ..stray(Side::Remote, flags) };
        bench.swept(&Observation { counts: seen(SYN, [1, 1], at(1)).counts, ..reset }, at(1));
        bench.advance(at(9));
        let view = bench.view();
        assert!(!view.roles_known, "{flags:#x}");
        assert_eq!((view.client.port(), view.level < EvidenceLevel::Connected), (445, true), "{flags:#x}");
    }
}

#[test]
fn syn_on_another_cpu_makes_the_roles_known() {
    let mut bench = Bench::new();
    bench.opened(&stray(Side::Remote, tcp::SYN | tcp::ACK), at(1));
    assert!(!bench.view().roles_known);
    let syn = Observation { cpu: 1, ..seen(SYN, [1, 0], at(1)) };
    assert_eq!(bench.opened(&syn, at(1)), [Did::Updated]);
    let view = bench.view();
    assert_eq!((view.roles_known, view.direction), (true, Direction::Outbound));
    assert_eq!(view.level, EvidenceLevel::Answered, "derived anew with the right client");
}

#[test]
fn level_derived_with_the_wrong_client_does_not_stay() {
    let mut bench = Bench::new();
    bench.opened(&stray(Side::Remote, tcp::ACK), at(1));
    let reset = Observation { tcp_flags: [tcp::RST, tcp::ACK], ..stray(Side::Remote, tcp::ACK) };
    bench.swept(&Observation { counts: seen(SYN, [1, 1], at(1)).counts, ..reset }, at(1));
    assert_eq!(bench.view().level, EvidenceLevel::Refused);
    bench.opened(&Observation { cpu: 1, ..seen(SYN, [1, 0], at(1)) }, at(1));
    assert_eq!((bench.view().direction, bench.view().level), (Direction::Outbound, EvidenceLevel::Attempt));
}

/// A connection seen from the middle, first a packet of the server.
fn middle() -> Bench {
    let mut bench = Bench::new();
    let both = Observation { tcp_flags: [tcp::ACK; 2], ..stray(Side::Remote, tcp::ACK) };
    bench.opened(&Observation { counts: seen(OPEN, [3, 3], at(1)).counts, ..both }, at(1));
    assert!(!bench.view().roles_known && bench.view().joined_late);
    bench
}

#[test]
fn without_a_syn_the_requester_is_the_client() {
    let mut bench = middle();
    assert_eq!(bench.message(Side::Local, 9, &smb2(5, None, 1, &[]), at(2)), [Did::Updated]);
    assert_eq!((bench.view().roles_known, bench.view().direction), (true, Direction::Outbound));
}

#[test]
fn without_a_syn_the_responder_is_the_server() {
    let mut bench = middle();
    bench.message(Side::Remote, 9, &smb2(5, Some(0), 1, &[]), at(2));
    assert_eq!((bench.view().roles_known, bench.view().direction), (true, Direction::Outbound));
}

#[test]
fn netbios_session_packets_show_the_roles() {
    for (side, packet) in [(Side::Local, [0x81, 0, 0, 0]), (Side::Remote, [0x82, 0, 0, 0])] {
        let mut bench = middle();
        bench.message(side, 9, &packet, at(2));
        assert_eq!(
            (bench.view().direction, bench.view().roles_known),
            (Direction::Outbound, true),
            "{side:?}"
        );
    }
}

#[test]
fn netbios_session_without_smb_is_connected() {
    let mut bench = middle();
    bench.message(Side::Local, 9, &[0x81, 0, 0, 0], at(2));
    bench.message(Side::Remote, 9, &[0x82, 0, 0, 0], at(2));
    assert_eq!(bench.view().level, EvidenceLevel::Connected);
}

#[test]
fn forged_response_to_a_silent_host_shows_no_roles() {
    let mut bench = Bench::new();
    bench.opened(&with_payload([0, 80], stray(Side::Remote, tcp::ACK)), at(1));
    bench.message(Side::Remote, 9, &smb2(5, Some(0), 1, &[]), at(1));
    let reset = Observation { tcp_flags: [tcp::RST, tcp::ACK], ..stray(Side::Remote, tcp::ACK) };
    bench.swept(&Observation { counts: seen(SYN, [1, 1], at(1)).counts, ..reset }, at(2));
    assert!(!bench.view().roles_known);
}

#[test]
fn forged_request_to_a_host_that_resets_it_shows_no_roles() {
    let request = |bench: &mut Bench| {
        let mut segment = with_payload([0, 80], stray(Side::Remote, tcp::ACK));
        segment.id.tuple.local.set_port(445);
        segment.id.tuple.remote.set_port(50_000);
        bench.opened(&segment, at(1));
        segment
    };
    let mut bench = Bench::new();
    let segment = request(&mut bench);
    let tuple = segment.id.tuple;
    let view = |bench: &Bench| {
        bench.table.entry(&tuple).and_then(|it| it.view(&ServicePorts::default())).unwrap().level
    };
    assert_eq!(view(&bench), EvidenceLevel::Attempt, "nothing answered");
    let reset = Observation { tcp_flags: [tcp::RST, tcp::ACK], ..segment };
    bench.swept(&Observation { counts: seen(SYN, [1, 1], at(1)).counts, ..reset }, at(2));
    assert!(!bench.table.entry(&tuple).unwrap().flow.roles_known);
    assert!(view(&bench) < EvidenceLevel::Connected);
}

#[test]
fn marks_show_the_server_on_an_unwatched_port_in_any_order_of_cpus() {
    let message = |cpu, marks| {
        let mut seen = Observation { cpu, marks, ..seen([tcp::ACK; 2], [1, 1], at(1)) };
        seen.id.tuple.remote.set_port(4_445);
        seen
    };
    let request = message(0, mark::FIRST_FROM_LOCAL | mark::SMB_FROM_LOCAL | mark::SERVER_IS_REMOTE);
    let response = message(1, mark::SMB_FROM_REMOTE | mark::SERVER_IS_REMOTE);
    for order in [[request, response], [response, request]] {
        let mut bench = Bench::new();
        order.iter().for_each(|seen| drop(bench.swept(seen, at(1))));
        let view = bench.table.entry(&request.id.tuple).unwrap().view(&ServicePorts::default()).unwrap();
        assert_eq!((view.direction, view.roles_known, view.usual_port), (Direction::Outbound, true, false));
    }
}

#[test]
fn server_syn_does_not_reverse_roles_shown_by_messages() {
    let mut bench = middle();
    bench.message(Side::Local, 9, &smb2(5, None, 1, &[]), at(2));
    let syn = Observation { marks: mark::OPENED_BY_SYN, ..started([0, tcp::SYN], [0, 1], at(3)) };
    bench.opened(&with_generation(4, syn), at(3));
    assert_eq!((bench.view().direction, bench.view().roles_known), (Direction::Outbound, true));
}

#[test]
fn newly_known_roles_are_a_change() {
    let mut bench = middle();
    bench.observe(Some(RecordKind::Rose), &stray(Side::Remote, tcp::ACK), at(2));
    let known = bench.message(Side::Local, 9, &smb2(5, None, 1, &[]), at(3));
    assert_eq!(known, [Did::Updated]);
    assert_eq!(bench.message(Side::Local, 77, &smb2(5, None, 2, &[]), at(3)), [], "once");
}

#[test]
fn headers_that_the_kernel_saw_show_the_client_if_both_sides_take_part() {
    for client in [Side::Local, Side::Remote] {
        let both = Observation {
            client: Some(client),
            marks: mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE,
            ..seen([tcp::ACK; 2], [2, 2], at(1))
        };
        let mut bench = Bench::new();
        bench.swept(&both, at(1));
        assert_eq!((bench.entry().flow.client(), bench.entry().flow.roles_known), (client, true));
        let mut bench = Bench::new();
        let alone = Observation { client: Some(client), ..stray(client.peer(), tcp::ACK) };
        bench.swept(&alone, at(1));
        assert!(!bench.entry().flow.roles_known, "{client:?}: nobody acknowledged");
    }
}
