//! Answers to session set-ups and tree connects, and to which request they belong.
//!
//! An answer usually comes once and after its request. It can also be captured before its request, or come twice with different
//! results if one of them is forged. SMB 2 numbers requests uniquely (MS-SMB2 3.2.4.1.3), so an early answer waits for its
//! request. SMB 1 reuses its numbers, so there an early answer belongs to no request, and a second answer belongs to the request
//! of the first one only if segments contradict each other. If two answers differ, an acceptance counts.

use super::{Dissector, Pending, authentication::SessionAnswer};
use crate::{
    facts::{Credential, New, Outcome},
    smb2::ShareKind,
    status::Status,
};

/// A final answer that was counted already.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answered {
    /// That to a session set-up, and the credential for which it counted.
    Logon { outcome: Outcome, anonymous: bool, place: Option<usize> },
    /// That to a request for a share.
    Share(usize),
}

/// An answer whose request was not seen yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Early {
    /// That to a session set-up.
    Logon(SessionAnswer),
    /// That to a request for a share.
    Share { status: Status, kind: Option<ShareKind> },
}

impl Dissector {
    /// Takes an answer to a session set-up that belongs to this request, if the request was seen.
    pub(super) fn decide(&mut self, answer: &SessionAnswer, pending: Option<Pending>) {
        let place = match pending {
            Some(Pending::Credential(place)) => Some(place),
            Some(Pending::UnlistedCredential { .. }) => None,
            // An earlier message of this session may have held it.
            _ => self.undecided.remove(&answer.session),
        };
        let anonymous = match pending {
            Some(Pending::UnlistedCredential { anonymous }) => anonymous,
            _ => place
                .and_then(|place| self.facts.credentials.get(place))
                .is_some_and(Credential::is_anonymous),
        };
        if pending.is_none() && place.is_none() && answer.unique {
            self.early.insert(answer.exchange, Early::Logon(*answer));
        }
        let outcome = answer.outcome(anonymous);
        self.facts.count_logon(outcome, anonymous);
        self.answered.insert(answer.exchange, Answered::Logon { outcome, anonymous, place });
        self.set_outcome(place, outcome);
    }

    /// Takes another answer to a session set-up that was answered before. The same answer again changes nothing.
    pub(super) fn decide_again(&mut self, answer: &SessionAnswer, earlier: Answered) {
        let Answered::Logon { outcome: known, anonymous, place } = earlier else { return };
        let outcome = answer.outcome(anonymous);
        if known.is_accepted() || !outcome.is_accepted() {
            return;
        }
        self.facts.uncount_logon(known, anonymous);
        self.facts.count_logon(outcome, anonymous);
        self.facts.sessions = self.facts.sessions.saturating_add(1);
        self.report(New::Session);
        self.answered.insert(answer.exchange, Answered::Logon { outcome, anonymous, place });
        self.set_outcome(place, outcome);
    }

    /// Gives a credential the answer that was captured before it.
    pub(super) fn answer_early(&mut self, exchange: u64) {
        let Some(Early::Logon(answer)) = self.early.remove(&exchange) else { return };
        if let Some(Answered::Logon { outcome, anonymous, .. }) = self.answered.remove(&exchange) {
            self.facts.uncount_logon(outcome, anonymous);
        }
        let pending = self.pending.remove(&exchange);
        self.decide(&answer, pending);
    }

    /// Gives a share the answer that was captured before its request.
    pub(super) fn answer_share_early(&mut self, place: usize, exchange: u64) {
        if let Some(Early::Share { status, kind }) = self.early.remove(&exchange) {
            self.pending.remove(&exchange);
            self.answered.insert(exchange, Answered::Share(place));
            self.set_share(place, status, kind);
        }
    }

    fn set_outcome(&mut self, place: Option<usize>, outcome: Outcome) {
        let Some(place) = place else { return };
        if let Some(credential) = self.facts.credentials.get_mut(place) {
            // An accepted credential stays accepted, whatever later attempts give.
            credential.outcome = credential.outcome.filter(|known| known.is_accepted()).or(Some(outcome));
            self.report(New::CredentialOutcome(place));
        }
    }

    /// Takes the answer to a request for a share. `unique` is whether its number is used for one request only.
    pub(super) fn share_answered(
        &mut self,
        status: Status,
        kind: Option<ShareKind>,
        tree: u32,
        (exchange, unique): (u64, bool),
    ) {
        if status.is_interim() {
            return;
        }
        if status.is_success() {
            self.facts.trees = self.facts.trees.saturating_add(1);
            self.report(New::Tree);
            if let Some(kind) = kind {
                self.trees.insert(tree, kind);
            }
        }
        match (self.pending.remove(&exchange), self.answered.get(&exchange)) {
            (Some(Pending::Share(place)), _) => {
                self.answered.insert(exchange, Answered::Share(place));
                self.set_share(place, status, kind);
            }
            (None, Some(Answered::Share(place))) if status.is_success() => {
                self.set_share(place, status, kind);
            }
            (None, None) if unique => self.early.insert(exchange, Early::Share { status, kind }),
            _ => {}
        }
    }

    fn set_share(&mut self, place: usize, status: Status, kind: Option<ShareKind>) {
        if let Some(share) = self.facts.shares.get_mut(place) {
            share.kind = kind.or(share.kind);
            share.outcome = Some(super::authentication::outcome(status, false));
            self.report(New::ShareOutcome(place));
        }
    }
}

#[cfg(test)]
mod tests;
