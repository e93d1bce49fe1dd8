//! One line about an incident: what happened, between whom, how far it got.
//!
//! [`sentence`] is the whole line, for documents. [`summary`] is short, for a list with the hosts in columns of their own.
//! [`title`] is a heading above the details. All of them state only observed facts, and never that something is absent because it
//! was not read. A user and an outcome in one sentence belong to the same log-on.

mod clauses;
mod contact;
mod logon;
mod quic;

use std::collections::BTreeSet;

use self::{
    clauses::clauses,
    contact::{contact, exposure, sweep},
    logon::{
        accounts_let_in, anonymous_beside_refused, credential, credential_given_away, guessing, session,
    },
};
use super::{
    Credential, CredentialMethod, Incident, Party, Scope,
    phrase::{clean, of_account},
};
use crate::{
    address::Direction,
    level::EvidenceLevel,
    rules::sentence::{bytes, duration},
};

/// Connections from which on their rhythm is said.
const RHYTHM: u64 = 5;

/// Interfaces whose operations run something on the server or change it.
const EXECUTION: [&str; 4] = ["svcctl", "atsvc", "ITaskSchedulerService", "winreg"];

/// The whole line, without a full stop. Times in it are UTC.
#[must_use]
pub fn sentence(incident: &Incident) -> String {
    let Headline { mut whole, says_volume, .. } = headline(incident);
    for clause in clauses(incident, says_volume) {
        whole.push_str("; ");
        whole.push_str(&clause);
    }
    whole
}

/// What happened in words that need no address, for a view that has the particulars in lines of its own; [`sentence`] where there is
/// no simpler one. Without a full stop.
#[must_use]
pub fn title(incident: &Incident) -> String {
    headline(incident).plain.unwrap_or_else(|| sentence(incident))
}

/// The short line, for a list that shows the hosts in columns of their own. Times in it are UTC.
#[must_use]
pub fn summary(incident: &Incident) -> String {
    let Headline { mut short, says_volume, .. } = headline(incident);
    if incident.level == EvidenceLevel::Data && !says_volume {
        let (left, came) = (incident.bytes_left(), incident.bytes_came());
        let more = if left > came { format!("{} out", bytes(left)) } else { format!("{} in", bytes(came)) };
        short.push_str(&format!("; {more}"));
    }
    if says_volume && volume_hides_credential(incident) {
        short.extend(credential_given_away(incident).map(|it| format!("; {it}")));
    }
    if incident.joined_late {
        short.push_str("; joined late");
    }
    short
}

/// What an incident is mainly about.
struct Headline {
    whole: String,
    short: String,
    /// The same in words that need no address.
    plain: Option<String>,
    /// It says how much data moved.
    says_volume: bool,
}

impl Headline {
    fn new(whole: String, short: String) -> Self {
        Self { whole, short, plain: None, says_volume: false }
    }

    fn with_volume(whole: String, short: String) -> Self {
        Self { whole, short, plain: None, says_volume: true }
    }
}

/// The first of these that the evidence shows, the worst first.
fn headline(incident: &Incident) -> Headline {
    match incident.scope {
        Scope::Client if incident.targets.is_some_and(|counts| counts.targets > 1) => return sweep(incident),
        Scope::Client => return quic::offer(incident).unwrap_or_else(|| contact(incident)),
        Scope::Exposure => return exposure(incident),
        Scope::Pair | Scope::Connection => {}
    }
    relay(incident)
        .or_else(|| execution(incident))
        .or_else(|| guessing(incident))
        .or_else(|| quic::offer(incident))
        .or_else(|| excess_volume(incident))
        .or_else(|| anonymous_beside_refused(incident))
        .or_else(|| credential(incident))
        .or_else(|| download(incident))
        .or_else(|| session(incident))
        .unwrap_or_else(|| contact(incident))
}

/// The same response on two servers.
fn relay(incident: &Incident) -> Option<Headline> {
    let fact = incident.techniques.get("T1557.001")?;
    let whose = relayed_account(incident, &clean(fact));
    Some(Headline::new(format!("{}: a relay", clean(fact)), format!("NTLM response{whose} relayed")))
}

