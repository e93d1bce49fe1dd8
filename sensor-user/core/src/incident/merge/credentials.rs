//! Users and the outcomes of their log-ons.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sensor_dissect::{
    Facts,
    facts::{self, Method, Outcome},
    ntlmssp::ResponseKind,
    status::Status,
};

use crate::{
    incident::{Credential, CredentialMethod, Incident, Link, LogonOutcome, Milestone},
    rules::sentence::account,
    time::Timestamp,
};

/// Bounds of what an incident lists. A credential beyond them replaces a refused one, or is counted.
const MAX_CREDENTIALS: usize = 64;
const MAX_FINGERPRINTS: usize = 4;
const MAX_REFUSED_ACCOUNTS: usize = 256;

impl Incident {
    pub(super) fn merge_credentials(&mut self, facts: &Facts, link: &mut Link, at: Timestamp) -> bool {
        let mut has_changed = false;
        for (place, seen) in facts.credentials.iter().enumerate() {
            let outcome = seen.outcome.map(LogonOutcome::from);
            let key = credential_key(place, seen);
            match link.credentials.get(&key) {
                Some(known) if *known == outcome => continue,
                Some(_) => {
                    has_changed |= self.credential_outcome(seen, outcome, at);
                }
                None => {
                    has_changed |= self.add_credential(seen, at);
                    if outcome.is_some() {
                        has_changed |= self.credential_outcome(seen, outcome, at);
                    }
                }
            }
            link.credentials.insert(key, outcome);
        }
        has_changed
    }

    fn find_credential(&self, seen: &facts::Credential) -> Option<usize> {
        let method = credential_method(seen);
        self.credentials.iter().position(|one| {
            one.method == method
                && one.user == seen.user
                && one.domain == seen.domain
                && one.workstation == seen.workstation
        })
    }

    fn add_credential(&mut self, seen: &facts::Credential, at: Timestamp) -> bool {
        let fingerprint = seen.fingerprint.map(|fingerprint| fingerprint.to_string());
        if let Some(place) = self.find_credential(seen) {
            let known = &mut self.credentials[place];
            known.attempts += 1;
            if let Some(fingerprint) = fingerprint
                && known.fingerprints.len() < MAX_FINGERPRINTS
                && !known.fingerprints.contains(&fingerprint)
            {
                known.fingerprints.push(fingerprint);
            }
            known.target = known.target.take().or_else(|| seen.target.clone());
            return false;
        }
        let credential = Credential {
            method: credential_method(seen),
            user: seen.user.clone(),
            domain: seen.domain.clone(),
            workstation: seen.workstation.clone(),
            target: seen.target.clone(),
            fingerprints: fingerprint.into_iter().collect(),
            outcome: None,
            status: None,
            attempts: 1,
            first: at,
        };
        if credential.method != CredentialMethod::Anonymous {
            self.milestone(at, Milestone::CredentialSent(credential.account()));
        }
        if self.credentials.len() >= MAX_CREDENTIALS {
            self.credentials_left_out += 1;
            // Of many guesses the one that was right must not be the one that is missing.
            let refused = |one: &Credential| one.outcome == Some(LogonOutcome::Refused);
            let Some(place) = self.credentials.iter().rposition(refused) else { return false };
            self.credentials[place] = credential;
            return false;
        }
        self.credentials.push(credential);
        true
    }

    fn credential_outcome(
        &mut self,
        seen: &facts::Credential,
        outcome: Option<LogonOutcome>,
        at: Timestamp,
    ) -> bool {
        let account = account(seen);
        if outcome == Some(LogonOutcome::Refused) {
            let key = account.as_deref().unwrap_or_default().to_lowercase();
            if self.refused_accounts.len() < MAX_REFUSED_ACCOUNTS || self.refused_accounts.contains_key(&key)
            {
                *self.refused_accounts.entry(key).or_default() += 1;
            }
        }
        let Some(place) = self.find_credential(seen) else { return false };
        let known = &mut self.credentials[place];
        let before = known.outcome;
        // An accepted log-on stays accepted, whatever the same user is refused later.
        if before != Some(LogonOutcome::Accepted) && outcome.is_some() {
            known.outcome = outcome;
        }
        if let Some(Outcome::Refused(Status::Nt(status))) = seen.outcome {
            known.status = Some(status);
        }
        if known.outcome == before {
            return false;
        }
        match outcome {
            Some(LogonOutcome::Accepted | LogonOutcome::AcceptedAsGuest) => {
                self.milestone(at, Milestone::Accepted(account));
            }
            Some(LogonOutcome::Refused) => self.milestone(at, Milestone::LogonRefused(account)),
            None => {}
        }
        true
    }
}

/// What tells one attempt of a connection from another. Of two attempts that nothing tells apart, the place does.
fn credential_key(place: usize, seen: &facts::Credential) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seen.method, &seen.user, &seen.domain, &seen.workstation, seen.fingerprint.map(|one| one.0))
        .hash(&mut hasher);
    if seen.fingerprint.is_none() {
        place.hash(&mut hasher);
    }
    hasher.finish()
}

const fn credential_method(seen: &facts::Credential) -> CredentialMethod {
    match seen.method {
        Method::Ntlm(ResponseKind::Anonymous) => CredentialMethod::Anonymous,
        Method::Ntlm(ResponseKind::V1) => CredentialMethod::Ntlmv1,
        Method::Ntlm(ResponseKind::V2) => CredentialMethod::Ntlmv2,
        Method::Ntlm(ResponseKind::Unknown) => CredentialMethod::NtlmOther,
        Method::Kerberos => CredentialMethod::Kerberos,
        Method::Password => CredentialMethod::Password,
    }
}
