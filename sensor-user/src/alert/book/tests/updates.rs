//! What is told again of a conversation, and when.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::dissect::{
    Facts,
    facts::{Credential, Dialect, Interface, Method, Outcome},
    ntlmssp::ResponseKind,
    status::Status,
};

const REFUSED: Option<Outcome> = Some(Outcome::Refused(Status::Nt(0xC000_006D)));

fn credential(user: &str, outcome: Option<Outcome>) -> Credential {
    Credential {
        method: Method::Ntlm(ResponseKind::V2),
        user: Some(user.into()),
        domain: None,
        workstation: None,
        target: None,
        fingerprint: None,
        outcome,
    }
}

/// A book and one conversation, which begins by speaking SMB.
struct Course {
    book: AlertBook,
    flow: Flow,
    facts: Facts,
}

impl Course {
    fn new() -> Self {
        let mut course = Self { book: book(vec![]), flow: tried(2, Evidence::Smb), facts: Facts::default() };
        assert_eq!(rules_of(&course.learns(0, |facts| facts.smb2 = true)), ["smb-to-internet"]);
        course
    }

    /// What is told when its messages say more, so many milliseconds after the beginning.
    fn learns(&mut self, milliseconds: i128, more: impl FnOnce(&mut Facts)) -> Vec<Value> {
        more(&mut self.facts);
        self.flow.facts = Some(Arc::new(self.facts.clone()));
        let told = self.book.look(&self.flow, &mut Nothing, &at(milliseconds));
        told.iter().for_each(|document| assert_valid(ALERT, document));
        told
    }

    /// What is told when time moved on.
    fn waits(&mut self, milliseconds: i128) -> Vec<Value> {
        time_passes(&mut self.book, std::slice::from_ref(&self.flow), &at(milliseconds))
    }
}

fn at(milliseconds: i128) -> Context<'static> {
    let context = Context::for_tests();
    Context { now: context.now + milliseconds * 1_000_000, ..context }
}

#[test]
fn a_credential_that_is_accepted_makes_its_alert_critical_at_once() {
    let mut course = Course::new();
    let sent = course.learns(1, |facts| facts.credentials.push(credential("eve", None)));
    assert_eq!(sent.len(), 0, "so soon after the first");
    assert_eq!(rules_of(&course.waits(1_000)), ["smb-to-internet", "ntlm-credential-to-internet"]);
    let accepted = course.learns(1_001, |facts| facts.credentials[0].outcome = Some(Outcome::Accepted));
    let told = accepted.iter().find(|told| field(told, "/rule/id") == "ntlm-credential-to-internet").unwrap();
    assert_eq!(field(told, "/smb_sensor/alert/severity"), "critical");
    assert_eq!(field(told, "/smb_sensor/credentials/0/outcome"), "accepted");
}

#[test]
fn what_comes_too_soon_is_told_a_second_after_the_last_and_once() {
    let mut course = Course::new();
    let interface = Interface {
        uuid: Uuid::from_u128(0x4b324fc8_1670_01d3_1278_5a47bf6ee188),
        version: (3, 0),
        name: Some("srvsvc"),
        operations: vec![],
    };
    assert!(course.learns(400, |facts| facts.interfaces.push(interface)).is_empty());
    assert!(course.learns(500, |facts| facts.interfaces[0].operations.push(15)).is_empty());
    assert!(course.waits(999).is_empty());
    let told = course.waits(1_000);
    assert_eq!(rules_of(&told), ["smb-to-internet"]);
    assert_eq!(field(&told[0], "/threat/technique/id"), &json!(["T1135"]));
    assert!(course.waits(3_000).is_empty());
}

#[test]
fn a_refusal_is_told_and_log_ons_that_go_back_and_forth_are_told_once_each_way() {
    let mut course = Course::new();
    course.learns(2_000, |facts| facts.credentials.push(credential("eve", None)));
    let refused = course.learns(4_000, |facts| facts.credentials[0].outcome = REFUSED);
    assert!(refused.iter().all(|told| field(told, "/smb_sensor/credentials/0/outcome") == "refused"));
    assert_eq!(refused.len(), 2);
    let mut count = 0;
    for second in 5..60 {
        let outcome = if second % 2 == 0 { REFUSED } else { Some(Outcome::Accepted) };
        count += course.learns(second * 1_000, |facts| facts.credentials[0].outcome = outcome).len();
    }
    assert_eq!(count, 2, "accepted, once on each alert");
}

#[test]
fn a_dialect_that_is_chosen_later_breaks_the_rule_on_smb_1() {
    let mut course = Course::new();
    let chosen = course.learns(5_000, |facts| {
        (facts.smb1, facts.smb2, facts.dialect) = (true, false, Some(Dialect::Smb1("LANMAN2.1".into())));
    });
    assert_eq!(rules_of(&chosen), ["smb-to-internet", "smb1-across-border"]);
}
