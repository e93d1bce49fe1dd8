//! Each rule has its own terms, and its own window for them.

use super::*;

/// Two rules that ask for a new source.
const OUTBOUND: &str = "elastic-current-smb-to-internet";
const INBOUND: &str = "elastic-current-smb-from-internet";

fn windows(of: &[(&str, u64)]) -> Windows {
    let mut windows = Windows::default();
    for (rule, days) in windows.iter_mut() {
        *days = of.iter().find(|(wanted, _)| *wanted == rule).map_or(*days, |(_, days)| *days);
    }
    windows
}

fn term(rule: &'static str) -> Term {
    Term { rule, address: "10.0.0.1".parse().unwrap() }
}

#[test]
fn two_rules_keep_the_same_address_in_one_store_by_windows_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let windows = windows(&[(OUTBOUND, 2), (INBOUND, 30)]);
    let open = |now| Terms::open(directory.path(), &windows, wall(now)).unwrap();
    let mut terms = open(NOW);
    assert!(terms.is_new(term(OUTBOUND), NOW));
    assert!(terms.is_new(term(INBOUND), NOW), "the other rule has not seen it");
    assert!(!terms.is_new(term(OUTBOUND), NOW) && !terms.is_new(term(INBOUND), NOW));
    terms.commit(NOW).unwrap();
    drop(terms);
    // Over a restart, in which what is too old for its own rule alone is dropped.
    let later = NOW + 2 * DAY + SECOND;
    let mut terms = open(later);
    assert!(terms.is_new(term(OUTBOUND), later), "two days are over");
    assert!(!terms.is_new(term(INBOUND), later), "thirty are not");
    terms.commit(later).unwrap();
    drop(terms);
    let latest = later + 30 * DAY + SECOND;
    assert!(open(latest).is_new(term(INBOUND), latest));
}

#[test]
fn what_is_pruned_goes_by_the_window_of_its_rule() {
    let directory = tempfile::tempdir().unwrap();
    let windows = windows(&[(OUTBOUND, 1), (INBOUND, 365)]);
    let mut terms = Terms::open(directory.path(), &windows, wall(NOW)).unwrap();
    for rule in [OUTBOUND, INBOUND] {
        assert!(terms.is_new(term(rule), NOW));
    }
    terms.commit(NOW).unwrap();
    let later = NOW + 300 * DAY;
    assert!(terms.is_new(destination("8.8.4.4"), later));
    terms.commit(later).unwrap();
    drop(terms);
    // Longer windows cannot bring back what was forgotten.
    let mut terms =
        Terms::open(directory.path(), &self::windows(&[(OUTBOUND, 365), (INBOUND, 365)]), wall(later))
            .unwrap();
    assert!(terms.is_new(term(OUTBOUND), later));
    assert!(!terms.is_new(term(INBOUND), later));
}

#[test]
fn a_window_begins_anew_with_each_sight_and_ends_after_its_last_moment() {
    let mut terms = Terms::in_memory(&Windows::default());
    assert!(terms.is_new(term(OUTBOUND), NOW));
    assert!(!terms.is_new(term(OUTBOUND), NOW + 1));
    assert!(!terms.is_new(term(OUTBOUND), NOW + 5 * DAY), "the last day of the window; and seen again");
    assert!(!terms.is_new(term(OUTBOUND), NOW + 10 * DAY), "each sight begins the window anew");
    assert!(terms.is_new(term(OUTBOUND), NOW + 15 * DAY + SECOND));
    assert!(!terms.is_new(term(OUTBOUND), NOW - 30 * DAY), "what lies ahead was seen");
    assert!(!terms.is_new(term(OUTBOUND), NOW + 20 * DAY), "and stays seen then");
}

#[test]
fn a_rule_without_a_window_knows_nothing() {
    let mut terms = Terms::in_memory(&Windows::default());
    for _ in 0..2 {
        assert!(terms.is_new(term("smb-to-internet"), NOW));
    }
}
