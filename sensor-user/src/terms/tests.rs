//! Known destinations over time, restarts and damage.

use super::*;

mod clocks;
mod windows;

const NOW: i128 = 1_700_000_000 * SECOND;

/// A destination of the sensor's own rule.
fn destination(text: &str) -> Term {
    Term { rule: rare_destination::RULE.id, address: text.parse().unwrap() }
}

/// Only the wall clock is known.
fn wall(wall: i128) -> Clocks {
    Clocks { wall, since_boot: 0, boot: None }
}

fn open(directory: &Path, now: i128) -> Terms {
    Terms::open(directory, &Windows::default(), wall(now)).unwrap()
}

fn refused(directory: &Path) -> StoreError {
    Terms::open(directory, &Windows::default(), wall(NOW)).err().unwrap()
}

#[test]
fn a_destination_is_new_once_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = open(directory.path(), NOW);
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    assert!(!terms.is_new(destination("8.8.4.4"), NOW + SECOND));
    assert!(terms.is_new(destination("2001:4860:4860::8844"), NOW));
    terms.commit(NOW).unwrap();
    drop(terms);
    let mut again = open(directory.path(), NOW + DAY);
    assert!(!again.is_new(destination("8.8.4.4"), NOW + DAY));
    assert!(!again.is_new(destination("2001:4860:4860::8844"), NOW + DAY));
}

#[test]
fn what_was_not_committed_is_new_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = open(directory.path(), NOW);
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    drop(terms);
    assert!(open(directory.path(), NOW).is_new(destination("8.8.4.4"), NOW));
}

#[test]
fn a_destination_is_new_again_after_the_window() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = open(directory.path(), NOW);
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    assert!(!terms.is_new(destination("8.8.4.4"), NOW + 7 * DAY));
    assert!(terms.is_new(destination("8.8.4.4"), NOW + 14 * DAY + SECOND));
}

#[test]
fn a_clock_that_steps_back_makes_nothing_new() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = open(directory.path(), NOW);
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    terms.commit(NOW).unwrap();
    assert!(!terms.is_new(destination("8.8.4.4"), NOW - 30 * DAY));
    drop(terms);
    assert!(!open(directory.path(), NOW - 30 * DAY).is_new(destination("8.8.4.4"), NOW - 30 * DAY));
}

#[test]
fn a_store_in_use_and_an_unusable_directory_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let _held = open(directory.path(), NOW);
    assert!(matches!(refused(directory.path()), StoreError::InUse { .. }));
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(refused(&file.join("below")), StoreError::Directory { .. }));
}

#[test]
fn a_store_with_garbled_pages_is_named_and_does_not_panic() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = open(directory.path(), NOW);
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    terms.commit(NOW).unwrap();
    drop(terms);
    let path = directory.path().join("smb-sensor.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let error = refused(directory.path());
    assert!(error.to_string().contains("smb-sensor.redb"), "{error}");
}

#[test]
fn a_damaged_store_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("smb-sensor.redb"),
        "not a database, and long enough to be read as one",
    )
    .unwrap();
    let error = refused(directory.path());
    assert!(error.to_string().contains("smb-sensor.redb"), "{error}");
}

#[test]
fn it_learns_for_a_while_after_its_store_was_made_and_not_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = |now| open(directory.path(), now).learning_for(24);
    let mut terms = open(NOW);
    assert_eq!(terms.learning_until(NOW + HOUR), Some(NOW + DAY));
    assert!(terms.is_new(destination("8.8.4.4"), NOW + HOUR), "learnt all the same");
    terms.commit(NOW + HOUR).unwrap();
    drop(terms);
    let mut again = open(NOW + 23 * HOUR);
    assert_eq!(again.learning_until(NOW + 23 * HOUR), Some(NOW + DAY), "goes on where it was");
    assert!(!again.is_new(destination("8.8.4.4"), NOW + 23 * HOUR));
    assert_eq!(again.learning_until(NOW + DAY), None);
    drop(again);
    assert_eq!(open(NOW + 30 * DAY).learning_until(NOW + 30 * DAY), None);
}