/// Whose response was relayed, as ` of CORP\ann`: the account that the fact names, or else the only one there is. The leading
/// credential may be another one.
fn relayed_account(incident: &Incident, fact: &str) -> String {
    let ntlm = |one: &&Credential| {
        !matches!(
            one.method,
            CredentialMethod::Anonymous | CredentialMethod::Kerberos | CredentialMethod::Password
        )
    };
    let accounts: BTreeSet<_> = incident.credentials.iter().filter(ntlm).map(of_account).collect();
    let named = accounts.iter().find(|whose| !whose.is_empty() && fact.contains(&format!("{whose} ")));
    let only = accounts.first().filter(|_| accounts.len() == 1);
    named.or(only).cloned().unwrap_or_default()
}

/// Remote procedures that run something.
fn execution(incident: &Incident) -> Option<Headline> {
    let shown = ["T1569.002", "T1053.005", "T1112"].into_iter().any(|technique| incident.shows(technique));
    let called = incident.operations_phrase(|interface| EXECUTION.contains(&interface)).filter(|_| shown)?;
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    let user = as_user(incident);
    Some(Headline::new(
        format!("{client} called {called} on {server}{user}"),
        format!("remote execution{user}: {called}"),
    ))
}

/// ` as CORP\ann`, if one account was let in: if there were several, it may have been any of them.
fn as_user(incident: &Incident) -> String {
    let accepted = incident.accepted_users().find_map(Credential::account);
    let accepted = accepted.filter(|_| accounts_let_in(incident) == 1);
    accepted.map(|account| format!(" as {}", clean(&account))).unwrap_or_default()
}

/// The headline is of the volume that left, and an internal user's credential was given away beside it.
fn volume_hides_credential(incident: &Incident) -> bool {
    incident.shows("T1048") && incident.direction == Direction::Outbound && incident.is_about_two_hosts()
}

/// Content that left.
fn excess_volume(incident: &Incident) -> Option<Headline> {
    if !incident.shows("T1048") {
        return None;
    }
    let amount = bytes(incident.bytes_left());
    let (internal, external) = (incident.internal.phrase(), incident.external.phrase());
    let share = incident.disk_share().map(|share| clean(&share.path));
    let encrypted = encrypted(incident);
    let took = duration(incident.last.since(incident.first));
    Some(match (incident.direction, share) {
        (Direction::Outbound, share) => {
            let to = share.map_or_else(|| external.clone(), |path| located(&path, &incident.external));
            Headline::with_volume(
                format!("{internal} sent {amount} to {to}{encrypted} in {took}"),
                format!("{amount} left for {to}{encrypted}"),
            )
        }
        (Direction::Inbound, Some(path)) => {
            let (from, user) = (located(&path, &incident.internal), as_user(incident));
            Headline::with_volume(
                format!("{external} fetched {amount} from {from}{user}{encrypted} in {took}"),
                format!("{amount} left, read from {path}{user}{encrypted}"),
            )
        }
        (Direction::Inbound, None) => Headline::with_volume(
            format!("{amount} left {internal} for {external}{encrypted} in {took}"),
            format!("{amount} left{encrypted}"),
        ),
    })
}

/// Content that came from outside on an internal client's demand.
fn download(incident: &Incident) -> Option<Headline> {
    let fetched =
        incident.shows("T1105") || (incident.direction == Direction::Outbound && incident.content.came);
    let share = incident.disk_share().filter(|_| fetched)?;
    let amount = bytes(incident.bytes_came());
    let from = located(&clean(&share.path), &incident.external);
    let encrypted = encrypted(incident);
    Some(Headline::with_volume(
        format!("{} fetched {amount} from {from}{encrypted}", incident.internal.phrase()),
        format!("{amount} came in from {from}{encrypted}"),
    ))
}

/// The time between connections, where there are enough of them over time.
fn interval(incident: &Incident) -> Option<String> {
    let gaps = u32::try_from(incident.counted.connections.saturating_sub(1)).unwrap_or(u32::MAX);
    let every = incident.last.since(incident.first).checked_div(gaps)?;
    // A second or less is no rhythm but a burst.
    (incident.counted.connections >= RHYTHM && every.as_secs() >= 2).then(|| duration(every))
}

/// ` (encrypted)`
fn encrypted(incident: &Incident) -> &'static str {
    if incident.encrypted { " (encrypted)" } else { "" }
}

/// A share, with the address of its server where the path does not have it.
fn located(path: &str, server: &Party) -> String {
    let host = path.trim_start_matches('\\').split('\\').next().unwrap_or_default();
    let is_named = server.only_address().is_some_and(|address| host == address.to_string());
    if is_named { path.to_owned() } else { format!("{path} of {}", server.phrase()) }
}

#[cfg(test)]
mod tests;
