//! A profile's verdict on a conversation that was seen.

use super::{
    Question, Rulebook,
    verdict::{Condition, RuleVerdict},
};
use crate::{
    detect::{Finding, Limits, Sight, judge},
    terms::{KnownTerms, Term},
};

/// What conversations are judged by.
#[derive(Debug)]
pub struct Judges<'a> {
    /// The rules of another profile; `None` is the sensor's own.
    pub profile: Option<&'a Rulebook>,
    /// What the sensor's own rules go by.
    pub limits: &'a Limits,
}

impl Judges<'_> {
    /// The rules that a conversation that is not exempt breaks; what it makes known is known from now on.
    pub fn judge(&self, sight: &Sight<'_>, terms: &mut impl KnownTerms, now: i128) -> Vec<Finding> {
        let Some(profile) = self.profile else {
            return judge(sight, self.limits, terms, now);
        };
        profile.findings(sight, terms, now)
    }
}

impl Rulebook {
    /// The rules that fire on a conversation; what it makes known is known from now on. For profiles whose rules need no
    /// evidence: those of the sensor itself are [`crate::detect::judge`]'s.
    pub fn findings(&self, sight: &Sight<'_>, terms: &mut impl KnownTerms, now: i128) -> Vec<Finding> {
        let question = Question {
            client: sight.client.ip(),
            server: sight.server.ip(),
            transport: sight.flow.ends.transport,
            port: sight.server.port(),
            smb: Some(sight.flow.smb_spoken() || sight.flow.recognised()),
            own_process: sight.flow.owner.is_some(),
        };
        let mut holds = |verdict: &RuleVerdict| {
            verdict.conditions.iter().all(|condition| match *condition {
                Condition::New { address, .. } => {
                    terms.is_new(Term { rule: verdict.rule.rule.id, address }, now)
                }
                Condition::Unseen(_) => true,
                Condition::SmbRecognised | Condition::Evidence(_) => false,
            })
        };
        self.verdict(&question)
            .into_iter()
            .filter(|verdict| verdict.fits() && holds(verdict))
            .map(|verdict| Finding { rule: verdict.rule.rule })
            .collect()
    }
}
