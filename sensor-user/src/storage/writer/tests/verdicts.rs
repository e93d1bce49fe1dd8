//! Verdicts: each goes with its incident.

use super::*;
use crate::storage::{VerdictRow, commit_alone};

fn incident(id: &str, open: bool) -> IncidentRow {
    IncidentRow { id: id.into(), severity: Severity::High, last: 5, open, state: vec![] }
}

fn verdict(incident: &str, state: u8) -> RowBatch {
    let row = VerdictRow { incident: incident.into(), state: vec![state] };
    RowBatch { verdicts: vec![row], ..RowBatch::default() }
}

/// The verdicts that are kept, as identifiers and states.
fn kept(directory: &Path) -> Vec<(String, u8)> {
    let rows = Reader::open(directory).unwrap().verdicts().unwrap();
    rows.into_iter().map(|row| (row.incident, row.state[0])).collect()
}

#[test]
fn later_verdict_replaces_the_earlier_one_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch { incidents: vec![incident("aa01", false)], ..RowBatch::default() });
    for batch in [verdict("aa01", 1), verdict("aa01", 2), verdict("bb01", 3)] {
        store.submit(batch);
    }
    // The incident goes on, which is no verdict.
    store.submit(RowBatch { incidents: vec![incident("aa01", true)], ..RowBatch::default() });
    store.end();
    assert_eq!(kept(directory.path()), [("aa01".into(), 2)], "there is no incident bb01");
    let store = Running::begin(directory.path(), Bounds::default());
    let found = Reader::open(directory.path()).unwrap().verdict("aa01").unwrap();
    assert_eq!(found.map(|row| row.state), Some(vec![2]));
    store.end();
}

#[test]
fn verdict_is_removed_with_its_incident() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Writer::open(directory.path(), Bounds { bytes: 600_000, days: 30 }, 0).unwrap();
    let mut writer = opened.writer;
    let first = RowBatch {
        incidents: vec![incident("incident-1", false), incident("incident-0", true)],
        documents: vec![document(1)],
        ..RowBatch::default()
    };
    writer.write(&mut vec![first, verdict("incident-1", 1), verdict("incident-0", 1)]).unwrap();
    assert_eq!(kept(directory.path()).len(), 2);
    // Others take the room.
    let documents = (100..160).map(|number| NewDocument { body: "x".repeat(20_000), ..document(number * 3) });
    writer.write(&mut vec![RowBatch { documents: documents.collect(), ..RowBatch::default() }]).unwrap();
    writer.tend(Gathered::Work).unwrap();
    assert_eq!(kept(directory.path()), [("incident-0".into(), 1)], "the open incident stays");
}

#[test]
fn verdict_is_copied_out_of_a_damaged_database() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch { incidents: vec![incident("aa01", false)], ..RowBatch::default() });
    store.submit(verdict("aa01", 7));
    store.end();
    crate::storage::salvage::replace(&crate::storage::file(directory.path()), 0).unwrap();
    assert_eq!(kept(directory.path()), [("aa01".into(), 7)]);
}

#[test]
fn database_of_an_earlier_version_has_no_verdicts() {
    let directory = tempfile::tempdir().unwrap();
    Running::begin(directory.path(), Bounds::default()).end();
    let path = crate::storage::file(directory.path());
    Connection::open(path).unwrap().execute_batch("DROP TABLE verdicts").unwrap();
    assert_eq!(kept(directory.path()), []);
}

#[test]
fn writing_alone_needs_the_agent_to_be_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch { incidents: vec![incident("aa01", false)], ..RowBatch::default() });
    let refused = commit_alone(directory.path(), &verdict("aa01", 1)).unwrap_err();
    assert!(matches!(refused, StorageError::InUse { .. }), "{refused}");
    store.end();
    commit_alone(directory.path(), &verdict("aa01", 1)).unwrap();
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the database and the lock: {names:?}");
    assert_eq!(kept(directory.path()), [("aa01".into(), 1)]);
}
