//! Steps of the wall clock in both directions, restarts, and documents that are too old in spite of them.

use sensor_core::time::Timestamp;

use super::*;

const DAY: i64 = 86_400;
const START: i64 = 1_700_000_000;

/// The clocks `seconds` after the start, with the wall clock ahead by `ahead` seconds.
fn clocks(seconds: i64, ahead: i64) -> Clocks {
    Clocks {
        wall: Timestamp::from_unix_seconds(START + seconds + ahead),
        since_boot: (1_000 + seconds) * 1_000_000_000,
        boot: Some(1),
    }
}

/// Marks of one document an hour for so many days.
fn marked(ages: &mut Ages, days: std::ops::Range<i64>, ahead: i64) {
    for hour in days.start * 24..days.end * 24 {
        ages.keep(clocks(hour * 3_600, ahead), hour.cast_unsigned());
    }
}

fn place(ages: &Ages, days: i64, ahead: i64) -> Option<u64> {
    ages.too_old(clocks(days * DAY, ahead)).map(|old| old.sequence)
}

#[test]
fn what_is_older_than_the_bound_is_too_old_to_the_hour() {
    let mut ages = Ages::restore(None, 30, clocks(0, 0));
    marked(&mut ages, 0..40, 0);
    assert_eq!(place(&ages, 40, 0), Some(10 * 24));
    assert_eq!(Ages::restore(None, 30, clocks(0, 0)).too_old(clocks(0, 0)), None);
}

#[test]
fn a_wall_clock_that_is_set_a_year_ahead_or_back_ages_nothing() {
    for ahead in [365 * DAY, -365 * DAY] {
        let mut ages = Ages::restore(None, 30, clocks(0, 0));
        marked(&mut ages, 0..20, 0);
        marked(&mut ages, 20..25, ahead);
        assert_eq!(place(&ages, 25, ahead), None, "{ahead}");
        marked(&mut ages, 25..40, ahead);
        assert_eq!(place(&ages, 40, ahead), Some(10 * 24), "{ahead}");
        // And back to what it was.
        marked(&mut ages, 40..45, 0);
        assert_eq!(place(&ages, 45, 0), Some(15 * 24), "{ahead}");
    }
}

#[test]
fn ages_go_on_after_a_restart_and_over_a_step_before_it() {
    let mut ages = Ages::restore(None, 30, clocks(0, 0));
    marked(&mut ages, 0..20, 0);
    let year = 365 * DAY;
    let mut again = Ages::restore(Some(&ages.bytes()), 30, clocks(20 * DAY, year));
    assert_eq!(place(&again, 20, year), None, "it was set while no agent ran");
    marked(&mut again, 20..40, year);
    assert_eq!(place(&again, 40, year), Some(10 * 24));
}

#[test]
fn incidents_of_every_time_that_the_clock_has_shown_since_are_not_too_old() {
    let mut ages = Ages::restore(None, 30, clocks(0, 0));
    marked(&mut ages, 0..20, 0);
    marked(&mut ages, 20..21, 365 * DAY);
    marked(&mut ages, 21..40, 0);
    let seconds = |nanos: i64| nanos / 1_000_000_000 - START;
    let old = ages.too_old(clocks(40 * DAY, 0)).unwrap();
    assert_eq!((seconds(old.from), seconds(old.to)), (10 * DAY, (20 + 365) * DAY + 23 * 3_600));
    marked(&mut ages, 40..60, 0);
    let old = ages.too_old(clocks(60 * DAY, 0)).unwrap();
    assert_eq!(
        (seconds(old.from), seconds(old.to)),
        (30 * DAY, 60 * DAY),
        "one of the next year is too old now"
    );
}

#[test]
fn marks_are_bounded_however_long_documents_are_kept() {
    let mut ages = Ages::restore(None, 3_650, clocks(0, 0));
    marked(&mut ages, 0..4_000, 0);
    assert!(ages.marks.len() <= MAX_MARKS as usize + 2, "{}", ages.marks.len());
    assert!(place(&ages, 4_000, 0).is_some_and(|place| place >= 345 * 24));
}
