//! What a start makes of alerts that were left open.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::journal::{Bounds, Journal, Query, query, read};

const KEPT: Bounds = Bounds { bytes: 1 << 30, days: 100_000 };

fn document(id: &str, sequence: u64, status: &str) -> Value {
    json!({
        "@timestamp": "2023-11-14T22:13:20.000Z",
        "event": { "kind": "alert", "id": id, "sequence": sequence, "type": ["info"] },
        "smb_sensor": { "alert": { "status": status, "severity": "high" } },
        "source": { "bytes": sequence * 100 },
    })
}

fn open(directory: &Path) -> Journal {
    Journal::open(directory, KEPT, false).unwrap()
}

/// The documents of each alert, in order.
fn kept(directory: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut kept: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let every = Query { every: true, ..Query::default() };
    query::run(&read(directory).unwrap(), &every, |text| {
        let document: Value = serde_json::from_str(&text).unwrap();
        kept.entry(document["event"]["id"].as_str().unwrap().to_owned()).or_default().push(document);
        true
    })
    .unwrap();
    kept
}

#[test]
fn an_alert_that_was_left_open_is_closed_once_with_its_last_totals_and_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).push(&[
        document("open", 0, "opened"),
        document("closed", 0, "opened"),
        document("open", 1, "updated"),
        document("closed", 1, "closed"),
        json!({ "event": { "kind": "alert", "id": "summary" }, "smb_sensor": { "suppression": {} } }),
    ]);
    assert_eq!(kept(directory.path())["open"].len(), 2, "whoever reads closes nothing");
    for _ in 0..3 {
        let journal = open(directory.path());
        assert_eq!(journal.numbers().waiting, 6, "the output gets it too");
        drop(journal);
        let kept = kept(directory.path());
        assert_eq!((kept["open"].len(), kept["closed"].len(), kept["summary"].len()), (3, 2, 1));
        let last = &kept["open"][2];
        assert_eq!((&last["event"]["sequence"], &last["event"]["type"]), (&json!(2), &json!(["end"])));
        let alert = json!({
            "status": "closed", "severity": "high", "reason": "the sensor ended before the conversation did",
        });
        assert_eq!(last["smb_sensor"]["alert"], alert);
        assert_eq!(last["source"]["bytes"], 100);
        assert!(last["@timestamp"].as_str() > Some("2024"), "{last}");
    }
}

#[test]
fn a_start_looks_at_what_was_written_since_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).push(&[document("a", 0, "opened")]);
    open(directory.path()).push(&[document("b", 0, "opened")]);
    let journal = open(directory.path());
    let moment = journal.reader().now().unwrap();
    assert_eq!(found(&moment, 0).unwrap().places, [0; 0], "all are closed");
    assert_eq!(moment.from(Kind::Alert, 0, 10).unwrap().len(), 4);
    let (_, stand) = {
        drop((journal, moment));
        super::super::store::Store::open(directory.path(), KEPT).unwrap()
    };
    assert_eq!(stand.closed_before, 4);
}

#[test]
fn a_start_that_was_killed_while_it_closed_is_taken_up_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let count = GROUP * 2 + 10;
    let name = |number: usize| format!("{number:05}");
    open(directory.path())
        .push(&(0..count).map(|number| document(&name(number), 0, "opened")).collect::<Vec<_>>());
    // The first group was committed, and nothing kept of how far it got.
    let (store, stand) = super::super::store::Store::open(directory.path(), KEPT).unwrap();
    let reader = Reader(Arc::new(store));
    let mut next = stand.next;
    let places = found(&reader.now().unwrap(), 0).unwrap().places;
    let entries = closing(&reader.now().unwrap(), &places[..GROUP], &mut next, 1).unwrap();
    reader.0.commit(&entries, 0, 1).unwrap();
    drop(reader);
    drop(open(directory.path()));
    let kept = kept(directory.path());
    assert_eq!(kept.len(), count);
    assert!(kept.values().all(|documents| documents.len() == 2));
}

fn summary(id: &str, suppressed: u64) -> Value {
    json!({
        "@timestamp": "2023-11-14T22:13:20.000Z",
        "event": { "kind": "alert", "id": id, "sequence": 0 },
        "smb_sensor": { "suppression": { "suppressed": suppressed } },
    })
}

#[test]
fn what_was_kept_for_a_killed_process_is_told_once_with_the_reason_unless_it_was_told_after_all() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    journal.keep(&[summary("a", 1), summary("b", 1)]);
    journal.push(&[summary("b", 5)]);
    journal.keep(&[summary("a", 7), summary("b", 4)]);
    drop(journal);
    assert!(!kept(directory.path()).contains_key("a"), "whoever reads tells nothing");
    for _ in 0..3 {
        drop(open(directory.path()));
        let kept = kept(directory.path());
        let [a] = &kept["a"][..] else { panic!("{kept:#?}") };
        let told = &a["smb_sensor"]["suppression"];
        assert_eq!(told["suppressed"], 7, "the last that was kept");
        assert!(told["reason"].as_str().unwrap().starts_with("the sensor ended"), "{told}");
        assert!(a["@timestamp"].as_str() > Some("2024"), "{a}");
        assert_eq!(kept["b"], [summary("b", 5)]);
    }
}

#[test]
fn what_was_kept_is_gone_when_nothing_is_to_come() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    journal.keep(&[summary("a", 1)]);
    journal.keep(&[]);
    drop(journal);
    drop(open(directory.path()));
    assert!(kept(directory.path()).is_empty());
}
