//! A flood of attempts that fills the table of conversations.

use std::net::{Ipv4Addr, SocketAddr};

use sensor_common::slot::{mark, tcp};

use super::{
    sweeps::{OPEN, SYN, Stages},
    *,
};

/// Spoofed SYNs; the table has room for a hundred.
const FLOOD: u32 = 2_000;

fn spoofed(number: u32) -> (SocketAddr, SocketAddr) {
    let from = Ipv4Addr::from(0x0A01_0000 + number);
    (SocketAddr::from((from, 50_000)), "8.8.4.4:445".parse().unwrap())
}

#[test]
fn a_session_behind_a_flood_that_filled_table_and_window_is_alerted_with_the_next_and_every_attempt_counted()
{
    let mut stages = Stages::new();
    for number in 0..FLOOD {
        let second = i128::from(number / 40);
        stages.begins_between(spoofed(number), SYN, 0, second);
        stages.advance(second);
    }
    let real = ("10.0.0.2:50001".parse().unwrap(), "8.8.4.4:445".parse().unwrap());
    stages.begins_between(real, OPEN, mark::SMB_FROM_LOCAL, 60);
    assert_eq!(
        (opened(&stages.told), stages.book.opened()),
        (100, 100),
        "a hundred in a window, whatever comes"
    );
    assert_eq!(stages.tracker.evicted(), u64::from(FLOOD) + 1 - 100);
    stages.advance(299);
    assert_eq!(opened(&stages.told), 100);
    stages.advance(310);
    let session = stages.told.last().unwrap();
    assert_eq!(field(session, "/source/ip"), "10.0.0.2");
    assert_eq!(field(session, "/smb_sensor/evidence/level"), "smb");
    assert_eq!(field(session, "/smb_sensor/alert/counted_before"), true);
    stages.finish(311);
    assert_eq!(stages.book.opened() + stages.book.suppressed(), u64::from(FLOOD) + 1);
    assert_eq!(
        (opened(&stages.told), stages.told.iter().filter(|it| status(it) == Some("closed")).count()),
        (101, 101)
    );
}

fn status(document: &Value) -> Option<&str> {
    document.pointer("/smb_sensor/alert/status")?.as_str()
}

fn opened(documents: &[Value]) -> usize {
    documents.iter().filter(|document| status(document) == Some("opened")).count()
}

#[test]
fn sessions_behind_a_flood_that_does_not_end_are_alerted_when_the_window_is_over_open_or_ended() {
    let mut stages = Stages::new();
    let session = |port| (SocketAddr::from(([10, 0, 0, 2], port)), "8.8.4.4:445".parse().unwrap());
    let over = ([tcp::SYN | tcp::ACK | tcp::FIN; 2], [5, 4]);
    let mut number = 0;
    for second in 0..320 {
        for _ in 0..150 {
            stages.begins_between(spoofed(number), SYN, 0, second);
            number += 1;
        }
        if second == 60 {
            stages.begins_between(session(50_001), OPEN, mark::SMB_FROM_LOCAL, second);
            stages.begins_between(session(50_002), over, mark::SMB_FROM_LOCAL, second);
        }
        stages.advance(second);
        let of_sessions =
            stages.told.iter().filter(|told| told.pointer("/source/ip") == Some(&json!("10.0.0.2")));
        let expected = if second < 300 { &[][..] } else { &["opened", "opened", "closed"] };
        let mut statuses: Vec<_> = of_sessions.filter_map(status).collect();
        statuses.sort_unstable_by_key(|status| *status == "closed");
        assert_eq!(statuses, expected, "second {second}");
    }
    assert_eq!(opened(&stages.told), 200, "a hundred in each of two windows");
}

/// A book whose rules open one alert in a window, in which an attempt has taken it.
fn full(context: &Context<'_>) -> AlertBook {
    let limits = Limits { alerts_per_window: 1, ..Limits::default() };
    let mut book = AlertBook::new(ServicePorts::default(), vec![], limits);
    assert_eq!(told(&mut book, &[tried(1, Evidence::Attempt)], context).len(), 1);
    book
}

fn later(windows: i128) -> Context<'static> {
    let context = Context::for_tests();
    Context { now: context.now + windows * 300_000_000_000, ..context }
}

/// A stranger's conversation with an internal server.
fn inbound(evidence: Evidence) -> Flow {
    let mut flow = flow(TCP, "10.0.0.9:445", "8.8.4.9:50000", Side::Remote, evidence);
    flow.settled = true;
    flow
}

#[test]
fn what_ended_while_it_was_hidden_is_opened_and_closed_in_the_next_window_if_it_spoke_smb() {
    let context = later(0);
    let mut book = full(&context);
    for flow in [
        tried(2, Evidence::Smb),
        tried(3, Evidence::Refused),
        tried(4, Evidence::Data),
        tried(5, Evidence::Smb),
    ] {
        assert!(book.look(&flow, &mut Nothing, &context).is_empty());
        assert!(book.close(&flow, &mut Nothing, &context).is_empty());
    }
    let summary_and_late = time_passes(&mut book, &[], &later(1));
    assert_eq!(field(&summary_and_late[0], "/smb_sensor/suppression/suppressed"), 4);
    let late = &summary_and_late[1..];
    let statuses: Vec<_> = late.iter().map(status).collect();
    assert_eq!(statuses, [Some("opened"), Some("closed")], "as many wait as fill a window, who got farthest");
    for (sequence, document) in late.iter().enumerate() {
        assert_valid(ALERT, document);
        assert_eq!(field(document, "/smb_sensor/evidence/level"), "data");
        assert_eq!(field(document, "/event/sequence"), sequence);
        assert_eq!(field(document, "/smb_sensor/alert/counted_before"), true);
    }
    assert_eq!((book.opened(), book.suppressed()), (2, 3));
    assert!(book.finish(&later(1)).is_empty());
}

