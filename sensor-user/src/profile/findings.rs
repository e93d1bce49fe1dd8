//! A profile's verdict on a conversation that was seen.

use super::{
    Question, Rulebook,
    terms::Term,
    verdict::{Condition, RuleVerdict},
};
use crate::{
    detect::{Finding, Sight},
    terms::KnownDestinations,
};

impl Rulebook {
    /// The rules that fire on a conversation; what it makes known is known from now on. For profiles whose rules need no
    /// evidence: those of the sensor itself are [`crate::detect::judge`]'s.
    pub fn findings(&self, sight: &Sight<'_>, terms: &mut impl KnownDestinations, now: i128) -> Vec<Finding> {
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
                Condition::New { address, days, .. } => {
                    terms.is_new_term(Term { rule: verdict.rule.rule.id, address }, days, now)
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
