//! Clocks that are set while the agent runs, and between its runs.

use super::*;

/// What a machine without a clock of its own says when it is started: some time in 1970.
const UNSET: i128 = 1_000 * SECOND;

const YEAR: i128 = 365 * DAY;

/// A machine: its clocks go on together, and one of them can be set.
#[derive(Clone, Copy)]
struct Machine(Clocks);

impl Machine {
    fn started(wall: i128, boot: u64) -> Self {
        Self(Clocks { wall, since_boot: 20 * SECOND, boot: Some(boot) })
    }

    fn goes_on(&mut self, nanos: i128) {
        self.0.wall += nanos;
        self.0.since_boot += nanos;
    }

    /// The wall clock, once the agent has looked.
    fn looks(&self, terms: &mut Terms) -> i128 {
        let _ = terms.keep_time(self.0);
        self.0.wall
    }

    fn opens(&self, directory: &Path) -> Terms {
        Terms::open(directory, &Windows::default(), self.0).unwrap().learning_for(24)
    }
}

#[test]
fn a_first_boot_without_a_clock_learns_for_its_day_though_the_clock_is_set_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::started(UNSET, 1);
    let mut terms = machine.opens(directory.path());
    assert_eq!(terms.learning_until(UNSET), Some(UNSET + DAY));
    assert!(terms.is_new(destination("8.8.4.4"), UNSET));
    machine.goes_on(HOUR);
    machine.0.wall = NOW;
    let step = terms.keep_time(machine.0).unwrap();
    assert_eq!(step, Step { from: UNSET + HOUR, to: NOW });
    assert_eq!(terms.keep_time(machine.0), None, "told once");
    assert_eq!(terms.learning_until(NOW), Some(NOW + 23 * HOUR));
    assert!(!terms.is_new(destination("8.8.4.4"), NOW), "no older for it");
    terms.commit(NOW).unwrap();
    drop(terms);
    // It is so after a restart in the same boot, and in another.
    for boot in [1, 2] {
        let mut terms = machine.opens(directory.path());
        let now = machine.looks(&mut terms);
        assert_eq!(terms.learning_until(now), Some(NOW + 23 * HOUR), "boot {boot}");
        assert!(!terms.is_new(destination("8.8.4.4"), now), "boot {boot}");
        terms.commit(now).unwrap();
        machine.goes_on(2 * HOUR);
        machine = Machine::started(machine.0.wall, boot + 1);
    }
    machine.goes_on(19 * HOUR);
    let mut terms = machine.opens(directory.path());
    let now = machine.looks(&mut terms);
    assert_eq!(terms.learning_until(now), None, "a day of real time is over");
}

#[test]
fn a_step_that_nobody_saw_is_known_in_the_same_boot() {
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::started(UNSET, 1);
    let mut terms = machine.opens(directory.path());
    assert!(terms.is_new(destination("8.8.4.4"), UNSET));
    terms.commit(UNSET).unwrap();
    drop(terms);
    machine.goes_on(HOUR);
    machine.0.wall = NOW;
    let mut terms = machine.opens(directory.path());
    assert_eq!(terms.learning_until(NOW), Some(NOW + 23 * HOUR));
    assert!(!terms.is_new(destination("8.8.4.4"), NOW));
    assert_eq!(terms.keep_time(machine.0), Some(Step { from: UNSET + HOUR, to: NOW }), "and told");
}

#[test]
fn a_step_is_saved_though_nothing_else_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::started(UNSET, 1);
    let mut terms = machine.opens(directory.path());
    assert!(terms.is_new(destination("8.8.4.4"), UNSET));
    terms.commit(UNSET).unwrap();
    machine.0.wall = NOW;
    let now = machine.looks(&mut terms);
    terms.commit(now).unwrap();
    drop(terms);
    let machine = Machine::started(NOW + HOUR, 2);
    let mut terms = machine.opens(directory.path());
    assert_eq!(terms.learning_until(NOW + HOUR), Some(NOW + DAY));
    assert!(!terms.is_new(destination("8.8.4.4"), NOW + HOUR));
}

#[test]
fn a_clock_that_is_set_back_and_forth_changes_neither_terms_nor_learning() {
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::started(NOW, 1);
    let mut terms = machine.opens(directory.path());
    assert!(terms.is_new(destination("8.8.4.4"), NOW));
    for wall in [NOW - 30 * DAY, NOW + 30 * DAY, UNSET, NOW + HOUR] {
        machine.0.wall = wall;
        let now = machine.looks(&mut terms);
        assert_eq!(terms.learning_until(now), Some(wall + DAY));
        assert!(!terms.is_new(destination("8.8.4.4"), now));
    }
    // What has its time still has it: both windows end in real time, by whatever clock.
    machine.0.wall = NOW - YEAR;
    machine.goes_on(7 * DAY + SECOND);
    let now = machine.looks(&mut terms);
    assert_eq!(terms.learning_until(now), None);
    assert!(terms.is_new(destination("8.8.4.4"), now));
}

#[test]
fn a_replay_goes_by_the_time_of_the_store_and_moves_it_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::started(UNSET, 1);
    let mut terms = machine.opens(directory.path());
    machine.0.wall = NOW;
    let now = machine.looks(&mut terms);
    assert!(terms.is_new(destination("8.8.4.4"), now));
    terms.commit(now).unwrap();
    drop(terms);
    let replay = |wall| {
        let mut terms = Terms::open_for_any_time(directory.path(), &Windows::default(), NOW).unwrap();
        let new = terms.is_new(destination("8.8.4.4"), wall);
        assert_eq!(terms.keep_time(machine.0), None);
        terms.commit(wall).unwrap();
        new
    };
    assert!(!replay(NOW + DAY), "a capture of the day after");
    let mut terms = machine.opens(directory.path());
    assert_eq!(terms.learning_until(NOW), Some(NOW + DAY));
}
