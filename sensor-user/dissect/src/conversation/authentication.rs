//! Security blobs of session set-up and DCE-RPC, and how they were answered.

use super::{Awaited, Conversation, Problem, Sender};
use crate::{
    facts::{Credential, Method, New, Outcome},
    kerberos::KerberosToken,
    ntlmssp::{self, Authenticate, Challenge},
    security::{self, Blob},
    status::Status,
};

/// How a session set-up was answered.
pub(super) struct SessionAnswer {
    pub(super) status: Status,
    pub(super) guest: bool,
    /// What the response shares with its request.
    pub(super) exchange: u64,
}

impl Conversation {
    /// Reads a security blob. `exchange` is what its answer will share with it.
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
                    user: None,
                    domain: realm,
                    workstation: None,
                    target: service,
                    fingerprint: bytes.map(|bytes| self.key.of(bytes)),
                    outcome: None,
                };
                self.credential(credential, exchange);
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
            self.tell(New::ServerNames);
        }
    }

    fn authenticate(&mut self, seen: Authenticate<'_>, exchange: Option<u64>) {
        self.facts.client.ntlm_version = seen.version.or(self.facts.client.ntlm_version);
        // An anonymous client's one byte is nobody's.
        let response = seen.response.filter(|_| seen.kind != ntlmssp::ResponseKind::Anonymous);
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
        let Some((place, new)) = self.facts.add_credential(credential) else { return };
        if new {
            // Nobody waits for what was there before.
            self.awaited.retain(|waits| !matches!(waits, Awaited::Credential(other) if other == place));
            self.undecided.take_if(|other| *other == place);
            self.tell(New::Credential(place));
        }
        if let Some(exchange) = exchange {
            // While it waits for its answer its place is not for another.
            let known = &mut self.facts.credentials[place].outcome;
            known.take_if(|known| !known.is_accepted());
            self.awaited.insert(exchange, Awaited::Credential(place));
        }
    }

    /// Takes the answer to a session set-up.
    pub(super) fn session_answered(&mut self, answer: &SessionAnswer) {
        let statuses = self.facts.session_statuses.len();
        self.facts.add_session_status(answer.status);
        if self.facts.session_statuses.len() > statuses || !answer.status.is_interim() {
            self.tell(New::SessionStatus);
        }
        let place = match self.awaited.remove(&answer.exchange) {
            Some(Awaited::Credential(place)) => Some(place),
            _ => None,
        };
        if answer.status.is_interim() {
            match place {
                Some(place) if answer.status.is_pending() => {
                    self.awaited.insert(answer.exchange, Awaited::Credential(place));
                }
                place => self.undecided = place.or(self.undecided),
            }
            return;
        }
        if answer.status.is_success() {
            self.facts.sessions = self.facts.sessions.saturating_add(1);
            self.tell(New::Session);
        }
        let outcome = outcome(answer.status, answer.guest);
        let Some(place) = place.or_else(|| self.undecided.take()) else { return };
        if let Some(credential) = self.facts.credentials.get_mut(place) {
            // Once it was accepted it is good, whatever comes of it another time.
            credential.outcome = credential.outcome.filter(|known| known.is_accepted()).or(Some(outcome));
            self.tell(New::CredentialOutcome(place));
        }
    }

    /// Takes a request for a share and waits for its answer.
    pub(super) fn share_asked(&mut self, path: String, exchange: u64) {
        let Some((place, new)) = self.facts.add_share(path) else { return };
        if new {
            self.tell(New::Share(place));
        }
        self.awaited.insert(exchange, Awaited::Share(place));
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
            self.tell(New::Tree);
            if let Some(kind) = kind {
                self.trees.insert(tree, kind);
            }
        }
        let Some(Awaited::Share(place)) = self.awaited.remove(&exchange) else { return };
        if let Some(share) = self.facts.shares.get_mut(place) {
            share.kind = kind.or(share.kind);
            share.outcome = Some(outcome(status, false));
            self.tell(New::ShareOutcome(place));
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
mod tests {
    use super::*;
    use crate::{
        FingerprintKey, Framing, New,
        kerberos::tests::{TICKET, ap_req, offered},
    };

    fn key() -> FingerprintKey {
        FingerprintKey::new([7; 32])
    }

    /// The NTLM response of this user, which nobody answered yet.
    fn response_of(user: &str) -> Credential {
        Credential {
            method: Method::Ntlm(ntlmssp::ResponseKind::V2),
            user: Some(user.to_owned()),
            domain: None,
            workstation: None,
            target: None,
            fingerprint: Some(key().of(user.as_bytes())),
            outcome: None,
        }
    }

    #[test]
    fn a_ticket_is_a_credential_of_its_realm_and_service_and_is_not_kept() {
        let mut conversation = Conversation::new(key(), Framing::NetBios);
        let request = ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"]);
        conversation.blob(Sender::Client, &offered(&request), Some(1)).unwrap();
        let mut credential = Credential {
            method: Method::Kerberos,
            user: None,
            domain: Some("CORP.EXAMPLE".to_owned()),
            workstation: None,
            target: Some("cifs/files.corp.example".to_owned()),
            fingerprint: Some(key().of(&request)),
            outcome: None,
        };
        assert_eq!(conversation.facts().credentials, [credential.clone()]);
        assert_eq!(conversation.reading.new, [New::Credential(0)]);
        let kept = format!("{:?}", conversation.facts());
        let [text, bytes] = [str::from_utf8(TICKET).unwrap().to_owned(), format!("{TICKET:?}")];
        assert!(!kept.contains(&text) && !kept.contains(bytes.trim_matches(['[', ']'])), "{kept}");

        conversation.session_answered(&SessionAnswer { status: Status::Nt(0), guest: false, exchange: 1 });
        credential.outcome = Some(Outcome::Accepted);
        assert_eq!(conversation.facts().credentials, [credential]);
    }

    #[test]
    fn an_answer_is_of_the_credential_that_waits_for_it_also_where_the_list_is_full() {
        let mut conversation = Conversation::new(key(), Framing::NetBios);
        let mut exchange = 0;
        let mut tries = |conversation: &mut Conversation, user: &str, answer: Option<u32>| {
            exchange += 1;
            conversation.credential(response_of(user), Some(exchange));
            if let Some(status) = answer {
                let status = Status::Nt(status);
                conversation.session_answered(&SessionAnswer { status, guest: false, exchange });
            }
            exchange
        };
        const REFUSED: Option<u32> = Some(0xC000_006D);
        for number in 0..32 {
            tries(&mut conversation, &number.to_string(), REFUSED);
        }
        let again = tries(&mut conversation, "31", None);
        tries(&mut conversation, "other", REFUSED);
        conversation.session_answered(&SessionAnswer {
            status: Status::Nt(0),
            guest: false,
            exchange: again,
        });
        tries(&mut conversation, "31", REFUSED);
        let accepted =
            conversation.facts().credentials.iter().filter(|one| one.outcome == Some(Outcome::Accepted));
        assert_eq!(
            accepted.filter_map(|one| one.user.as_deref()).collect::<Vec<_>>(),
            ["31"],
            "and stays so"
        );
    }

    #[test]
    fn of_two_that_are_pending_each_gets_its_own_answer() {
        let mut conversation = Conversation::new(key(), Framing::NetBios);
        for (exchange, user) in [(1, "a"), (2, "b")] {
            conversation.credential(response_of(user), Some(exchange));
        }
        for (exchange, status) in [(1, 0x103), (2, 0x103), (1, 0), (2, 0xC000_006D)] {
            let status = Status::Nt(status);
            conversation.session_answered(&SessionAnswer { status, guest: false, exchange });
        }
        let outcomes = conversation.facts().credentials.iter().map(|one| one.outcome.unwrap().is_accepted());
        assert_eq!(outcomes.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_ticket_that_a_server_sends_is_nobodys_credential() {
        let mut conversation = Conversation::new(key(), Framing::NetBios);
        let request = ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"]);
        conversation.blob(Sender::Server, &offered(&request), None).unwrap();
        assert!(conversation.facts().credentials.is_empty());
    }
}
