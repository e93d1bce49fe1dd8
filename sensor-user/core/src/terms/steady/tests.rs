//! The steady time over steps, restarts and reboots.

use super::*;

const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
const NOW: i64 = 1_700_000_000 * SECOND;

fn ts(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(nanos)
}

fn clocks(wall: i64, since_boot: i64, boot: u64) -> Clocks {
    Clocks { wall: ts(wall), since_boot, boot: Some(boot) }
}

/// Saved when the steady time was NOW, in boot 1, an hour old.
fn saved_at(wall: i64) -> Option<Reading> {
    Some(Reading { clocks: clocks(wall, HOUR, 1), steady: NOW })
}

#[test]
fn starts_with_the_wall_clock_and_follows_boot_time() {
    let mut time = SteadyTime::of(None, clocks(NOW, HOUR, 1));
    assert_eq!(time.at(ts(NOW)), NOW);
    assert_eq!(time.keep(clocks(NOW + DAY, HOUR + DAY, 1)), None);
    assert_eq!(time.at(ts(NOW + DAY)), NOW + DAY);
    for wall in [NOW + YEAR, NOW - YEAR] {
        let step = time.keep(clocks(wall, HOUR + DAY, 1)).unwrap();
        assert_eq!(step.to.unix_nanos(), wall);
        assert_eq!((time.at(ts(wall)), time.wall(NOW + DAY).unix_nanos()), (NOW + DAY, wall));
    }
}

#[test]
fn suspended_machine_has_no_step() {
    let mut time = SteadyTime::of(None, clocks(NOW, HOUR, 1));
    assert_eq!(time.keep(clocks(NOW + 3 * DAY, HOUR + 3 * DAY, 1)), None, "both clocks go on");
    assert_eq!(time.at(ts(NOW + 3 * DAY)), NOW + 3 * DAY);
}

#[test]
fn reports_small_differences_when_they_add_up() {
    let mut time = SteadyTime::of(None, clocks(NOW, 0, 1));
    assert_eq!(time.keep(clocks(NOW + 40 * SECOND, 0, 1)), None);
    let step = time.keep(clocks(NOW + 80 * SECOND, 0, 1)).unwrap();
    assert_eq!((step.from.unix_nanos(), step.to.unix_nanos()), (NOW, NOW + 80 * SECOND));
}

#[test]
fn knows_the_time_away_within_one_boot() {
    for wall in [NOW + 2 * HOUR, NOW + YEAR, NOW - YEAR] {
        let time = SteadyTime::of(saved_at(NOW), clocks(wall, 3 * HOUR, 1));
        assert_eq!(time.at(ts(wall)), NOW + 2 * HOUR);
    }
}

#[test]
fn trusts_a_wall_clock_that_goes_forward_over_a_reboot() {
    let time = SteadyTime::of(saved_at(NOW), clocks(NOW + DAY, SECOND, 2));
    assert_eq!(time.at(ts(NOW + DAY)), NOW + DAY);
    // An offset stays.
    let time = SteadyTime::of(saved_at(NOW + YEAR), clocks(NOW + YEAR + DAY, SECOND, 2));
    assert_eq!(time.at(ts(NOW + YEAR + DAY)), NOW + DAY);
    let nameless = Clocks { boot: None, ..clocks(NOW + DAY, 3 * HOUR, 0) };
    assert_eq!(
        SteadyTime::of(saved_at(NOW), nameless).at(ts(NOW + DAY)),
        NOW + DAY,
        "the kernel names no boot"
    );
}

#[test]
fn no_time_passes_over_a_reboot_with_an_unset_clock() {
    let time = SteadyTime::of(saved_at(HOUR), clocks(NOW + YEAR, SECOND, 2));
    assert_eq!(time.at(ts(NOW + YEAR)), NOW);
    let time = SteadyTime::of(saved_at(HOUR), clocks(2 * HOUR, SECOND, 2));
    assert_eq!(time.at(ts(2 * HOUR)), NOW + HOUR, "as far as that clock can be believed");
}

#[test]
fn unset_clock_stands_still_until_it_is_set() {
    let mut time = SteadyTime::of(saved_at(NOW), clocks(0, SECOND, 2));
    assert_eq!(time.at(ts(0)), NOW);
    let step = time.keep(clocks(5 * SECOND, 6 * SECOND, 2)).unwrap();
    assert_eq!((step.from.unix_nanos(), step.to.unix_nanos()), (NOW + 5 * SECOND, 5 * SECOND));
    assert_eq!(time.at(ts(5 * SECOND)), NOW + 5 * SECOND);
    let step = time.keep(clocks(NOW + 30 * DAY, HOUR, 2)).unwrap();
    assert_eq!(step, Step { from: ts(HOUR - SECOND), to: ts(NOW + 30 * DAY) });
    assert_eq!(time.at(ts(NOW + 30 * DAY)), NOW + 30 * DAY, "it was off for a month");
    // From then on a step is a step again.
    time.keep(clocks(NOW + 90 * DAY, HOUR, 2));
    assert_eq!(time.at(ts(NOW + 90 * DAY)), NOW + 30 * DAY);
}
