//! Retention, restarts, damage.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use super::*;
use crate::journal::{Query, query};

const PATIENCE: Duration = Duration::from_secs(30);

/// An alert in this second since 2023, so that ages can be told.
fn alert(second: u64) -> Value {
    let time = format!("2023-11-14T22:{:02}:{:02}.000Z", second / 60 % 60, second % 60);
    json!({ "@timestamp": time, "event": { "kind": "alert", "id": second.to_string() } })
}

fn recent(number: u64) -> Value {
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339);
    json!({ "@timestamp": now.unwrap(), "event": { "kind": "alert", "id": number.to_string() }, "fill": "x".repeat(1_000) })
}

const FOREVER: Bounds = Bounds { bytes: 1 << 30, days: 100_000 };

fn open(directory: &Path, bounds: Bounds) -> Journal {
    Journal::open(directory, bounds, false).unwrap()
}

/// Waits until all that was pushed is committed.
fn commit_all(journal: &Journal) {
    let end = Instant::now() + PATIENCE;
    while journal.shared.lock().bytes > 0 {
        assert!(Instant::now() < end, "not committed in time");
        thread::yield_now();
    }
}

fn ids(reader: &Reader) -> Vec<String> {
    let mut ids = Vec::new();
    let every = Query { every: true, ..Query::default() };
    query::run(reader, &every, |text| {
        let document: Value = serde_json::from_str(&text).unwrap();
        ids.push(document["event"]["id"].as_str().unwrap().to_owned());
        true
    })
    .unwrap();
    ids
}

#[test]
fn what_was_pushed_is_there_after_a_restart_and_a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), FOREVER);
    journal.push(&[alert(1), alert(2)]);
    let error = read(directory.path()).err().unwrap();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
    drop(journal);
    assert_eq!(ids(&read(directory.path()).unwrap()), ["1", "2"]);
    let journal = open(directory.path(), FOREVER);
    assert_eq!(journal.numbers().waiting, 2, "no output took them");
    journal.push(&[alert(3)]);
    drop(journal);
    assert_eq!(ids(&read(directory.path()).unwrap()), ["1", "2", "3"]);
}

#[test]
fn a_store_that_something_emptied_is_not_read_as_a_new_one_and_the_log_ahead_of_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ahead, _) = Ahead::open(directory.path()).unwrap();
    ahead.append(&[Entry { sequence: 6, ..Entry::of(&alert(7), 0) }]).unwrap();
    drop(ahead);
    fs::write(directory.path().join("journal.redb"), "").unwrap();
    let error = read(directory.path()).err().unwrap();
    assert!(matches!(&error, JournalError::Emptied { .. }), "{error}");
    drop(open(directory.path(), FOREVER));
    assert_eq!(ids(&read(directory.path()).unwrap()), ["7"]);
}

#[test]
fn what_was_only_written_ahead_is_taken_in_once() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), FOREVER);
    journal.push(&[alert(1)]);
    drop(journal);
    let (mut ahead, _) = Ahead::open(directory.path()).unwrap();
    let entry = |sequence| Entry { sequence, ..Entry::of(&alert(sequence + 1), 0) };
    // The first was committed, and the log not emptied yet.
    ahead.append(&[entry(0), entry(1), entry(2)]).unwrap();
    drop(ahead);
    for _ in 0..2 {
        assert_eq!(ids(&read(directory.path()).unwrap()), ["1", "2", "3"]);
    }
}

#[test]
fn reading_writes_nothing_and_several_may_read_what_a_crash_left() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), FOREVER);
    journal.push(&[alert(1)]);
    drop(journal);
    let (mut ahead, _) = Ahead::open(directory.path()).unwrap();
    ahead.append(&[Entry { sequence: 1, ..Entry::of(&alert(2), 0) }]).unwrap();
    // As a killed process leaves it: never closed.
    let path = directory.path().join("journal.redb");
    let running = redb::Database::open(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    drop(running);
    fs::write(&path, bytes).unwrap();
    let files = || {
        let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| (fs::read(&file).unwrap(), file)).collect::<std::collections::BTreeSet<_>>()
    };
    let before = files();
    let readers = [read(directory.path()).unwrap(), read(directory.path()).unwrap()];
    for reader in &readers {
        assert_eq!(ids(reader), ["1", "2"]);
    }
    let error = Journal::open(directory.path(), FOREVER, false).err().unwrap();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
    drop(readers);
    assert!(files() == before);
    assert_eq!(ids(&open(directory.path(), FOREVER).reader()), ["1", "2"]);
}

