//! The life of alerts: opened, updated, closed, folded into a sweep, counted when there are too many.

use sensor_common::slot::{Side, TCP};
use serde_json::json;

use super::*;
use crate::{
    alert::document::tests::{ALERT, assert_valid},
    detect::fixtures::flow,
    terms::Term,
};

mod flood;
mod sweeps;
mod updates;

struct Nothing;

impl KnownTerms for Nothing {
    fn is_new(&mut self, _: Term, _: i128) -> bool {
        false
    }

    fn learning_until(&mut self, _: i128) -> Option<i128> {
        None
    }
}

fn book(exemptions: Vec<Exemption>) -> AlertBook {
    AlertBook::new(ServicePorts::default(), exemptions, Limits::default())
}

fn outbound(evidence: Evidence) -> Flow {
    tried(4, evidence)
}

fn field<'a>(document: &'a Value, pointer: &str) -> &'a Value {
    document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document:#}"))
}

#[test]
fn an_alert_is_opened_updated_and_closed_under_one_id() {
    let mut book = book(vec![]);
    let context = Context::for_tests();
    let first = book.look(&outbound(Evidence::Established), &mut Nothing, &context);
    let second = book.look(&outbound(Evidence::Data), &mut Nothing, &context);
    let same = book.look(&outbound(Evidence::Data), &mut Nothing, &context);
    let last = book.close(&outbound(Evidence::Data), &mut Nothing, &context);
    assert!(same.is_empty(), "nothing rose");
    let life: Vec<_> = [&first, &second, &last]
        .iter()
        .map(|documents| {
            assert_eq!(documents.len(), 1);
            let one = &documents[0];
            (
                field(one, "/event/sequence").as_u64().unwrap(),
                field(one, "/smb_sensor/alert/status").as_str().unwrap().to_owned(),
                field(one, "/smb_sensor/evidence/level").as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [(0, "opened", "established"), (1, "updated", "data"), (2, "closed", "data")];
    assert_eq!(life, expected.map(|(n, status, level)| (n, status.to_owned(), level.to_owned())));
    assert_eq!(field(&first[0], "/event/id"), field(&last[0], "/event/id"));
    assert_eq!(book.opened(), 1);
}

#[test]
fn a_flow_that_ends_before_anyone_looked_is_judged_at_its_end() {
    let documents = book(vec![]).close(&outbound(Evidence::Attempt), &mut Nothing, &Context::for_tests());
    assert_eq!(documents.len(), 2, "opened and closed");
}

#[test]
fn an_exempt_flow_is_counted_and_silent() {
    let exemption = Exemption::between("10.0.0.2/32".parse().ok(), "8.8.4.4/32".parse().ok(), "test");
    let mut book = book(vec![exemption]);
    assert!(book.look(&outbound(Evidence::Data), &mut Nothing, &Context::for_tests()).is_empty());
    assert_eq!((book.opened(), book.exempted()), (0, 1));
}

/// A flow of 10.0.0.2 to the `n`th of many servers, whose time to be answered is up.
fn tried(n: u8, evidence: Evidence) -> Flow {
    let mut flow = flow(TCP, "10.0.0.2:50000", &format!("8.8.4.{n}:445"), Side::Local, evidence);
    flow.settled = true;
    flow
}

/// What is told when time moved on, while these flows are open.
fn time_passes(book: &mut AlertBook, open: &[Flow], context: &Context<'_>) -> Vec<Value> {
    let mut documents = book.turn(context);
    let find = |ends: &Conversation| open.iter().find(|flow| flow.ends == *ends).cloned();
    documents.extend(book.recall(find, &mut Nothing, context).into_iter().flat_map(|(_, told)| told));
    documents.extend(book.advance(context));
    documents
}

/// Looks at flows first when they open and then when they settled, as the tracker gives them.
fn told(book: &mut AlertBook, flows: &[Flow], context: &Context<'_>) -> Vec<Value> {
    for flow in flows {
        let mut opened = flow.clone();
        (opened.settled, opened.evidence) = (false, Evidence::Attempt);
        assert!(book.look(&opened, &mut Nothing, context).is_empty());
    }
    let mut documents = book.advance(context);
    documents.extend(flows.iter().flat_map(|flow| book.look(flow, &mut Nothing, context)));
    documents
}

fn rules_of(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| field(document, "/rule/id").as_str().unwrap()).collect()
}

#[test]
fn what_is_below_smb_waits_for_its_time() {
    let mut book = book(vec![]);
    let context = Context::for_tests();
    let mut unsettled = outbound(Evidence::Established);
    unsettled.settled = false;
    assert!(book.look(&unsettled, &mut Nothing, &context).is_empty());
    assert_eq!(book.look(&outbound(Evidence::Established), &mut Nothing, &context).len(), 1);
}

#[test]
fn a_sweep_is_one_alert_and_its_flows_have_none() {
    let mut book = book(vec![]);
    let context = Context::for_tests();
    let flows: Vec<_> = (0..200).map(|n| tried(n, Evidence::Refused)).collect();
    let mut documents = told(&mut book, &flows, &context);
    documents.extend(flows.iter().flat_map(|flow| book.close(flow, &mut Nothing, &context)));
    assert_eq!(rules_of(&documents), ["smb-sweep"]);
    let last = book.finish(&context);
    assert_eq!(rules_of(&last), ["smb-sweep"]);
    assert_eq!(field(&last[0], "/smb_sensor/alert/status"), "closed");
    assert_eq!(field(&last[0], "/event/id"), field(&documents[0], "/event/id"));
    assert_eq!(field(&last[0], "/smb_sensor/sweep/refused"), 200);
    assert_eq!(field(&last[0], "/smb_sensor/sweep/folded_flows"), 200);
    assert_eq!(book.opened(), 1);
}

#[test]
fn a_folded_flow_gets_its_alert_when_it_speaks_smb() {
    let mut book = book(vec![]);
    let context = Context::for_tests();
    let flows: Vec<_> = (0..50).map(|n| tried(n, Evidence::Established)).collect();
    assert_eq!(rules_of(&told(&mut book, &flows, &context)), ["smb-sweep"]);
    let spoken = tried(7, Evidence::Data);
    let documents = book.look(&spoken, &mut Nothing, &context);
    assert_eq!(rules_of(&documents), ["smb-to-internet"]);
    assert_eq!(field(&documents[0], "/smb_sensor/alert/status"), "opened");
    assert_eq!(field(&documents[0], "/event/sequence"), 0);
    let last = book.finish(&context);
    assert_eq!(field(&last[0], "/smb_sensor/sweep/folded_flows"), 49, "it is told by itself");
}

#[test]
fn an_exempt_client_does_not_sweep() {
    let exemption = Exemption::between("10.0.0.2/32".parse().ok(), None, "scanner");
    let mut book = book(vec![exemption]);
    let flows: Vec<_> = (0..200).map(|n| tried(n, Evidence::Attempt)).collect();
    assert!(told(&mut book, &flows, &Context::for_tests()).is_empty());
    assert!(book.finish(&Context::for_tests()).is_empty());
}

#[test]
fn too_many_alerts_are_summed_up_whatever_they_did() {
    let mut book = book(vec![]);
    let context = Context::for_tests();
    let spoofed = |n: u8, evidence| {
        let mut flow = flow(TCP, &format!("10.0.{n}.2:50000"), "8.8.4.4:445", Side::Local, evidence);
        flow.settled = true;
        flow
    };
    let flows: Vec<_> = (0..=255).map(|n| spoofed(n, Evidence::Attempt)).collect();
    let documents = told(&mut book, &flows, &context);
    assert_eq!(documents.len(), 100);
    assert_eq!((book.opened(), book.suppressed()), (100, 156));
    let last = spoofed(255, Evidence::Data);
    assert!(book.look(&last, &mut Nothing, &context).is_empty(), "a hundred in a window, and no more");
    let ended = flows[..255].iter().chain([&last]);
    let closed = ended.flat_map(|flow| book.close(flow, &mut Nothing, &context)).count();
    assert_eq!(closed, 100, "what was not opened is not closed");
    let later = Context { now: context.now + 300_000_000_000, ..context };
    let summaries = time_passes(&mut book, &[], &later);
    assert_eq!(rules_of(&summaries[1..]), ["smb-to-internet"; 2], "late, opened and closed");
    let told = &summaries[0]["smb_sensor"]["suppression"];
    assert_eq!((&told["written"], &told["suppressed"]), (&json!(100), &json!(156)));
    assert_eq!(told["by_evidence"], json!({ "attempt": 155, "data": 1 }));
    assert!(book.finish(&later).is_empty());
}

#[test]
fn an_alert_that_a_summary_has_counted_says_so_when_it_is_written_after_all() {
    let limits = Limits { alerts_per_window: 1, ..Limits::default() };
    let mut book = AlertBook::new(ServicePorts::default(), vec![], limits);
    let context = Context::for_tests();
    assert_eq!(
        told(&mut book, &[tried(1, Evidence::Attempt), tried(2, Evidence::Attempt)], &context).len(),
        1
    );
    let later = Context { now: context.now + 300_000_000_000, ..context };
    assert_eq!(book.turn(&later).len(), 1, "the summary");
    let documents = [tried(2, Evidence::Smb), tried(2, Evidence::Data)].map(|flow| {
        let told = book.look(&flow, &mut Nothing, &later);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_valid(ALERT, &told[0]);
        told[0].clone()
    });
    for document in documents {
        assert_eq!(field(&document, "/smb_sensor/alert/counted_before"), true);
    }
    assert_eq!(book.suppressed(), 0);
}
