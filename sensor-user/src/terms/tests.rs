//! Known destinations over time, restarts and damage.

use super::*;

const NOW: i128 = 1_700_000_000 * SECOND;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_destination_is_new_once_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
    assert!(terms.is_new(address("8.8.4.4"), NOW));
    assert!(!terms.is_new(address("8.8.4.4"), NOW + SECOND));
    assert!(terms.is_new(address("2001:4860:4860::8844"), NOW));
    terms.commit(NOW).unwrap();
    drop(terms);
    let mut again = Terms::open(directory.path(), 7, NOW + DAY).unwrap();
    assert!(!again.is_new(address("8.8.4.4"), NOW + DAY));
    assert!(!again.is_new(address("2001:4860:4860::8844"), NOW + DAY));
}

#[test]
fn what_was_not_committed_is_new_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
    assert!(terms.is_new(address("8.8.4.4"), NOW));
    drop(terms);
    assert!(Terms::open(directory.path(), 7, NOW).unwrap().is_new(address("8.8.4.4"), NOW));
}

#[test]
fn a_destination_is_new_again_after_the_window() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
    assert!(terms.is_new(address("8.8.4.4"), NOW));
    assert!(!terms.is_new(address("8.8.4.4"), NOW + 7 * DAY));
    assert!(terms.is_new(address("8.8.4.4"), NOW + 14 * DAY + SECOND));
}

#[test]
fn a_clock_that_steps_back_makes_nothing_new() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
    assert!(terms.is_new(address("8.8.4.4"), NOW));
    terms.commit(NOW).unwrap();
    assert!(!terms.is_new(address("8.8.4.4"), NOW - 30 * DAY));
    drop(terms);
    assert!(
        !Terms::open(directory.path(), 7, NOW - 30 * DAY).unwrap().is_new(address("8.8.4.4"), NOW - 30 * DAY)
    );
}

#[test]
fn a_store_in_use_and_an_unusable_directory_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let _held = Terms::open(directory.path(), 7, NOW).unwrap();
    assert!(matches!(Terms::open(directory.path(), 7, NOW), Err(StoreError::InUse { .. })));
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(Terms::open(&file.join("below"), 7, NOW), Err(StoreError::Directory { .. })));
}

#[test]
fn a_store_with_garbled_pages_is_named_and_does_not_panic() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
    assert!(terms.is_new(address("8.8.4.4"), NOW));
    terms.commit(NOW).unwrap();
    drop(terms);
    let path = directory.path().join("smb-sensor.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let error = Terms::open(directory.path(), 7, NOW).err().unwrap();
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
    let error = Terms::open(directory.path(), 7, NOW).err().unwrap();
    assert!(error.to_string().contains("smb-sensor.redb"), "{error}");
}

#[test]
fn it_learns_for_a_while_after_its_store_was_made_and_not_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = |now| Terms::open(directory.path(), 7, now).unwrap().learning_for(24);
    let mut terms = open(NOW);
    assert_eq!(terms.learning_until(NOW + HOUR), Some(NOW + DAY));
    assert!(terms.is_new(address("8.8.4.4"), NOW + HOUR), "learnt all the same");
    terms.commit(NOW + HOUR).unwrap();
    drop(terms);
    let mut again = open(NOW + 23 * HOUR);
    assert_eq!(again.learning_until(NOW + 23 * HOUR), Some(NOW + DAY), "goes on where it was");
    assert!(!again.is_new(address("8.8.4.4"), NOW + 23 * HOUR));
    assert_eq!(again.learning_until(NOW + DAY), None);
    drop(again);
    assert_eq!(open(NOW + 30 * DAY).learning_until(NOW + 30 * DAY), None);
}

#[test]
fn a_clock_that_steps_back_makes_it_learn_as_long_as_it_was_to_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap().learning_for(24);
    let earlier = NOW - 300 * DAY;
    assert_eq!(terms.learning_until(earlier), Some(earlier + DAY));
    assert_eq!(terms.learning_until(earlier + DAY), None);
    terms.commit(earlier).unwrap();
    drop(terms);
    let mut again = Terms::open(directory.path(), 7, earlier + DAY).unwrap().learning_for(24);
    assert_eq!(again.learning_until(earlier + DAY), None, "that is saved");
    assert_eq!(again.learning_until(earlier - DAY), None, "and what is learnt stays so");
}

#[test]
fn nothing_is_learnt_without_a_store_or_for_no_time() {
    assert_eq!(Terms::in_memory(7).learning_for(24).learning_until(NOW), None);
    let directory = tempfile::tempdir().unwrap();
    let mut terms = Terms::open(directory.path(), 7, NOW).unwrap().learning_for(0);
    assert_eq!(terms.learning_until(NOW), None);
}

#[test]
fn a_store_that_a_replay_made_or_went_through_still_learns() {
    let directory = tempfile::tempdir().unwrap();
    let learns = || {
        let mut terms = Terms::open(directory.path(), 7, NOW + HOUR).unwrap().learning_for(24);
        terms.learning_until(NOW + HOUR)
    };
    for _ in 0..2 {
        let mut replayed = Terms::open_for_any_time(directory.path(), 7, NOW).unwrap();
        // The capture is of years before, and nothing in a replay is learnt.
        let then = NOW - 1_000 * DAY;
        assert_eq!(replayed.learning_until(then), None);
        replayed.is_new(address("8.8.4.4"), then);
        replayed.commit(then).unwrap();
        drop(replayed);
        assert_eq!(learns(), Some(NOW + DAY));
    }
}
