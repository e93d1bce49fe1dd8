//! Who is let through, and what is counted of the others.

use super::*;
use crate::detect::RULES;

const SECOND: i128 = 1_000_000_000;
const NOW: i128 = 1_700_000_000 * SECOND;
const MOST: u64 = 100;

const ADMITTED: Verdict = Verdict::Admitted { counted_before: false };

fn asker(evidence: Evidence) -> Asker {
    Asker { source: [10, 0, 0, 2].into(), evidence, lost_before: 0 }
}

fn ask(admission: &mut Admission, evidence: Evidence, now: i128) -> Verdict {
    admission.ask(RULES[0], asker(evidence), None, now)
}

fn admitted(admission: &mut Admission, times: u64, evidence: Evidence, now: i128) -> u64 {
    (0..times).filter(|_| ask(admission, evidence, now) == ADMITTED).count() as u64
}

#[test]
fn a_hundred_in_a_window_and_the_rest_in_one_summary_with_exact_counts() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 9_000, Evidence::Attempt, NOW), 100);
    assert_eq!(admitted(&mut admission, 1_000, Evidence::Refused, NOW + 299 * SECOND), 0);
    assert!(admission.due(NOW + 299 * SECOND).is_empty());
    let summaries = admission.due(NOW + 300 * SECOND);
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
    assert!(admission.due(NOW + 400 * SECOND).is_empty());
}

#[test]
fn rules_do_not_share_their_window() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 150, Evidence::Data, NOW), 100);
    assert_eq!(admission.ask(RULES[1], asker(Evidence::Data), None, NOW), ADMITTED);
}

#[test]
fn attempts_do_not_take_the_place_of_what_spoke_smb() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 5_000, Evidence::Attempt, NOW), 100);
    assert_eq!(admitted(&mut admission, 150, Evidence::Session, NOW), 100);
    let mut other = Admission::new(MOST);
    assert_eq!(admitted(&mut other, 60, Evidence::Smb, NOW), 60);
    assert_eq!(admitted(&mut other, 60, Evidence::Attempt, NOW), 40, "a hundred in all");
}

#[test]
fn what_asks_again_is_counted_once() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 100, Evidence::Attempt, NOW), 100);
    let Verdict::Hidden(first) = ask(&mut admission, Evidence::Refused, NOW) else { panic!() };
    assert!(!first.may_ask_again(Evidence::Established) && first.may_ask_again(Evidence::Smb));
    let again = admission.ask(RULES[0], asker(Evidence::Smb), Some(first), NOW);
    assert_eq!((again, admission.hidden()), (ADMITTED, 0));
    assert!(admission.due(NOW + 300 * SECOND).is_empty(), "nothing is hidden any more");
}

#[test]
fn what_is_refused_again_moves_within_its_window_and_is_named_in_another() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 100, Evidence::Smb, NOW), 100);
    let Verdict::Hidden(first) = ask(&mut admission, Evidence::Smb, NOW) else { panic!() };
    let Verdict::Hidden(second) = admission.ask(RULES[0], asker(Evidence::Session), Some(first), NOW) else {
        panic!()
    };
    let next = NOW + 300 * SECOND;
    let summary = admission.due(next).remove(0);
    assert_eq!((summary.total(), summary.hidden[Evidence::Session as usize]), (1, 1));
    assert_eq!(admitted(&mut admission, 100, Evidence::Smb, next), 100);
    let third = admission.ask(RULES[0], asker(Evidence::Data), Some(second), next);
    assert!(matches!(third, Verdict::Hidden(_)));
    let summary = admission.drain(next).remove(0);
    assert_eq!((summary.total(), summary.repeated, admission.hidden()), (1, 1, 1));
}

#[test]
fn what_is_written_in_the_end_knows_whether_an_earlier_summary_counts_it() {
    let mut admission = Admission::new(1);
    let mut asked_again = |window: i128, rises: [Evidence; 2]| {
        let now = NOW + window * 300 * SECOND;
        assert_eq!(ask(&mut admission, Evidence::Attempt, now), ADMITTED);
        let Verdict::Hidden(first) = ask(&mut admission, Evidence::Attempt, now) else { panic!() };
        let later = now + 300 * SECOND;
        assert_eq!(ask(&mut admission, rises[0], later), ADMITTED, "takes the place");
        let risen = admission.ask(RULES[0], asker(rises[0]), Some(first), later);
        let last = match risen {
            Verdict::Hidden(second) => admission.ask(RULES[0], asker(rises[1]), Some(second), later),
            admitted => admitted,
        };
        let sums = admission.drain(later).iter().map(|one| (one.total(), one.repeated)).collect::<Vec<_>>();
        (last, sums)
    };
    let late = Verdict::Admitted { counted_before: true };
    assert_eq!(
        asked_again(0, [Evidence::Attempt, Evidence::Smb]),
        (late, vec![(1, 0)]),
        "hidden twice, then written"
    );
    let (hidden, sums) = asked_again(10, [Evidence::Smb, Evidence::Session]);
    assert!(matches!(hidden, Verdict::Hidden(_)));
    assert_eq!(sums, [(1, 0), (1, 1)], "hidden in both, once each");
}

#[test]
fn a_clock_that_steps_back_ends_the_window() {
    let mut admission = Admission::new(MOST);
    assert_eq!(admitted(&mut admission, 150, Evidence::Attempt, NOW), 100);
    assert_eq!(admitted(&mut admission, 150, Evidence::Attempt, NOW - 7_200 * SECOND), 100);
    let summaries = admission.due(NOW - 7_200 * SECOND);
    assert_eq!(summaries.iter().map(Summary::total).collect::<Vec<_>>(), [50]);
    assert_eq!(summaries[0].until, NOW);
}

#[test]
fn a_summary_names_who_is_hidden_now_and_knows_what_was_lost_since_the_first_of_them() {
    let mut admission = Admission::new(2);
    let of = |n: u8, evidence, lost_before| Asker { source: [10, 0, 0, n].into(), evidence, lost_before };
    let mut ask = |asker, before| admission.ask(RULES[0], asker, before, NOW);
    assert_eq!(ask(of(1, Evidence::Attempt, 3), None), ADMITTED);
    assert_eq!(ask(of(1, Evidence::Attempt, 3), None), ADMITTED);
    let Verdict::Hidden(_) = ask(of(2, Evidence::Attempt, 7), None) else { panic!() };
    let Verdict::Hidden(_) = ask(of(2, Evidence::Attempt, 8), None) else { panic!() };
    let Verdict::Hidden(risen) = ask(of(3, Evidence::Attempt, 9), None) else { panic!() };
    assert_eq!(ask(of(3, Evidence::Smb, 9), Some(risen)), ADMITTED);
    let summary = admission.drain(NOW).remove(0);
    assert_eq!(
        summary.loudest.named,
        [([10, 0, 0, 2].into(), 2)],
        "what was admitted in the end is not hidden"
    );
    assert_eq!((summary.total(), summary.loudest.distinct, summary.lost_before), (2, Some(1), 7));
}
