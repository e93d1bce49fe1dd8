//! The findings of a profile on a connection.

use super::{
    ProfileName, Question, Rulebook, Term,
    verdict::{Condition, RuleVerdict},
};
use crate::{
    rules::{self, Finding, History, sentence},
    service::Service,
    view::FlowView,
};

impl Rulebook {
    /// The findings of this profile on a connection: from the registry for the profile `sensor`, otherwise from the
    /// published rules, which ask `is_new` about their terms.
    pub fn evaluate(
        &self,
        view: &FlowView<'_>,
        history: &History<'_>,
        is_new: &mut dyn FnMut(Term) -> bool,
    ) -> Vec<Finding> {
        match self.profile().name {
            ProfileName::Sensor => rules::evaluate(view, history),
            _ => self.findings(view, is_new),
        }
    }

    /// The published rules that fire on a connection, with their published severities. For profiles whose rules need no
    /// evidence. The rules of the profile `sensor` need it, so this finds few of them; see [`Self::evaluate`].
    ///
    /// `is_new` is asked about the term of a rule if everything else matches.
    pub fn findings(&self, view: &FlowView<'_>, is_new: &mut dyn FnMut(Term) -> bool) -> Vec<Finding> {
        // The published rules are about SMB, NetBIOS and DCE-RPC.
        if view.service == Service::WebDav {
            return Vec::new();
        }
        let question = Question {
            client: view.client.ip(),
            server: view.server.ip(),
            transport: view.tuple.transport,
            port: view.server.port(),
            smb: Some(view.smb_spoken || !view.usual_port),
            own_process: view.process.is_some(),
        };
        let mut holds = |verdict: &RuleVerdict| {
            verdict.conditions.iter().all(|condition| match *condition {
                Condition::New { address, .. } => is_new(Term { rule: verdict.rule.rule.id, address }),
                Condition::Unseen(_) => true,
                Condition::SmbRecognised | Condition::Evidence(_) => false,
            })
        };
        self.verdict(&question)
            .into_iter()
            .filter(|verdict| verdict.fits() && holds(verdict))
            .map(|verdict| Finding::of(verdict.rule.rule, vec![], sentence::contact(view)))
            .collect()
    }
}
