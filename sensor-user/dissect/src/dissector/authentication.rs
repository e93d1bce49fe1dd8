//! Security blobs of session set-up and DCE-RPC, and their answers.

use super::{Dissector, Pending, Problem, Sender};
use crate::{
    facts::{Credential, Method, New, Outcome},
    kerberos::KerberosToken,
    ntlmssp::{self, Authenticate, Challenge},
    security::{self, Blob},
    status::Status,
};

/// The answer to a session set-up.
pub(super) struct SessionAnswer {
    pub(super) status: Status,
    pub(super) guest: bool,
    /// The server set up an anonymous session, whatever user the client named.
    pub(super) anonymous: bool,
    /// The session that is set up.
    pub(super) session: u64,
    /// Identifier that the response shares with its request.
    pub(super) exchange: u64,
}

impl Dissector {
    /// Reads a security blob. The answer will have the same `exchange`.
    pub(super) fn blob(&mut self, from: Sender, bytes: &[u8], exchange: Option<u64>) -> Result<(), Problem> {
        use ntlmssp::Message;
        match (security::read(bytes).map_err(Problem::Blob)?, from) {
            (Blob::Ntlm(Message::Negotiate(negotiate)), Sender::Client) => {
                self.facts.client.ntlm_version = negotiate.version.or(self.facts.client.ntlm_version);
            }
            (Blob::Ntlm(Message::Challenge(challenge)), Sender::Server) => self.challenge(challenge),
            (Blob::Ntlm(Message::Authenticate(authenticate)), Sender::Client) => {
                self.authenticate(authenticate, exchange);
            }
            (Blob::Kerberos(KerberosToken::Request { realm, service, bytes }), Sender::Client) => {
                let credential = Credential {
                    method: Method::Kerberos,
                    user: self.proxied_user.take(),
                    domain: realm,
                    workstation: None,
                    target: service,
                    fingerprint: bytes.map(|bytes| self.key.of(bytes)),
                    outcome: None,
                };
                self.credential(credential, exchange);
            }
            (Blob::Kerberos(KerberosToken::Proxied { user, .. }), Sender::Client) => {
                self.proxied_user = user;
            }
            (Blob::Ntlm(_), _) => return Err(Problem::Direction),
            (Blob::Kerberos(_) | Blob::Mechanisms(_) | Blob::Empty, _) => {}
        }
        Ok(())
    }

    fn challenge(&mut self, challenge: Challenge) {
        let server = &mut self.facts.server;
        let known = server.clone();
        server.target = challenge.target.or(server.target.take());
        server.names = challenge.names;
        server.ntlm_version = challenge.version.or(server.ntlm_version);
        if *server != known {
            self.report(New::ServerNames);
        }
    }

    fn authenticate(&mut self, seen: Authenticate<'_>, exchange: Option<u64>) {
        self.facts.client.ntlm_version = seen.version.or(self.facts.client.ntlm_version);
        // The one byte of an anonymous client identifies nobody, and a response of unknown protocol may be anything.
        let proves = matches!(seen.kind, ntlmssp::ResponseKind::V1 | ntlmssp::ResponseKind::V2);
        let response = seen.response.filter(|_| proves);
        let credential = Credential {
            method: Method::Ntlm(seen.kind),
            user: seen.user,
            domain: seen.domain,
            workstation: seen.workstation,
            target: seen.target,
            fingerprint: response.map(|response| self.key.of(response)),
            outcome: None,
        };
        self.credential(credential, exchange);
    }

    /// Adds a credential and waits for its answer.
    pub(super) fn credential(&mut self, credential: Credential, exchange: Option<u64>) {
        let anonymous = credential.is_anonymous();
        let Some((place, new)) = self.facts.add_credential(credential) else {
            if let Some(exchange) = exchange {
                self.pending.insert(exchange, Pending::UnlistedCredential { anonymous });
            }
            return;
        };
        if new {
            // Nothing waits for the earlier answer any more.
            self.pending.retain(|waits| !matches!(waits, Pending::Credential(other) if other == place));
            self.undecided.retain(|other| other != place);
            self.report(New::Credential(place));
        }
        if let Some(exchange) = exchange {
            // While it waits for its answer, no other credential takes its place.
            let known = &mut self.facts.credentials[place].outcome;
            known.take_if(|known| !known.is_accepted());
            self.pending.insert(exchange, Pending::Credential(place));
        }
    }

    /// Processes a request for a session. An earlier request with its identifier will not be answered any more.
    pub(super) fn session_asked(&mut self, exchange: u64) {
        self.pending.remove(&exchange);
    }

    /// Takes the answer to a session set-up.
    pub(super) fn session_answered(&mut self, answer: &SessionAnswer) {
        let statuses = self.facts.session_statuses.len();
        self.facts.add_session_status(answer.status);
        if self.facts.session_statuses.len() > statuses || !answer.status.is_interim() {
            self.report(New::SessionStatus);
        }
        let pending = self.pending.remove(&answer.exchange);
        if answer.status.is_pending() {
            if let Some(pending) = pending {
                self.pending.insert(answer.exchange, pending);
            }
            return;
        }
        let place = match pending {
            Some(Pending::Credential(place)) => Some(place),
            _ => None,
        };
        if answer.status.is_interim() {
            if let Some(place) = place {
                self.undecided.insert(answer.session, place);
            }
            return;
        }
        if answer.status.is_success() {
            self.facts.sessions = self.facts.sessions.saturating_add(1);
            self.report(New::Session);
        }
        let place = match pending {
            Some(Pending::UnlistedCredential { .. }) => None,
            // An earlier message of this session may have held it.
            _ => place.or_else(|| self.undecided.remove(&answer.session)),
        };
        let anonymous = match pending {
            Some(Pending::UnlistedCredential { anonymous }) => anonymous,
            _ => place
                .and_then(|place| self.facts.credentials.get(place))
                .is_some_and(Credential::is_anonymous),
        };
        let outcome = outcome(answer.status, answer.guest || answer.anonymous && !anonymous);
        self.facts.count_logon(outcome, anonymous);
        let Some(place) = place else { return };
        if let Some(credential) = self.facts.credentials.get_mut(place) {
            // An accepted credential stays accepted, whatever later attempts give.
            credential.outcome = credential.outcome.filter(|known| known.is_accepted()).or(Some(outcome));
            self.report(New::CredentialOutcome(place));
        }
    }

    /// Takes a request for a share and waits for its answer.
    pub(super) fn share_asked(&mut self, path: String, exchange: u64) {
        let Some((place, new)) = self.facts.add_share(path) else { return };
        if new {
            self.report(New::Share(place));
        }
        self.pending.insert(exchange, Pending::Share(place));
    }

    /// Takes the answer to that.
    pub(super) fn share_answered(
        &mut self,
        status: Status,
        kind: Option<crate::smb2::ShareKind>,
        tree: u32,
        exchange: u64,
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
        let Some(Pending::Share(place)) = self.pending.remove(&exchange) else { return };
        if let Some(share) = self.facts.shares.get_mut(place) {
            share.kind = kind.or(share.kind);
            share.outcome = Some(outcome(status, false));
            self.report(New::ShareOutcome(place));
        }
    }
}

const fn outcome(status: Status, guest: bool) -> Outcome {
    match (status.is_success(), guest) {
        (true, false) => Outcome::Accepted,
        (true, true) => Outcome::AcceptedAsGuest,
        (false, _) => Outcome::Refused(status),
    }
}

#[cfg(test)]
mod tests;
