//! What is dropped by its age, as clocks go.

use super::*;

const NOW: i64 = 20_000 * DAY;

fn alert(sequence: u64, time: i64) -> Arc<Entry> {
    Arc::new(Entry { sequence, kind: Kind::Alert, time, text: "{}".to_owned() })
}

/// A store that keeps documents for thirty days, with `count` of an hour ago.
fn store(directory: &Path, count: u64) -> Store {
    let (store, _) = Store::open(directory, Bounds { bytes: 1 << 30, days: 30 }).unwrap();
    let entries: Vec<_> = (0..count).map(|sequence| alert(sequence, NOW - DAY / 24)).collect();
    assert_eq!(store.commit(&entries, count, NOW).unwrap(), Expired::default());
    store
}

#[test]
fn by_a_clock_that_jumps_ahead_nothing_is_old_until_documents_are_of_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), 5_000);
    let ahead = NOW + 1_000 * DAY;
    assert_eq!(store.commit(&[], 5_000, ahead).unwrap().documents, 0);
    // An alert while the clock is wrong costs some, not all.
    let expired = store.commit(&[alert(5_000, ahead)], 5_000, ahead).unwrap();
    assert_eq!(expired, Expired { documents: AGED as u64 + 2, ..Expired::default() });
    // Set right again, it costs nothing more.
    assert_eq!(store.commit(&[alert(5_001, NOW)], 5_001, NOW).unwrap().documents, 0);
}

#[test]
fn what_the_output_has_not_taken_is_never_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), 10);
    let later = NOW + 40 * DAY;
    let expired = store.commit(&[alert(10, later)], 4, later).unwrap();
    assert_eq!(expired, Expired { documents: 4, ..Expired::default() });
    assert_eq!(store.commit(&[], 11, later).unwrap().documents, 6);
}
