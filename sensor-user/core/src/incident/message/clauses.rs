//! The clauses behind the headline of an incident: the further facts.

use std::collections::BTreeMap;

use super::{
    EXECUTION, execution, interval,
    logon::{anonymous_session, credential_given_away, let_in},
    quic, relay, volume_hides_credential,
};
use crate::{
    address::Direction,
    asset::AssetRole,
    incident::{
        Credential, CredentialMethod, Incident, LogonOutcome,
        phrase::{clean, clock, several, since},
    },
    level::EvidenceLevel,
    rules::sentence,
};

/// What else is known, in whole sentences.
pub(super) fn clauses(incident: &Incident, says_volume: bool) -> Vec<String> {
    let mut clauses = Vec::new();
    if !says_volume && incident.level == EvidenceLevel::Data {
        clauses.extend(incident.volume_phrase());
    }
    if says_volume && volume_hides_credential(incident) {
        clauses.extend(credential_given_away(incident));
    }
    clauses.extend(over_webdav(incident));
    clauses.extend(of_another_logon(incident));
    clauses.extend(other_users(incident));
    let execution = |interface: &str| EXECUTION.contains(&interface);
    let executed = incident.is_about_two_hosts() && execution_shown(incident);
    if let Some(called) = incident.operations_phrase(|interface| !(executed && execution(interface))) {
        clauses.push(format!("{} called {called}", incident.client().phrase()));
    }
    if let Some(bound) = incident.bound_phrase() {
        clauses.push(format!("{} bound to {bound}", incident.client().phrase()));
    }
    if executed && incident.counted.logons_refused > 0 {
        clauses.push(format!("{} refused", several(incident.counted.logons_refused, "log-on")));
    }
    clauses.extend(quic::clause(incident));
    clauses.extend(repetition(incident));
    if incident.joined_late {
        clauses.push(joined_late(incident));
    }
    if incident.conflicting {
        clauses
            .push("segments contradict each other, which may be an attempt to mislead the sensor".to_owned());
    }
    if incident.one_sided {
        clauses.push("packets of one direction alone were seen".to_owned());
    }
    clauses.extend(role(incident));
    if let Some(hit) = incident.threats.first() {
        let (list, prefix) = (clean(&hit.list), clean(&hit.prefix));
        clauses.push(format!("the external host is on the threat list {list} ({prefix})"));
    }
    clauses
}

fn execution_shown(incident: &Incident) -> bool {
    execution(incident).is_some() && relay(incident).is_none()
}

/// That a credential was sent over WebDAV, and by which program.
fn over_webdav(incident: &Incident) -> Option<String> {
    let did = incident.webdav_phrase().filter(|_| incident.level >= EvidenceLevel::Credential)?;
    Some(format!("{} {did} to {}", incident.client().phrase(), incident.webdav_ports_phrase()))
}

/// A session beside a credential that was not seen to be accepted: it is not that user's.
fn of_another_logon(incident: &Incident) -> Option<String> {
    let credential = incident.leading_credential().filter(|one| one.method != CredentialMethod::Anonymous)?;
    let outbound = incident.direction == Direction::Outbound && incident.is_about_two_hosts();
    if let_in(credential) || !outbound || incident.level < EvidenceLevel::Session || incident.shows("T1048") {
        return None;
    }
    let how = if anonymous_session(incident).is_some() { "an anonymous session" } else { "a session" };
    let share = incident.leading_share().filter(|share| share.connected == Some(true));
    let share = share.map(|share| format!(", and {} connected", clean(&share.path))).unwrap_or_default();
    Some(format!("{how} was set up{share}"))
}

/// Users beside the one whom the headline names.
fn other_users(incident: &Incident) -> Option<String> {
    if incident.shows("T1110.001") || incident.shows("T1110.003") {
        return None;
    }
    let named = incident.leading_credential()?.account()?;
    let counts = |one: &&Credential| match incident.direction {
        Direction::Outbound => one.method != CredentialMethod::Anonymous,
        Direction::Inbound => one.outcome == Some(LogonOutcome::Accepted),
    };
    let mut others: BTreeMap<String, Option<LogonOutcome>> = BTreeMap::new();
    for (account, outcome) in
        incident.credentials.iter().filter(counts).filter_map(|one| Some((one.account()?, one.outcome)))
    {
        if account != named {
            let known = others.entry(clean(&account)).or_default();
            *known = better(*known, outcome);
        }
    }
    if others.is_empty() {
        return None;
    }
    let with_outcome =
        |(account, outcome): (String, Option<LogonOutcome>)| match (incident.direction, outcome) {
            (Direction::Outbound, Some(LogonOutcome::Accepted)) => format!("{account} (accepted)"),
            (Direction::Outbound, Some(LogonOutcome::AcceptedAsGuest)) => {
                format!("{account} (let in as guest)")
            }
            (Direction::Outbound, Some(LogonOutcome::Refused)) => format!("{account} (refused)"),
            (Direction::Outbound, None) | (Direction::Inbound, _) => account,
        };
    let several = others.len() > 1;
    let list = sentence::list(&others.into_iter().map(with_outcome).collect::<Vec<_>>());
    // Which of two contradicting segments the server received is not known.
    let given_away = if incident.conflicting { "seen" } else { "given away" };
    Some(match (incident.direction, several) {
        (Direction::Inbound, _) => format!("{list} logged on as well"),
        (Direction::Outbound, false) => format!("a credential of {list} was {given_away} as well"),
        (Direction::Outbound, true) => format!("credentials of {list} were {given_away} as well"),
    })
}

/// The better of two outcomes of an account.
const fn better(one: Option<LogonOutcome>, other: Option<LogonOutcome>) -> Option<LogonOutcome> {
    use LogonOutcome::{Accepted, AcceptedAsGuest, Refused};
    match (one, other) {
        (Some(Accepted), _) | (_, Some(Accepted)) => Some(Accepted),
        (Some(AcceptedAsGuest), _) | (_, Some(AcceptedAsGuest)) => Some(AcceptedAsGuest),
        (Some(Refused), _) | (_, Some(Refused)) => Some(Refused),
        (None, None) => None,
    }
}

/// What the inventory says that the internal host is for, where that changes how its incidents are judged.
fn role(incident: &Incident) -> Option<String> {
    let asset = incident.internal.asset.as_ref()?;
    let is = match asset.role.as_ref()? {
        AssetRole::FileServer => "a file server",
        AssetRole::Backup => "a backup host",
        AssetRole::Scanner => "a scanner",
        AssetRole::Other(_) => return None,
    };
    Some(format!("the inventory lists {} as {is}", clean(&asset.name)))
}

/// How many connections, since when and how often.
fn repetition(incident: &Incident) -> Option<String> {
    let count = incident.counted.connections;
    if count < 2 || !incident.is_about_two_hosts() {
        return None;
    }
    let since = since(incident.first, incident.last);
    let since = if since.contains(':') { since + " UTC" } else { since };
    let every = interval(incident).map(|every| format!(", every {every} on average")).unwrap_or_default();
    Some(format!("{count} connections {since}{every}"))
}

/// What a late arrival may have missed.
fn joined_late(incident: &Incident) -> String {
    let missed = match incident.leading_credential() {
        None if incident.level >= EvidenceLevel::Session => "the log-on",
        _ => "the beginning",
    };
    let (before, when) = match incident.joined_at_start {
        Some(started) => (started, "started"),
        None => (incident.first, "first saw it"),
    };
    format!("joined late: {missed} was before {} UTC, when the sensor {when}", clock(before))
}
