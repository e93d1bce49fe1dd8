use super::*;
use crate::{
    FingerprintKey, Framing,
    dissector::authentication::tests::{answer_to, outcomes, response_of},
};

const REFUSED: u32 = 0xC000_006D;

fn dissector() -> Dissector {
    Dissector::new(FingerprintKey::new([7; 32]), Framing::NetBios)
}

/// Refused, accepted and anonymous log-ons, and sessions.
fn counted(dissector: &Dissector) -> [u32; 4] {
    let facts = dissector.facts();
    [facts.logons_refused, facts.logons_accepted, facts.logons_anonymous, facts.sessions]
}

#[test]
fn smb2_answer_waits_for_its_request() {
    for (status, guest, counts) in
        [(REFUSED, false, [1, 0, 0, 0]), (0, false, [0, 1, 0, 1]), (0, true, [0, 0, 1, 1])]
    {
        let mut dissector = dissector();
        let answer = SessionAnswer { unique: true, guest, ..answer_to(3, status) };
        dissector.session_answered(&answer);
        dissector.session_asked(3);
        dissector.credential(response_of("ann"), Some(3));
        assert_eq!(outcomes(&dissector), [("ann", Some(answer.outcome(false)))]);
        assert_eq!(counted(&dissector), counts, "once");
    }
}

#[test]
fn early_smb1_answer_belongs_to_no_later_request() {
    let mut dissector = dissector();
    dissector.session_answered(&answer_to(3, 0));
    dissector.session_asked(3);
    dissector.credential(response_of("ann"), Some(3));
    assert_eq!(outcomes(&dissector), [("ann", None)]);
}

#[test]
fn acceptance_counts_of_two_answers() {
    for answers in [[REFUSED, 0], [0, REFUSED]] {
        for unique in [true, false] {
            let mut dissector = dissector();
            if !unique {
                dissector.contradict();
            }
            dissector.credential(response_of("ann"), Some(3));
            for status in answers {
                dissector.session_answered(&SessionAnswer { unique, ..answer_to(3, status) });
            }
            assert_eq!(outcomes(&dissector), [("ann", Some(Outcome::Accepted))]);
            assert_eq!(counted(&dissector), [0, 1, 0, 1], "one log-on");
        }
    }
}

#[test]
fn smb1_answer_to_a_lost_request_accepts_nobody() {
    let mut dissector = dissector();
    dissector.credential(response_of("ann"), Some(3));
    dissector.session_answered(&answer_to(3, REFUSED));
    // The next request had the same number.
    dissector.session_answered(&answer_to(3, 0));
    assert!(outcomes(&dissector)[0].1.is_some_and(|one| !one.is_accepted()));
    assert_eq!(counted(&dissector), [1, 1, 0, 1], "somebody was accepted");
}

#[test]
fn answer_of_a_former_request_does_not_count_for_a_new_one() {
    let mut dissector = dissector();
    dissector.credential(response_of("ann"), Some(3));
    dissector.session_answered(&answer_to(3, REFUSED));
    // The number comes again, first without a credential.
    dissector.session_asked(3);
    dissector.session_answered(&answer_to(3, 0));
    assert!(outcomes(&dissector)[0].1.is_some_and(|one| !one.is_accepted()));
    dissector.session_asked(3);
    dissector.credential(response_of("bob"), Some(3));
    dissector.session_answered(&answer_to(3, 0));
    let [ann, bob] = outcomes(&dissector)[..] else { panic!("two users") };
    assert!(
        ann.1.is_some_and(|one| !one.is_accepted()) && bob.1 == Some(Outcome::Accepted),
        "{ann:?} {bob:?}"
    );
}

#[test]
fn share_gets_an_early_and_the_better_answer() {
    let refused = Status::Nt(0xC000_0022);
    let connected = |dissector: &Dissector| dissector.facts().shares[0].outcome.map(Outcome::is_accepted);
    let mut early = dissector();
    early.share_answered(Status::Nt(0), Some(ShareKind::Disk), 1, (4, true));
    early.share_asked(r"\\h\files".to_owned(), 4);
    assert_eq!((connected(&early), early.facts().shares[0].kind), (Some(true), Some(ShareKind::Disk)));

    for answers in [[refused, Status::Nt(0)], [Status::Nt(0), refused]] {
        let mut twice = dissector();
        twice.share_asked(r"\\h\files".to_owned(), 4);
        for status in answers {
            twice.share_answered(status, None, 1, (4, true));
        }
        assert_eq!(connected(&twice), Some(true), "{answers:?}");
    }
}