#[test]
fn the_oldest_goes_first_by_size_and_what_the_output_had_not_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), Bounds { bytes: 20_000, ..FOREVER });
    journal.push(&(0..30).map(recent).collect::<Vec<_>>());
    commit_all(&journal);
    let kept = ids(&journal.reader());
    assert!(kept.len() < 10 && kept.last().unwrap() == "29", "{kept:?}");
    let expected: Vec<_> = (30 - kept.len() as u64..30).map(|id| id.to_string()).collect();
    assert_eq!(kept, expected);
    let numbers = journal.numbers();
    let dropped = 30 - kept.len() as u64;
    assert_eq!((numbers.expired, numbers.expired_waiting, numbers.waiting), (dropped, dropped, 30 - dropped));
}

#[test]
fn flows_drive_out_no_alerts() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), Bounds { bytes: 20_000, ..FOREVER });
    journal.push(&[alert(1)]);
    let flow = json!({ "type": "flow", "fill": "x".repeat(1_000) });
    journal.push(&vec![flow; 50]);
    commit_all(&journal);
    assert_eq!(ids(&journal.reader()), ["1"]);
    let flows = Query { flows: true, every: true, ..Query::default() };
    let mut count = 0;
    query::run(&journal.reader(), &flows, |_| {
        count += 1;
        true
    })
    .unwrap();
    assert!((5..10).contains(&count), "{count}");
    assert_eq!(journal.numbers().expired_waiting, 0, "the output does not take flows");
}

#[test]
fn what_is_too_old_goes_with_the_next_commit() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), Bounds { days: 30, ..FOREVER });
    journal.push(&[alert(1), alert(2), recent(3)]);
    commit_all(&journal);
    assert_eq!(ids(&journal.reader()), ["1", "2", "3"], "the output has none of them");
    let feed = journal.feed();
    for entry in feed.next().unwrap().unwrap() {
        feed.taken(&entry);
    }
    journal.push(&[recent(4)]);
    commit_all(&journal);
    assert_eq!(ids(&journal.reader()), ["3", "4"]);
    let numbers = journal.numbers();
    assert_eq!((numbers.expired, numbers.expired_waiting), (2, 0));
}

#[test]
fn nothing_in_the_directory_is_for_others_to_read() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), FOREVER);
    journal.push(&[alert(1)]);
    drop(journal);
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_damaged_journal_is_named_with_the_remedy_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), FOREVER);
    journal.push(&[alert(1)]);
    drop(journal);
    let path = directory.path().join("journal.redb");
    let whole = fs::read(&path).unwrap();
    let garbled = |from: usize| {
        let mut bytes = whole.clone();
        bytes[from..].fill(0xA5);
        bytes
    };
    for bytes in [garbled(0), garbled(4_096), b"not a database".to_vec()] {
        fs::write(&path, &bytes).unwrap();
        for result in [read(directory.path()).err(), Journal::open(directory.path(), FOREVER, false).err()] {
            let error = result.unwrap().to_string();
            let remedy = format!("mv {} {}.damaged", path.display(), path.display());
            assert!(error.contains("damaged") && error.contains(&remedy), "{error}");
        }
        assert!(fs::read(&path).unwrap().len() >= bytes.len(), "it is still there");
    }
}

#[test]
fn a_journal_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), FOREVER));
    let database = redb::Database::open(directory.path().join("journal.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    transaction.open_table(meta).unwrap().insert("layout", 7).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Journal::open(directory.path(), FOREVER, false).err().unwrap().to_string();
    assert!(error.contains("layout 7") && error.contains("reads 1") && error.contains("mv "), "{error}");
}

#[test]
fn a_journal_that_is_not_there_is_not_made_by_reading() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(read(directory.path()), Err(JournalError::Missing { .. })));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_goes_over_the_bound_of_memory_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let open = Opened::in_directory(directory.path(), FOREVER).unwrap();
    // Without its threads nothing leaves the memory.
    let shared = Shared {
        state: Mutex::default(),
        changed: Condvar::new(),
        ahead: Mutex::new(open.ahead),
        store: open.reader.0,
    };
    let journal = Journal { shared: Arc::new(shared), threads: vec![], inherited: vec![] };
    let big = json!({ "event": { "kind": "alert" }, "fill": "x".repeat(KEPT as usize * 2 / 5) });
    journal.push(&[big.clone(), big.clone(), big.clone()]);
    journal.push(&[alert(1)]);
    let numbers = journal.numbers();
    assert_eq!((numbers.dropped, numbers.unsaved, numbers.waiting), (1, 3, 3));
}

#[test]
fn what_the_start_could_not_tell_of_a_killed_process_is_kept_for_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path(), FOREVER);
    journal.inherited = vec![alert(1)];
    journal.keep(&[alert(2)]);
    drop(journal);
    drop(open(directory.path(), FOREVER));
    assert_eq!(ids(&read(directory.path()).unwrap()), ["1", "2"]);
}
