//! What a connection adds to its incident: sums, users, shares, operations, the course of events. Merging the same connection
//! again adds only what is new.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
};

use sensor_dissect::{
    Facts,
    facts::{self, Method, Outcome},
    ntlmssp::ResponseKind,
    smb2,
    status::Status,
};

use super::{
    ConnectionRecord, Credential, CredentialMethod, Incident, LogonOutcome, Milestone, Party, Share,
    ShareKind, TimelineEntry,
    link::{Contribution, Link},
};
use crate::{level::EvidenceLevel, rules::windows_client, time::Timestamp, view::FlowView};

/// Bounds of what an incident lists. What goes beyond is counted, or left out where it says nothing new.
const MAX_CREDENTIALS: usize = 64;
const MAX_FINGERPRINTS: usize = 4;
const MAX_REFUSED_ACCOUNTS: usize = 256;
const MAX_SHARES: usize = 64;
const MAX_INTERFACES: usize = 32;
const MAX_OPERATIONS: usize = 64;
const MAX_PORTS: usize = 16;
const MAX_TIMELINE: usize = 64;
/// Connections that are listed: the first ones and the latest ones, so many each.
const LISTED_CONNECTIONS: usize = 8;
/// Addresses that a party lists.
pub(super) const MAX_ADDRESSES: usize = 16;

impl Party {
    /// One address.
    pub(super) fn one(address: IpAddr) -> Self {
        Self { addresses: vec![address], count: 1, ..Self::default() }
    }

    /// Another address, which was not counted yet.
    pub(super) fn add(&mut self, address: IpAddr) {
        self.count += 1;
        if self.addresses.len() < MAX_ADDRESSES {
            self.addresses.push(address);
        }
    }
}

impl Incident {
    /// Merges a connection. Tells whether that brought something that is worth writing, sums left aside.
    pub(crate) fn merge(&mut self, view: &FlowView<'_>, link: &mut Link) -> bool {
        let now = Contribution::of(view);
        self.counted.replace(&link.counted, &now);
        link.counted = now;
        let mut news = self.merge_course(view);
        self.merge_connection(view);
        if let Some(facts) = view.facts {
            news |= self.merge_credentials(facts, link, view.last);
            news |= self.merge_shares(facts, view.last);
            news |= self.merge_operations(facts, view.last);
            news |= self.merge_negotiation(facts, view);
        }
        if let Some(process) = view.process
            && self.process.is_none()
        {
            self.process = Some(process.clone());
            news = true;
        }
        news
    }

    /// Times, level, and what is known of the whole.
    fn merge_course(&mut self, view: &FlowView<'_>) -> bool {
        if self.counted.connections <= 1 && self.level == EvidenceLevel::Attempt {
            self.milestone(view.first, Milestone::Attempted);
        }
        let mut news = false;
        if view.level > self.level {
            let reached = match view.level {
                EvidenceLevel::Refused => Some(Milestone::Refused),
                EvidenceLevel::Answered => Some(Milestone::Answered),
                EvidenceLevel::Connected => Some(Milestone::Connected),
                EvidenceLevel::Data => Some(Milestone::Data),
                _ => None,
            };
            if view.level >= EvidenceLevel::Smb && self.level < EvidenceLevel::Smb {
                self.milestone(view.last, Milestone::Smb);
            }
            reached.into_iter().for_each(|what| self.milestone(view.last, what));
            self.level = view.level;
            news = true;
        }
        self.first = self.first.min(view.first);
        self.last = self.last.max(view.last);
        news |= view.encrypted && !self.encrypted;
        self.encrypted |= view.encrypted;
        self.joined_late |= view.joined_late;
        self.one_sided |= view.one_sided;
        self.complete &= view.complete;
        news |= view.content.left && !self.content.left || view.content.came && !self.content.came;
        self.content.left |= view.content.left;
        self.content.came |= view.content.came;
        if let Some(protocol) = view.other_protocol
            && !self.other_protocols.contains(&protocol)
        {
            self.other_protocols.push(protocol);
            news = true;
        }
        let port = (view.tuple.transport, view.server.port(), view.service);
        if !self.ports.contains(&port) && self.ports.len() < MAX_PORTS {
            self.ports.push(port);
        }
        self.ifindex = self.ifindex.or(view.ifindex);
        self.vlan = self.vlan.or(view.vlan);
        news
    }

    fn merge_connection(&mut self, view: &FlowView<'_>) {
        let record = ConnectionRecord {
            client: view.client,
            server: view.server,
            transport: view.tuple.transport,
            first: view.first,
            last: view.last,
            level: view.level,
            bytes_left: view.bytes_left(),
            bytes_came: view.bytes_came(),
            closed: view.closed,
        };
        let same = |known: &ConnectionRecord| {
            (known.client, known.server, known.transport) == (record.client, record.server, record.transport)
                && known.first.distance(record.first).as_millis() <= 20
        };
        if let Some(known) = self.connections.iter_mut().rev().find(|known| same(known)) {
            *known = record;
            return;
        }
        if self.connections.len() >= 2 * LISTED_CONNECTIONS {
            self.connections.remove(LISTED_CONNECTIONS);
        }
        self.connections.push(record);
    }