#[test]
fn the_end_of_the_run_tells_who_waits_and_begins_no_window() {
    let mut book = full(&later(0));
    assert!(book.close(&tried(2, Evidence::Smb), &mut Nothing, &later(0)).is_empty());
    assert_eq!(book.finish(&later(0)).len(), 3, "the summary, and the alert opened and closed");
    let next = told(&mut book, &[tried(3, Evidence::Attempt)], &later(0));
    assert_eq!(next.iter().map(status).collect::<Vec<_>>(), [Some("opened")]);
}

#[test]
fn who_waits_is_told_one_window_after_the_other_in_the_order_of_waiting_and_of_evidence() {
    let mut book = full(&later(0));
    let open = [tried(2, Evidence::Smb), tried(3, Evidence::Data), tried(4, Evidence::Smb)];
    for flow in &open {
        assert!(book.look(flow, &mut Nothing, &later(0)).is_empty());
    }
    assert!(book.close(&tried(5, Evidence::Data), &mut Nothing, &later(0)).is_empty());
    let told = (1..=5).map(|windows| {
        let documents = time_passes(&mut book, &open, &later(windows));
        let alerts = documents.iter().filter(|document| status(document) == Some("opened"));
        alerts.map(|alert| field(alert, "/destination/ip").clone()).collect::<Vec<_>>()
    });
    let expected = [["8.8.4.3"], ["8.8.4.5"], ["8.8.4.2"], ["8.8.4.4"]];
    assert_eq!(
        json!(told.collect::<Vec<_>>()),
        json!([expected[0], expected[1], expected[2], expected[3], []])
    );
}

#[test]
fn a_sweep_that_finds_room_when_it_is_over_is_opened_and_closed() {
    let limits = Limits { alerts_per_window: 1, ..Limits::default() };
    let mut book = AlertBook::new(ServicePorts::default(), vec![], limits);
    let at = |seconds: i128| Context { now: later(0).now + seconds * 1_000_000_000, ..later(0) };
    for (client, evidence, seconds) in [(1, Evidence::Attempt, 0), (2, Evidence::Smb, 200)] {
        let flows: Vec<_> = (0..30)
            .map(|n| {
                let (from, to) = (format!("10.0.7.{client}:50000"), format!("8.8.{client}.{n}:445"));
                let mut flow = flow(TCP, &from, &to, Side::Local, evidence);
                (flow.settled, flow.first, flow.last) = (true, at(seconds).now, at(seconds).now);
                flow
            })
            .collect();
        told(&mut book, &flows, &at(seconds));
    }
    let told: Vec<_> = (201..600).flat_map(|seconds| time_passes(&mut book, &[], &at(seconds))).collect();
    let second = told.iter().filter(|told| {
        field(told, "/rule/id") == "smb-sweep" && told.pointer("/source/ip") == Some(&json!("10.0.7.2"))
    });
    assert_eq!(second.map(status).collect::<Vec<_>>(), [Some("opened"), Some("closed")]);
}

#[test]
fn who_waits_for_one_rule_takes_no_room_of_those_who_wait_for_another() {
    let mut book = full(&later(0));
    assert_eq!(told(&mut book, &[inbound(Evidence::Attempt)], &later(0)).len(), 1);
    let mut ended = inbound(Evidence::Data);
    ended.ends.remote.set_port(50_001);
    for flow in [ended, tried(2, Evidence::Smb)] {
        assert!(book.close(&flow, &mut Nothing, &later(0)).is_empty());
    }
    let told = time_passes(&mut book, &[], &later(1));
    let opened: Vec<_> = told.iter().filter(|told| status(told) == Some("opened")).collect();
    assert_eq!(
        opened.iter().map(|told| field(told, "/network/direction")).collect::<Vec<_>>(),
        ["outbound", "inbound"]
    );
}

#[test]
fn what_was_exempted_while_it_was_hidden_is_not_told_late_nor_updated_without_news() {
    let context = later(0);
    let mut book = full(&context);
    assert!(book.close(&tried(2, Evidence::Smb), &mut Nothing, &context).is_empty());
    let open = tried(3, Evidence::Smb);
    assert!(book.look(&open, &mut Nothing, &context).is_empty());
    book.exemptions().replace(vec![Exemption::between("10.0.0.2/32".parse().ok(), None, "a test")]);
    assert_eq!(time_passes(&mut book, std::slice::from_ref(&open), &later(1)).len(), 1, "the summary");
    assert!(book.look(&open, &mut Nothing, &later(1)).is_empty());
    assert!(book.finish(&later(1)).is_empty());
}

#[test]
fn an_alert_that_finds_room_brings_no_update_of_another_on_its_conversation() {
    let mut book = full(&later(0));
    let mut both = tried(2, Evidence::Smb);
    both.ends.remote.set_port(4_445);
    both.marks |= mark::SERVER_IS_REMOTE;
    let first = book.look(&both, &mut Nothing, &later(0));
    assert_eq!(rules_of(&first), ["smb-on-another-port"], "the other rule is full");
    let second = time_passes(&mut book, &[both], &later(1));
    assert_eq!(rules_of(&second[1..]), ["smb-to-internet"]);
}
