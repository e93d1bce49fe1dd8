//! A flood of attempts that fills the table of conversations.

use std::net::{Ipv4Addr, SocketAddr};

use sensor_common::slot::mark;

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

/// A book whose rules open one alert in a window, in which an attempt has taken it.
fn full(context: &Context<'_>) -> AlertBook {
    let limits = Limits { alerts_per_window: 1, ..Limits::default() };
    let mut book = AlertBook::new(ServicePorts::default(), vec![], limits);
    assert_eq!(told(&mut book, &[tried(1, Evidence::Attempt)], context).len(), 1);
    book
}

fn later(context: &Context<'static>) -> Context<'static> {
    Context { now: context.now + 300_000_000_000, ..context.clone() }
}

#[test]
fn what_ended_while_it_was_hidden_is_opened_and_closed_in_the_next_window_if_it_spoke_smb() {
    let context = Context::for_tests();
    let mut book = full(&context);
    let ended = [tried(2, Evidence::Smb), tried(3, Evidence::Refused), tried(4, Evidence::Data)];
    for flow in &ended {
        assert!(book.look(flow, &mut Nothing, &context).is_empty());
        assert!(book.close(flow, &mut Nothing, &context).is_empty());
    }
    let summary_and_late = book.advance(&later(&context));
    assert_eq!(field(&summary_and_late[0], "/smb_sensor/suppression/suppressed"), 3);
    let late = &summary_and_late[1..];
    assert_eq!(
        late.iter().map(status).collect::<Vec<_>>(),
        [Some("opened"), Some("closed")],
        "as many as wait fill a window"
    );
    for (sequence, document) in late.iter().enumerate() {
        assert_valid(ALERT, document);
        assert_eq!(field(document, "/smb_sensor/evidence/level"), "smb");
        assert_eq!(field(document, "/event/sequence"), sequence);
        assert_eq!(field(document, "/smb_sensor/alert/counted_before"), true);
    }
    assert_eq!((book.opened(), book.suppressed()), (2, 2));
    assert!(book.finish(&later(&context)).is_empty());
}

#[test]
fn what_was_exempted_while_it_was_hidden_is_not_told_late() {
    let context = Context::for_tests();
    let mut book = full(&context);
    assert!(book.close(&tried(2, Evidence::Smb), &mut Nothing, &context).is_empty());
    book.exemptions().replace(vec![Exemption::between(None, "8.8.4.2/32".parse().ok(), "a test")]);
    assert_eq!(book.finish(&context).len(), 1, "the summary");
}
