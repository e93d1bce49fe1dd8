//! Security blobs of session set-up and DCE-RPC, and their answers.

use super::{Dissector, Pending, Problem, Sender, answers::Answered};
use crate::{
    facts::{Credential, Method, New, Outcome},
    kerberos::KerberosToken,
    ntlmssp::{self, Authenticate, Challenge},
    security::{self, Blob},
    status::Status,
};

/// The answer to a session set-up.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionAnswer {
    pub(super) status: Status,
    pub(super) guest: bool,
    /// The server set up an anonymous session, whatever user the client named.
    pub(super) anonymous: bool,
    /// The session that is set up.
    pub(super) session: u64,
    /// Identifier that the response shares with its request.
    pub(super) exchange: u64,
    /// No other request of the connection has that identifier.
    pub(super) unique: bool,
}

impl SessionAnswer {
    /// What it means for a log-on that is anonymous or not.
    pub(super) const fn outcome(&self, anonymous: bool) -> Outcome {
        outcome(self.status, self.guest || self.anonymous && !anonymous)
    }
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
                self.answer_early(exchange);
            }
            return;
        };
        if new {
            // Nothing waits for the earlier answer any more.
            self.pending.retain(|waits| !matches!(waits, Pending::Credential(other) if other == place));
            self.undecided.retain(|other| other != place);
            self.answered.retain(
                |answered| !matches!(answered, Answered::Logon { place: Some(other), .. } if other == place),
            );
            self.report(New::Credential(place));
        }
        if let Some(exchange) = exchange {
            // While it waits for its answer, no other credential takes its place.
            let known = &mut self.facts.credentials[place].outcome;
            known.take_if(|known| !known.is_accepted());
            self.pending.insert(exchange, Pending::Credential(place));
            self.answer_early(exchange);
        }
    }

    /// Processes a request for a session. An earlier request with its identifier will not be answered any more.
    pub(super) fn session_asked(&mut self, exchange: u64) {
        self.pending.remove(&exchange);
        if !self.early.contains(&exchange) {
            self.answered.remove(&exchange);
        }
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
        if answer.status.is_interim() {
            if let Some(Pending::Credential(place)) = pending {
                self.undecided.insert(answer.session, place);
            }
            return;
        }
        // SMB 1 reuses its numbers: without contradicting segments this answers a request that was not seen.
        if pending.is_none()
            && (answer.unique || self.contradicted)
            && let Some(earlier) = self.answered.get(&answer.exchange)
        {
            return self.decide_again(answer, earlier);
        }
        if answer.status.is_success() {
            self.facts.sessions = self.facts.sessions.saturating_add(1);
            self.report(New::Session);
        }
        self.decide(answer, pending);
    }

    /// Takes a request for a share and waits for its answer.
    pub(super) fn share_asked(&mut self, path: String, exchange: u64) {
        let Some((place, new)) = self.facts.add_share(path) else { return };
        if new {
            self.report(New::Share(place));
        }
        self.answered.remove(&exchange);
        self.pending.insert(exchange, Pending::Share(place));
        self.answer_share_early(place, exchange);
    }
}

pub(super) const fn outcome(status: Status, guest: bool) -> Outcome {
    match (status.is_success(), guest) {
        (true, false) => Outcome::Accepted,
        (true, true) => Outcome::AcceptedAsGuest,
        (false, _) => Outcome::Refused(status),
    }
}

#[cfg(test)]
pub(super) mod tests;
