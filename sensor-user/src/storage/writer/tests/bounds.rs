//! Bounds on size and age: during a flood, with a wall clock that is wrong, and for slow readers.

use sensor_core::{terms::Clocks, time::Timestamp};

use super::*;
use crate::storage::{age::Ages, files, retention};

const BOUND: u64 = 4 << 20;

fn large(number: u64) -> NewDocument {
    NewDocument { body: "x".repeat(8_000), ..document(number) }
}

#[test]
fn a_flood_goes_beyond_the_bound_by_no_more_than_what_is_committed_together() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Writer::open(directory.path(), Bounds { bytes: BOUND, days: 30 }, 0).unwrap();
    let mut writer = opened.writer;
    for round in 0..40 {
        let documents = (round * 100..(round + 1) * 100).map(large).collect();
        writer.write(&mut vec![RowBatch { documents, ..RowBatch::default() }]).unwrap();
        // Something always waits.
        writer.tend(Gathered::Work).unwrap();
        let used = retention::used(&writer.connection).unwrap();
        assert!(used <= BOUND, "round {round}: {used} bytes");
    }
    let expired = opened.handle.committed().counts().expired;
    assert!(expired > 3_000, "{expired}");
    let last = bodies(directory.path(), &DocumentQuery::default()).len() as u64;
    assert_eq!(last + expired, 4_000, "and no more than has to go");
    assert!(last > 350, "{last}");
}

#[test]
fn the_log_stays_short_during_a_flood() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let mut writer = opened.writer;
    let mut longest = 0;
    for round in 0..60 {
        let documents = (round * 100..(round + 1) * 100).map(large).collect();
        writer.write(&mut vec![RowBatch { documents, ..RowBatch::default() }]).unwrap();
        writer.tend(Gathered::Work).unwrap();
        longest = longest.max(files::wal_bytes(&writer.path));
    }
    assert!(longest < 20 << 20, "{longest}");
    writer.tend(Gathered::Quiet).unwrap();
    writer.write(&mut vec![documents(9_000..=9_000)]).unwrap();
    let left = files::wal_bytes(&writer.path);
    assert!(left < 1 << 20, "{left} bytes after a checkpoint");
}

#[test]
fn a_reader_that_takes_its_time_does_not_keep_the_log_from_being_emptied() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch { documents: (1..=1_000).map(large).collect(), ..RowBatch::default() });
    let other = Connection::open(crate::storage::file(directory.path())).unwrap();
    let mut read = 0;
    let each = |_| {
        read += 1;
        if read == 1 {
            store.submit(documents(2_000..=2_001));
            let left: (i64, i64) = other
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
                .unwrap();
            assert_eq!(left.0, left.1, "not all of the log can be copied");
        }
        true
    };
    Reader::open(directory.path()).unwrap().documents(&DocumentQuery::default(), each).unwrap();
    assert_eq!(read, 1_002);
    store.end();
}

const DAY: i64 = 86_400;

/// The clocks so many days after the start, with the wall clock ahead by so many.
fn clocks(days: i64, ahead: i64) -> Clocks {
    Clocks {
        wall: Timestamp::from_unix_seconds(1_700_000_000 + (days + ahead) * DAY),
        since_boot: (1 + days) * DAY * 1_000_000_000,
        boot: Some(1),
    }
}

/// Has the writer look at what is too old then.
fn look(writer: &mut Writer, days: i64, ahead: i64) {
    writer.upkeep.clocks = Box::new(move || clocks(days, ahead));
    writer.upkeep.look_now();
    for _ in 0..10 {
        writer.tend(Gathered::Quiet).unwrap();
    }
}

#[test]
fn documents_and_closed_incidents_go_by_their_age_and_not_by_the_wall_clock() {
    for ahead in [365, -365] {
        let directory = tempfile::tempdir().unwrap();
        let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
        let mut writer = opened.writer;
        writer.upkeep.ages = Ages::restore(None, 30, clocks(0, 0));
        let incident = |id: &str, last: Timestamp, open| IncidentRow {
            id: id.into(),
            severity: Severity::Critical,
            last: last.unix_nanos(),
            open,
            state: vec![],
        };
        // One document before the clock is set and one after it; two incidents of which there is no document.
        let first = RowBatch {
            documents: vec![document(1)],
            incidents: vec![
                incident("aa", clocks(1, 0).wall, false),
                incident("bb", clocks(1, 0).wall, true),
            ],
            ..RowBatch::default()
        };
        look(&mut writer, 0, 0);
        writer.write(&mut vec![first]).unwrap();
        look(&mut writer, 1, 0);
        let second = RowBatch {
            documents: vec![document(2)],
            incidents: vec![incident("cc", clocks(2, ahead).wall, false)],
            ..RowBatch::default()
        };
        writer.write(&mut vec![second]).unwrap();
        let mut left = |days| {
            look(&mut writer, days, ahead);
            let reader = Reader::open(directory.path()).unwrap();
            let incidents = reader.incidents(&IncidentQuery::default()).unwrap();
            let mut ids: Vec<_> = incidents.into_iter().map(|one| one.id).collect();
            ids.sort();
            (bodies(directory.path(), &DocumentQuery::default()).len(), ids.join(" "))
        };
        for day in 2..=30 {
            assert_eq!(left(day), (2, "aa bb cc".into()), "day {day}, {ahead} days ahead");
        }
        assert_eq!(left(31), (1, "aa bb cc".into()), "{ahead} days ahead");
        assert_eq!(left(33).0, 0, "{ahead} days ahead");
        assert_eq!(left(62).1, "bb", "{ahead} days ahead: one that is open is never too old");
    }
}
