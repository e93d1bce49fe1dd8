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
mod tests {
    use super::*;
    use crate::{
        FingerprintKey, Framing, New,
        kerberos::tests::{TICKET, ap_req, by_way_of_the_server, offered},
    };

    fn key() -> FingerprintKey {
        FingerprintKey::new([7; 32])
    }

    /// An answer to a request of session 1.
    fn answer_to(exchange: u64, status: u32) -> SessionAnswer {
        SessionAnswer { status: Status::Nt(status), guest: false, anonymous: false, session: 1, exchange }
    }

    /// The NTLM response of this user that is still unanswered.
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
    fn ticket_is_a_credential_of_its_realm_and_service_and_is_not_kept() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        let request = ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"]);
        dissector.blob(Sender::Client, &offered(&request), Some(1)).unwrap();
        let mut credential = Credential {
            method: Method::Kerberos,
            user: None,
            domain: Some("CORP.EXAMPLE".to_owned()),
            workstation: None,
            target: Some("cifs/files.corp.example".to_owned()),
            fingerprint: Some(key().of(&request)),
            outcome: None,
        };
        assert_eq!(dissector.facts().credentials, [credential.clone()]);
        assert_eq!(dissector.reading.new, [New::Credential(0)]);
        let kept = format!("{:?}", dissector.facts());
        let [text, bytes] = [str::from_utf8(TICKET).unwrap().to_owned(), format!("{TICKET:?}")];
        assert!(!kept.contains(&text) && !kept.contains(bytes.trim_matches(['[', ']'])), "{kept}");