    fn merge_credentials(&mut self, facts: &Facts, link: &mut Link, at: Timestamp) -> bool {
        let mut news = false;
        for (place, seen) in facts.credentials.iter().enumerate() {
            let outcome = seen.outcome.map(logon_outcome);
            let key = credential_key(place, seen);
            match link.credentials.get(&key) {
                Some(known) if *known == outcome => continue,
                Some(_) => {
                    news |= self.credential_outcome(seen, outcome, at);
                }
                None => {
                    news |= self.add_credential(seen, at);
                    if outcome.is_some() {
                        news |= self.credential_outcome(seen, outcome, at);
                    }
                }
            }
            link.credentials.insert(key, outcome);
        }
        news
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
        let account = account_of(seen);
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

    fn merge_shares(&mut self, facts: &Facts, at: Timestamp) -> bool {
        let mut news = false;
        for seen in &facts.shares {
            let connected = seen.outcome.map(Outcome::is_accepted);
            let kind = seen.kind.and_then(share_kind);
            let place = self.shares.iter().position(|known| known.path == seen.path);
            let before = match place {
                Some(place) => {
                    let known = &mut self.shares[place];
                    let before = known.connected;
                    known.kind = known.kind.or(kind);
                    known.connected = if before == Some(true) { before } else { connected.or(before) };
                    before
                }
                None if self.shares.len() >= MAX_SHARES => {
                    self.shares_left_out += 1;
                    continue;
                }
                None => {
                    self.shares.push(Share { path: seen.path.clone(), kind, connected });
                    news = true;
                    None
                }
            };
            if connected == Some(true) && before != Some(true) {
                self.milestone(at, Milestone::Share(seen.path.clone()));
                news = true;
            }
        }
        news
    }

    fn merge_operations(&mut self, facts: &Facts, at: Timestamp) -> bool {
        let mut news = false;
        for interface in &facts.interfaces {
            let name = interface.name.map_or_else(|| interface.uuid.to_string(), str::to_owned);
            if self.operations.len() >= MAX_INTERFACES && !self.operations.contains_key(&name) {
                continue;
            }
            let mut fresh = Vec::new();
            let known = self.operations.entry(name.clone()).or_default();
            for number in &interface.operations {
                let operation =
                    interface.operation(*number).map_or_else(|| format!("operation {number}"), str::to_owned);
                if known.len() < MAX_OPERATIONS && !known.contains(&operation) {
                    known.push(operation.clone());
                    fresh.push(operation);
                }
            }
            for operation in fresh {
                self.milestone(at, Milestone::Operation(format!("{name} {operation}")));
                news = true;
            }
        }
        news
    }

    fn merge_negotiation(&mut self, facts: &Facts, view: &FlowView<'_>) -> bool {
        let mut news = false;
        if let Some(dialect) = facts.dialect.as_ref().map(ToString::to_string)
            && !self.dialects.contains(&dialect)
            && self.dialects.len() < MAX_PORTS
        {
            self.dialects.push(dialect);
            news = true;
        }
        self.encrypted |= facts.encrypted;
        let names = &facts.server.names;
        let server = names.dns_computer.as_ref().or(names.netbios_computer.as_ref());
        let client = facts.credentials.iter().find_map(|one| one.workstation.as_ref());
        let (internal, external) = match view.direction {
            crate::address::Direction::Outbound => (client, server),
            crate::address::Direction::Inbound => (server, client),
        };
        for (party, name) in [(&mut self.internal, internal), (&mut self.external, external)] {
            if party.name.is_none() && party.count == 1 {
                party.name = name.filter(|name| !name.is_empty()).cloned();
            }
        }
        if self.windows_client.is_empty() && self.process.is_none() {
            self.windows_client = windows_client::grounds(facts).unwrap_or_default();
        }
        news
    }

    /// Notes that something happened. The same thing is noted once.
    pub(super) fn milestone(&mut self, at: Timestamp, what: Milestone) {
        if self.timeline.len() < MAX_TIMELINE && self.timeline.iter().all(|known| known.what != what) {
            let place = self.timeline.partition_point(|known| known.at <= at);
            self.timeline.insert(place, TimelineEntry { at, what });
        }
    }
}

/// The account of a credential: `DOMAIN\user`.
fn account_of(seen: &facts::Credential) -> Option<String> {
    let user = seen.user.as_deref()?;
    Some(match seen.domain.as_deref() {
        Some(domain) if !domain.is_empty() => format!("{domain}\\{user}"),
        _ => user.to_owned(),
    })
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
        Method::Kerberos => CredentialMethod::Kerberos,
        Method::Password => CredentialMethod::Password,
    }
}

const fn logon_outcome(outcome: Outcome) -> LogonOutcome {
    match outcome {
        Outcome::Accepted => LogonOutcome::Accepted,
        Outcome::AcceptedAsGuest => LogonOutcome::AcceptedAsGuest,
        Outcome::Refused(_) => LogonOutcome::Refused,
    }
}

const fn share_kind(kind: smb2::ShareKind) -> Option<ShareKind> {
    match kind {
        smb2::ShareKind::Disk => Some(ShareKind::Disk),
        smb2::ShareKind::Pipe => Some(ShareKind::Pipe),
        smb2::ShareKind::Printer => Some(ShareKind::Print),
        smb2::ShareKind::Other(_) => None,
    }
}
