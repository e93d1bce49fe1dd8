//! Databases that are damaged in places, before the start and during the run.

use super::*;
use crate::storage::{DocumentQuery, files};

const DOCUMENTS: u64 = 2_000;

fn wide(number: u64) -> NewDocument {
    NewDocument { body: format!("{number:01500}"), kind: DocumentKind::Incident, ..document(number) }
}

/// A state directory with documents, two on a page.
fn filled(directory: &Path) {
    let store = Running::begin(directory, Bounds::default());
    store.submit(RowBatch {
        documents: (1..=DOCUMENTS).map(wide).collect(),
        flows: (1..=DOCUMENTS).map(|number| (wide(number).id, vec![1])).collect(),
        incidents: vec![IncidentRow {
            id: "aa01".into(),
            severity: Severity::Critical,
            last: 5,
            open: true,
            state: vec![1],
        }],
        terms: vec![("rule".into(), "8.8.4.4".into(), 5)],
        cursors: vec![("output".into(), 7)],
        ..RowBatch::default()
    });
    store.end();
}

/// Writes over the page in the middle of the database.
fn damage_the_middle(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 4_096 / 2 * 4_096;
    bytes[middle..middle + 4_096].fill(0xA5);
    fs::write(path, bytes).unwrap();
}

/// Waits until another database is in use; gives how many documents were lost.
fn replaced(store: &Running) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.handle.committed().generation() == 0 && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(store.handle.committed().generation(), 1, "the damage is not noticed");
    store.handle.committed().counts().lost
}

/// Holds the database to having all documents but those that are lost, in their places, and the new one behind them.
fn has_the_rest(directory: &Path, lost: u64) {
    assert!((1..=4).contains(&lost), "{lost}");
    let (mut found, mut last) = (0, 0);
    let each = |document: crate::storage::DocumentRow| {
        assert!(document.sequence > last);
        last = document.sequence;
        assert_eq!(document.body, wide(last).body);
        found += 1;
        true
    };
    let reader = Reader::open(directory).unwrap();
    reader.documents(&DocumentQuery::default(), each).unwrap();
    assert_eq!((found, last), (DOCUMENTS + 1 - lost, DOCUMENTS + 1));
    assert_eq!(reader.cursor("output").unwrap(), Some(7));
    let state = reader.state(0).unwrap();
    assert_eq!((state.incidents.len(), state.terms.len()), (1, 1));
    let flows = reader.latest_flows(2 * DOCUMENTS).unwrap();
    assert_eq!(flows.len() as u64, DOCUMENTS - lost, "short forms go with their documents");
}

#[test]
fn a_page_that_is_damaged_is_found_at_the_start_and_the_rest_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let path = crate::storage::file(directory.path());
    damage_the_middle(&path);
    let damaged = fs::read(&path).unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    let lost = replaced(&store);
    store.submit(RowBatch { documents: vec![wide(DOCUMENTS + 1)], ..RowBatch::default() });
    has_the_rest(directory.path(), lost);
    store.end();
    let aside = directory.path().join("smb-sensor.db.damaged-0");
    assert_eq!(fs::read(aside).unwrap(), damaged, "kept as it was found");
}

#[test]
fn damage_that_a_reader_meets_costs_what_cannot_be_read_alone() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let (mut writer, handle) = (opened.writer, opened.handle);
    damage_the_middle(&writer.path);
    handle.committed().report_damage(0);
    writer.look_for_damage().unwrap();
    writer.look_for_damage().unwrap();
    assert_eq!(handle.committed().generation(), 1, "reported once, replaced once");
    writer
        .write(&mut vec![RowBatch { documents: vec![wide(DOCUMENTS + 1)], ..RowBatch::default() }])
        .unwrap();
    has_the_rest(directory.path(), handle.committed().counts().lost);
}

#[test]
fn a_commit_that_meets_damage_is_made_in_the_new_database() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let (mut writer, handle) = (opened.writer, opened.handle);
    // An index whose pages are a table's.
    let other = Connection::open(&writer.path).unwrap();
    let spoil = "PRAGMA writable_schema = 1;
         UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence')
         WHERE name = 'documents_by_time';
         PRAGMA schema_version = 99";
    other.execute_batch(spoil).unwrap();
    drop(other);
    let mut pending = vec![RowBatch { documents: vec![wide(DOCUMENTS + 1)], ..RowBatch::default() }];
    writer.write(&mut pending).unwrap();
    assert!(pending.is_empty());
    assert_eq!(handle.committed().generation(), 1);
    assert_eq!(bodies(directory.path(), &DocumentQuery::default()).len() as u64, DOCUMENTS + 1);
}

#[test]
fn a_log_stays_with_its_damaged_database_and_is_never_applied_to_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let mut writer = opened.writer;
    writer
        .write(&mut vec![RowBatch { documents: vec![wide(DOCUMENTS + 1)], ..RowBatch::default() }])
        .unwrap();
    let path = writer.path.clone();
    drop((writer, opened.handle));
    let log = fs::read(files::wal(&path)).unwrap();
    assert!(!log.is_empty());
    fs::write(&path, "this is no database any more ".repeat(1_000)).unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(documents(1..=1));
    assert_eq!(bodies(directory.path(), &DocumentQuery::default()), [document(1).body]);
    store.end();
    let aside = directory.path().join("smb-sensor.db.damaged-0-wal");
    assert_eq!(fs::read(aside).unwrap(), log, "kept as it was found");
}

#[test]
fn one_damaged_database_after_another_ends_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let path = crate::storage::file(directory.path());
    for number in 0..=files::MAX_DAMAGED {
        fs::write(&path, "no database ".repeat(100)).unwrap();
        if number < files::MAX_DAMAGED {
            Running::begin(directory.path(), Bounds::default()).end();
            continue;
        }
        let error = Writer::open(directory.path(), Bounds::default(), 0).err().unwrap();
        assert!(error.to_string().contains("check the disk"), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "no database ".repeat(100), "it stays as it is");
}