#[test]
fn a_store_that_was_made_by_a_clock_that_was_ahead_learns_as_long_as_it_is_to_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    // A replay made it, and keeps no time.
    drop(Terms::open_for_any_time(directory.path(), &Windows::default(), NOW + 300 * DAY).unwrap());
    let mut terms = open(directory.path(), NOW).learning_for(24);
    assert_eq!(terms.learning_until(NOW), Some(NOW + DAY));
    terms.commit(NOW).unwrap();
    drop(terms);
    let mut again = open(directory.path(), NOW + HOUR).learning_for(24);
    assert_eq!(again.learning_until(NOW + HOUR), Some(NOW + DAY), "that is saved");
    assert_eq!(again.learning_until(NOW + DAY), None);
    again.commit(NOW + DAY).unwrap();
    drop(again);
    for (now, hours) in [(NOW + DAY, 24), (NOW - DAY, 24), (NOW + DAY, 8_760)] {
        let mut learnt = open(directory.path(), now).learning_for(hours);
        assert_eq!(learnt.learning_until(now), None, "what is learnt stays so");
    }
}

#[test]
fn nothing_is_learnt_without_a_store_or_for_no_time() {
    assert_eq!(Terms::in_memory(&Windows::default()).learning_for(24).learning_until(NOW), None);
    let directory = tempfile::tempdir().unwrap();
    let mut terms = open(directory.path(), NOW).learning_for(0);
    assert_eq!(terms.learning_until(NOW), None);
}

#[test]
fn a_store_that_a_replay_made_or_went_through_still_learns() {
    let directory = tempfile::tempdir().unwrap();
    let learns = || {
        let mut terms = open(directory.path(), NOW + HOUR).learning_for(24);
        terms.learning_until(NOW + HOUR)
    };
    for _ in 0..2 {
        let mut replayed = Terms::open_for_any_time(directory.path(), &Windows::default(), NOW).unwrap();
        // The capture is of years before, and nothing in a replay is learnt.
        let then = NOW - 1_000 * DAY;
        assert_eq!(replayed.learning_until(then), None);
        replayed.is_new(destination("8.8.4.4"), then);
        replayed.commit(then).unwrap();
        drop(replayed);
        assert_eq!(learns(), Some(NOW + DAY));
    }
}

#[test]
fn a_store_of_the_layout_before_is_taken_over_and_one_of_a_later_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("smb-sensor.redb");
    let write = |version: u64| {
        let database = store::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let (seconds, meta) =
            (redb::TableDefinition::<&str, i64>::new, redb::TableDefinition::<&str, u64>::new);
        transaction.open_table(meta("meta")).unwrap().insert("schema", version).unwrap();
        let last = (NOW / SECOND) as i64;
        transaction.open_table(seconds("smb_destinations")).unwrap().insert("8.8.4.4", last).unwrap();
        let mut terms = transaction.open_table(seconds("rule_terms")).unwrap();
        terms.insert("elastic-current-smb-to-internet 10.0.0.1", last).unwrap();
        terms.insert("a-rule-that-went 10.0.0.1", last).unwrap();
        drop(terms);
        transaction.commit().unwrap();
    };
    write(1);
    for _ in 0..2 {
        let mut terms = open(directory.path(), NOW + DAY).learning_for(24);
        assert_eq!(terms.destinations(), 1);
        assert!(!terms.is_new(destination("8.8.4.4"), NOW + DAY));
        let source = Term { rule: "elastic-current-smb-to-internet", address: "10.0.0.1".parse().unwrap() };
        assert!(!terms.is_new(source, NOW + DAY));
        assert_eq!(terms.learning_until(NOW + DAY), None, "it has learnt, whenever it was made");
    }
    write(3);
    for _ in 0..2 {
        assert!(matches!(refused(directory.path()), StoreError::Schema { found: 3, .. }));
    }
}

#[test]
fn what_a_store_that_failed_did_not_take_is_saved_once_it_can_be() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (directory.path().join("smb-sensor.redb"), directory.path().join("aside"));
    let mut terms = open(directory.path(), NOW);
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    // A store that failed is closed; now it cannot be opened either.
    terms.database = None;
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        let error = terms.commit(NOW).unwrap_err().to_string();
        assert!(error.contains("smb-sensor.redb") && error.contains("Make room"), "{error}");
        assert!(!terms.is_new(destination("8.8.4.4"), NOW), "known all the same");
    }
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    terms.commit(NOW).unwrap();
    drop(terms);
    assert!(!open(directory.path(), NOW).is_new(destination("8.8.4.4"), NOW));
}
