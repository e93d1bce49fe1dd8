//! What each condition lets through.

use serde_json::json;

use super::*;
use crate::journal::{Bounds, Journal, read};

fn document(id: &str, second: u32, rule: &str, source: &str, evidence: &str) -> Value {
    json!({
        "@timestamp": format!("2023-11-14T22:13:{second:02}.000Z"),
        "event": { "kind": "alert", "id": id },
        "rule": { "id": rule },
        "source": { "ip": source },
        "smb_sensor": { "evidence": { "level": evidence } },
        "n": second,
    })
}

/// The numbers of the documents that fit, and whether there are more.
fn found(query: &Query) -> (Vec<u64>, bool) {
    let directory = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(directory.path(), Bounds { days: 100_000, ..Bounds::default() }, false).unwrap();
    journal.push(&[
        document("a", 1, "smb-to-internet", "10.0.0.2", "attempt"),
        document("b", 2, "rare-smb-destination", "10.0.9.2", "share"),
        document("a", 3, "smb-to-internet", "10.0.0.2", "session"),
        document("c", 4, "smb-to-internet", "fd00::2", "established"),
    ]);
    drop(journal);
    let mut numbers = Vec::new();
    let found = run(&read(directory.path()).unwrap(), query, |text| {
        numbers.push(serde_json::from_str::<Value>(&text).unwrap()["n"].as_u64().unwrap());
        true
    })
    .unwrap();
    assert_eq!(found.told, numbers.len() as u64);
    (numbers, found.more)
}

#[test]
fn an_alert_is_its_last_document_unless_every_one_is_wanted() {
    assert_eq!(found(&Query::default()).0, [2, 3, 4]);
    assert_eq!(found(&Query { every: true, ..Query::default() }).0, [1, 2, 3, 4]);
    assert_eq!(found(&Query { flows: true, ..Query::default() }).0, [0; 0]);
}

#[test]
fn each_condition_lets_through_what_it_names() {
    let all = Query::default;
    let rule = Query { rules: vec!["smb-to-internet".into()], ..all() };
    assert_eq!(found(&rule).0, [3, 4]);
    let source = |net: &str| Query { source: Some(net.parse().unwrap()), ..all() };
    assert_eq!(found(&source("10.0.0.0/24")).0, [3]);
    assert_eq!(found(&source("fd00::/8")).0, [4]);
    let evidence = |level: &str| Query { evidence: Some(level.into()), ..all() };
    assert_eq!(found(&evidence("session")).0, [2, 3]);
    assert_eq!(found(&evidence("data")).0, [0; 0]);
    let since = Query { since: Some(1_700_000_000_000_000_000 - 17_000_000_000), ..all() };
    assert_eq!(found(&since).0, [3, 4]);
}

#[test]
fn alerts_that_were_only_counted_fit_up_to_the_highest_evidence_among_them() {
    let summary = json!({
        "rule": { "id": "smb-to-internet" },
        "smb_sensor": { "suppression": { "by_evidence": { "attempt": 9, "session": 1, "refused": 3 } } },
    });
    let fits = |level: &str| Query { evidence: Some(level.into()), ..Query::default() }.fits(&summary);
    assert!(fits("attempt") && fits("session") && !fits("share"));
}

#[test]
fn alerts_that_were_only_counted_fit_a_source_that_they_name() {
    let summary = json!({
        "smb_sensor": { "suppression": { "sources": [{ "ip": "10.0.0.2" }, { "ip": "fd00::2" }] } },
    });
    let fits = |net: &str| Query { source: Some(net.parse().unwrap()), ..Query::default() }.fits(&summary);
    assert!(fits("10.0.0.0/24") && fits("fd00::2/128") && !fits("10.0.1.0/24"));
}

#[test]
fn a_limit_keeps_the_newest_and_says_that_there_are_more() {
    let most = |most| Query { most: Some(most), every: true, ..Query::default() };
    assert_eq!(found(&most(2)), (vec![3, 4], true));
    assert_eq!(found(&most(4)), (vec![1, 2, 3, 4], false));
}
