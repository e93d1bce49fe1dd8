//! Who is let through, and what is counted of the others.

use super::*;
use crate::detect::RULES;

const SECOND: i128 = 1_000_000_000;
const NOW: i128 = 1_700_000_000 * SECOND;
const MOST: u64 = 100;

fn asker(evidence: Evidence) -> Asker {
    Asker { source: [10, 0, 0, 2].into(), evidence, lost_before: 0 }
}

fn ask(admission: &mut Admission, evidence: Evidence, now: i128) -> Verdict {
    admission.ask(RULES[0], asker(evidence), None, now)
}

fn admitted(admission: &mut Admission, times: u64, evidence: Evidence, now: i128) -> u64 {
    (0..times).filter(|_| ask(admission, evidence, now) == Verdict::Admitted).count() as u64
}

#[test]
fn a_hundred_in_a_window_and_the_rest_in_one_summary_with_exact_counts() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 9_000, Evidence::Attempt, NOW), 100);
    assert_eq!(admitted(&mut admission, 1_000, Evidence::Refused, NOW + 299 * SECOND), 0);
    assert_eq!(admission.due(NOW + 299 * SECOND), None);
    let summaries = admission.due(NOW + 300 * SECOND).unwrap();
    assert_eq!(summaries.len(), 1);
    let one = &summaries[0];
    assert_eq!((one.admitted, one.total(), one.repeated), (100, 9_900, 0));
    assert_eq!(one.hidden[..3], [8_900, 1_000, 0]);
    assert_eq!((one.from, one.until), (NOW, NOW + 300 * SECOND));
    assert_eq!(admission.hidden(), 9_900);
    assert_eq!(admitted(&mut admission, 200, Evidence::Attempt, NOW + 301 * SECOND), 100, "anew");
    assert_eq!(admission.drain(NOW + 302 * SECOND).len(), 1, "the end of the run tells the rest");
}

#[test]
fn a_window_without_anything_hidden_has_no_summary() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 100, Evidence::Data, NOW), 100);
    assert_eq!(admission.due(NOW + 400 * SECOND), Some(vec![]));
}

#[test]
fn rules_do_not_share_their_window() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 150, Evidence::Data, NOW), 100);
    assert_eq!(admission.ask(RULES[1], asker(Evidence::Data), None, NOW), Verdict::Admitted);
}

#[test]
fn a_hundred_are_a_hundred_whatever_they_did() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 60, Evidence::Attempt, NOW), 60);
    assert_eq!(admitted(&mut admission, 60, Evidence::Session, NOW), 40);
    assert_eq!(admitted(&mut admission, 60, Evidence::Data, NOW), 0);
    let summary = admission.drain(NOW).remove(0);
    let told = |evidence: Evidence| summary.hidden[evidence as usize];
    assert_eq!((summary.admitted, told(Evidence::Session), told(Evidence::Data)), (100, 20, 60));
}

#[test]
fn what_is_refused_again_moves_within_its_window_and_is_named_in_another() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 100, Evidence::Attempt, NOW), 100);
    let Verdict::Hidden(first) = ask(&mut admission, Evidence::Refused, NOW) else { panic!() };
    let may = |evidence| admission.may_ask_again(RULES[0], first, evidence);
    assert!(!may(Evidence::Established) && may(Evidence::Smb));
    let Verdict::Hidden(second) = admission.ask(RULES[0], asker(Evidence::Session), Some(first), NOW) else {
        panic!()
    };
    assert_eq!(admission.hidden(), 1, "once, however often it asks");
    let next = NOW + 300 * SECOND;
    let summary = admission.due(next).unwrap().remove(0);
    assert_eq!((summary.total(), summary.hidden[Evidence::Session as usize], summary.repeated), (1, 1, 0));
    assert_eq!((summary.loudest.named, summary.loudest.distinct), (vec![([10, 0, 0, 2].into(), 1)], Some(1)));
    assert_eq!(admitted(&mut admission, 100, Evidence::Smb, next), 100);
    let third = admission.ask(RULES[0], asker(Evidence::Share), Some(second), next);
    let Verdict::Hidden(third) = third else { panic!() };
    let fourth = admission.ask(RULES[0], asker(Evidence::Data), Some(third), next);
    assert!(matches!(fourth, Verdict::Hidden(_)));
    let summary = admission.drain(next).remove(0);
    assert_eq!((summary.total(), summary.repeated, admission.hidden()), (1, 1, 1));
}