        dissector.session_answered(&answer_to(1, 0));
        credential.outcome = Some(Outcome::Accepted);
        assert_eq!(dissector.facts().credentials, [credential]);
    }

    #[test]
    fn answer_belongs_to_the_pending_credential_even_with_a_full_list() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        let mut exchange = 0;
        let mut tries = |dissector: &mut Dissector, user: &str, answer: Option<u32>| {
            exchange += 1;
            dissector.credential(response_of(user), Some(exchange));
            if let Some(status) = answer {
                dissector.session_answered(&answer_to(exchange, status));
            }
            exchange
        };
        const REFUSED: Option<u32> = Some(0xC000_006D);
        for number in 0..32 {
            tries(&mut dissector, &number.to_string(), REFUSED);
        }
        let again = tries(&mut dissector, "31", None);
        tries(&mut dissector, "other", REFUSED);
        dissector.session_answered(&answer_to(again, 0));
        tries(&mut dissector, "31", REFUSED);
        let accepted =
            dissector.facts().credentials.iter().filter(|one| one.outcome == Some(Outcome::Accepted));
        assert_eq!(
            accepted.filter_map(|one| one.user.as_deref()).collect::<Vec<_>>(),
            ["31"],
            "and stays so"
        );
    }

    #[test]
    fn counts_logons_by_their_final_answer_even_with_a_full_list() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        let mut answer = |credential: Option<Credential>, exchange: u64, status: u32, guest: bool| {
            if let Some(credential) = credential {
                dissector.credential(credential, Some(exchange));
            }
            dissector.session_answered(&SessionAnswer { guest, ..answer_to(exchange, status) });
            let facts = dissector.facts();
            (facts.logons_refused, facts.logons_accepted, facts.logons_anonymous)
        };
        let anonymous = Credential {
            method: Method::Ntlm(ntlmssp::ResponseKind::Anonymous),
            fingerprint: None,
            ..response_of("")
        };
        assert_eq!(answer(None, 1, 0xC000_0016, false), (0, 0, 0), "more processing is required");
        // An accepted credential keeps its place, so that a list of them stays full.
        for number in 0..40 {
            let counted = answer(Some(response_of(&number.to_string())), 100 + number, 0, false);
            assert_eq!(counted, (0, number as u32 + 1, 0));
        }
        assert_eq!(answer(Some(anonymous), 2, 0, false), (0, 40, 1), "the list has no place for it");
        assert_eq!(answer(Some(response_of("b")), 3, 0x103, false), (0, 40, 1), "pending");
        assert_eq!(answer(None, 3, 0, true), (0, 40, 2), "accepted as a guest");
        for number in 1..=100 {
            let refused = answer(Some(response_of("c")), 200 + u64::from(number), 0xC000_006D, false);
            assert_eq!(refused, (number, 40, 2));
        }
    }

    #[test]
    fn each_of_two_pending_logons_gets_its_own_answer() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        for (exchange, user) in [(1, "a"), (2, "b")] {
            dissector.credential(response_of(user), Some(exchange));
        }
        for (exchange, status) in [(1, 0x103), (2, 0x103), (1, 0), (2, 0xC000_006D)] {
            dissector.session_answered(&answer_to(exchange, status));
        }
        let outcomes = dissector.facts().credentials.iter().map(|one| one.outcome.unwrap().is_accepted());
        assert_eq!(outcomes.collect::<Vec<_>>(), [true, false]);
    }

    /// Outcomes of all credentials, by user.
    fn outcomes(dissector: &Dissector) -> Vec<(&str, Option<Outcome>)> {
        let credentials = dissector.facts().credentials.iter();
        credentials.map(|one| (one.user.as_deref().unwrap_or_default(), one.outcome)).collect()
    }

    #[test]
    fn each_of_two_interleaved_sessions_gets_its_own_outcome() {
        const MORE: u32 = 0xC000_0016;
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        for (session, user) in [(1, "a"), (2, "b")] {
            dissector.credential(response_of(user), Some(session));
            dissector.session_answered(&SessionAnswer { session, ..answer_to(session, MORE) });
        }
        // The last requests of both hold no credential. Session 3 began unseen.
        for (session, exchange, status) in [(3, 11, 0), (1, 12, 0xC000_006D), (2, 13, 0)] {
            dissector.session_answered(&SessionAnswer { session, ..answer_to(exchange, status) });
        }
        let refused = Outcome::Refused(Status::Nt(0xC000_006D));
        assert_eq!(outcomes(&dissector), [("a", Some(refused)), ("b", Some(Outcome::Accepted))]);
    }

    #[test]
    fn reused_identifier_belongs_to_the_newer_request() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        dissector.credential(response_of("a"), Some(5));
        dissector.session_asked(5);
        dissector.session_answered(&answer_to(5, 0));
        assert_eq!(outcomes(&dissector), [("a", None)]);
    }

    #[test]
    fn user_with_an_anonymous_session_is_a_guest() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        dissector.credential(response_of("a"), Some(1));
        dissector.session_answered(&SessionAnswer { anonymous: true, ..answer_to(1, 0) });
        // The anonymous client gets what it asked for.
        let anonymous =
            Credential { method: Method::Ntlm(ntlmssp::ResponseKind::Anonymous), ..response_of("") };
        dissector.credential(anonymous, Some(2));
        dissector.session_answered(&SessionAnswer { anonymous: true, ..answer_to(2, 0) });
        let expected = [("a", Some(Outcome::AcceptedAsGuest)), ("", Some(Outcome::Accepted))];
        assert_eq!(outcomes(&dissector), expected);
        assert_eq!((dissector.facts().logons_accepted, dissector.facts().logons_anonymous), (0, 2));
    }

    #[test]
    fn iakerb_names_the_user_of_the_ticket() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        dissector.blob(Sender::Client, &by_way_of_the_server("CORP.EXAMPLE", "ann"), Some(1)).unwrap();
        assert!(dissector.facts().credentials.is_empty(), "nothing is proven yet");
        for exchange in [2, 3] {
            let request =
                ap_req(["CORP.EXAMPLE", "OTHER.EXAMPLE"][exchange as usize - 2], &["cifs", "files"]);
            dissector.blob(Sender::Client, &offered(&request), Some(exchange)).unwrap();
        }
        let users = dissector.facts().credentials.iter().map(|one| one.user.as_deref());
        assert_eq!(users.collect::<Vec<_>>(), [Some("ann"), None]);
    }

    #[test]
    fn ticket_sent_by_a_server_is_no_credential() {
        let mut dissector = Dissector::new(key(), Framing::NetBios);
        let request = ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"]);
        dissector.blob(Sender::Server, &offered(&request), None).unwrap();
        assert!(dissector.facts().credentials.is_empty());
    }
}