#[test]
fn what_spoke_smb_is_admitted_in_a_window_that_has_room() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 100, Evidence::Attempt, NOW), 100);
    let [Verdict::Hidden(spoke), Verdict::Hidden(tried)] =
        [Evidence::Smb, Evidence::Attempt].map(|evidence| ask(&mut admission, evidence, NOW))
    else {
        panic!()
    };
    let next = NOW + 300 * SECOND;
    let may = |admission: &Admission, hidden, evidence| admission.may_ask_again(RULES[0], hidden, evidence);
    assert!(!may(&admission, spoke, Evidence::Smb), "the window lasts until it is told of");
    assert!(may(&admission, spoke, Evidence::Data), "to be counted by what it did");
    assert_eq!(admission.due(next).unwrap()[0].total(), 2);
    assert!(may(&admission, spoke, Evidence::Smb) && !may(&admission, tried, Evidence::Attempt));
    assert_eq!(admission.ask(RULES[0], asker(Evidence::Smb), Some(spoke), next), Verdict::Admitted);
    assert_eq!(admission.hidden(), 1);
    assert!(admission.drain(next).is_empty());
}

#[test]
fn a_clock_that_steps_back_ends_the_window() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 150, Evidence::Attempt, NOW), 100);
    let summaries = admission.due(NOW - 7_200 * SECOND).unwrap();
    assert_eq!(admitted(&mut admission, 150, Evidence::Attempt, NOW - 7_200 * SECOND), 100);
    assert_eq!(summaries.iter().map(Summary::total).collect::<Vec<_>>(), [50]);
    assert_eq!(summaries[0].until, NOW);
}

#[test]
fn a_summary_names_who_is_hidden_most_and_knows_what_was_lost_since_the_first_of_them() {
    let mut admission = Admission::new(2);
    let of = |n: u8, evidence, lost_before| Asker { source: [10, 0, 0, n].into(), evidence, lost_before };
    let mut ask = |asker, before| admission.ask(RULES[0], asker, before, NOW);
    assert_eq!(ask(of(1, Evidence::Attempt, 3), None), Verdict::Admitted);
    assert_eq!(ask(of(1, Evidence::Attempt, 3), None), Verdict::Admitted);
    let Verdict::Hidden(_) = ask(of(2, Evidence::Attempt, 7), None) else { panic!() };
    let Verdict::Hidden(_) = ask(of(2, Evidence::Attempt, 8), None) else { panic!() };
    let Verdict::Hidden(_) = ask(of(3, Evidence::Attempt, 9), None) else { panic!() };
    let summary = admission.drain(NOW).remove(0);
    assert_eq!(summary.loudest.named, [([10, 0, 0, 2].into(), 2), ([10, 0, 0, 3].into(), 1)]);
    assert_eq!((summary.total(), summary.loudest.distinct, summary.lost_before), (3, Some(2), 7));
}

#[test]
fn what_stands_in_open_windows_is_told_when_it_changed_and_not_when_it_was_told_for_good() {
    let mut admission = Admission::new(1);
    assert_eq!(admission.standing(NOW), None);
    assert_eq!(admitted(&mut admission, 1, Evidence::Attempt, NOW), 1);
    assert_eq!(admission.standing(NOW), None, "nothing is hidden");
    assert_eq!(admitted(&mut admission, 3, Evidence::Attempt, NOW), 0);
    let standing = admission.standing(NOW + SECOND).unwrap();
    assert_eq!(standing.iter().map(Summary::total).collect::<Vec<_>>(), [3]);
    assert_eq!((standing[0].from, standing[0].until), (NOW, NOW + SECOND));
    assert_eq!(admission.standing(NOW + SECOND), None);
    let told = admission.due(NOW + 300 * SECOND).unwrap();
    assert_eq!((told[0].window, told[0].total()), (standing[0].window, 3), "the same, and as many");
    assert_eq!(admission.standing(NOW + 300 * SECOND), Some(vec![]));
}
