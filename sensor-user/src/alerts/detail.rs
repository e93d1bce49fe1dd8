//! One incident in full.

use std::fmt::Write as _;

use sensor_core::{
    address::Direction,
    incident::{Credential, CredentialMethod, Incident, LogonOutcome, Party, Share, message, steps},
    level::EvidenceLevel,
    rules,
    time::Timestamp,
};
use sensor_dissect::escape::shown;

use super::elsewhere::Elsewhere;
use crate::rfc3339::rfc3339;

/// Width of the names of lines.
const NAME: usize = 11;

/// The text.
pub(super) fn text(incident: &Incident, elsewhere: &Elsewhere) -> String {
    let mut lines = Lines::default();
    let headline = format!("{}  {}.", incident.severity.name().to_uppercase(), message::sentence(incident));
    let _ = writeln!(lines.0, "{}", shown(headline.as_bytes()));
    lines
        .put("incident", &format!("{}, opened {}; all times are UTC", incident.id, rfc3339(incident.opened)));
    lines.put("internal", &internal(incident));
    lines.put("external", &external(incident, elsewhere));
    let names = said_names(incident);
    if !names.is_empty() {
        lines.put("named", &names.join(", "));
    }
    for credential in &incident.credentials {
        lines.put("user", &user(credential));
    }
    if incident.credentials_left_out > 0 {
        lines.put("user", &format!("and {} more that are only counted", incident.credentials_left_out));
    }
    let mut shares: Vec<&Share> = incident.shares.iter().collect();
    // Disk shares before pipes.
    shares.sort_by_key(|share| share.kind);
    if !shares.is_empty() {
        lines.put("shares", &shares.into_iter().map(share).collect::<Vec<_>>().join(", "));
    }
    for (interface, operations) in &incident.operations {
        lines.put("called", &format!("{interface}: {}", operations.join(", ")));
    }
    lines.put("volume", &volume(incident));
    if let Some(targets) = incident.targets {
        lines.put(
            "targets",
            &format!(
                "{} addresses: {} answered, {} refused, {} silent",
                targets.targets, targets.answered, targets.refused, targets.silent
            ),
        );
    }
    let timeline: Vec<_> = incident
        .timeline
        .iter()
        .map(|entry| format!("{} {}", clock(entry.at, incident.first), entry.what.phrase()))
        .collect();
    if !timeline.is_empty() {
        lines.put("timeline", &timeline.join(" · "));
    }
    connections(incident, &mut lines);
    findings(incident, &mut lines);
    for hit in &incident.threats {
        let words = hit.description.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        lines.put("listed", &format!("{} on list {}, line {}{words}", hit.prefix, hit.list, hit.line));
    }
    related(incident, &mut lines);
    lines.put("complete", &complete(incident));
    advice(incident, &mut lines);
    lines.0
}

/// Lines with a label each; lines with the same label in a row show it once.
#[derive(Default)]
struct Lines(String, &'static str);

impl Lines {
    fn put(&mut self, name: &'static str, text: &str) {
        let shown_name = if self.1 == name { "" } else { name };
        self.1 = name;
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "  {shown_name:<NAME$}{}", shown(text.as_bytes()));
    }
}

fn internal(incident: &Incident) -> String {
    let mut text = party(&incident.internal);
    if let Some(process) = &incident.process {
        let name = process.name.as_deref().unwrap_or("a process");
        let user = process.user_name.clone().unwrap_or_else(|| process.user.to_string());
        let _ = write!(text, ", opened by {name} (pid {}, user {user})", process.pid);
        let more = incident.other_processes.len();
        if more > 0 {
            let at_least = if incident.more_processes { "at least " } else { "" };
            let _ = write!(text, " and {at_least}{more} more");
        }
    } else if incident.direction == Direction::Outbound {
        text.push_str(windows_client(incident));
    }
    text
}

fn external(incident: &Incident, elsewhere: &Elsewhere) -> String {
    let mut text = party(&incident.external);
    if let Some(known) = incident.external.enrichment() {
        let system = known.autonomous_system.as_ref().map(ToString::to_string);
        for fact in [system, known.country.clone()].into_iter().flatten() {
            let _ = write!(text, ", {fact}");
        }
    }
    match incident.direction {
        Direction::Inbound => text.push_str(windows_client(incident)),
        Direction::Outbound => {
            let _ = write!(text, ", {}", incident.ports_phrase());
        }
    }
    if let Some(known) = incident.external.enrichment() {
        let seen = known.sightings.as_ref();
        let first = seen.map_or(incident.first, |seen| seen.first).min(elsewhere.first).min(incident.first);
        let _ = write!(text, "; first seen {}", date(first));
        let counted = rules::sentence::counted;
        let by_whom = match (seen, elsewhere.other_hosts as u64) {
            (Some(seen), _) => {
                let (days, hosts) = (counted(seen.days, "day"), counted(seen.hosts, "internal host"));
                format!(", on {days} by {hosts}, as far as {}", seen.level)
            }
            (None, 0) => "; no incident of another internal host names it".to_owned(),
            (None, 1) => "; incidents of 1 other internal host name it".to_owned(),
            (None, many) => format!("; incidents of {many} other internal hosts name it"),
        };
        text.push_str(&by_whom);
    }
    text
}

/// Names of the server, as the client said them: to QUIC, and in an NTLM response.
fn said_names(incident: &Incident) -> Vec<String> {
    let quic = incident.quic.iter().filter_map(|hello| hello.server_name.as_ref());
    let quic = quic.map(|name| format!("{name} (server name in QUIC)"));
    let ntlm = |one: &&Credential| one.method != CredentialMethod::Kerberos;
    let targets = incident.credentials.iter().filter(ntlm).filter_map(|one| one.target.as_ref());
    let targets = targets.map(|target| format!("{target} (target of the NTLM response)"));
    let mut names: Vec<_> = quic.chain(targets).collect();
    names.sort();
    names.dedup();
    names
}

/// The inferred client.
fn windows_client(incident: &Incident) -> &'static str {
    if incident.windows_client.is_empty() { "" } else { ", probably the SMB client of the Windows kernel" }
}

fn party(party: &Party) -> String {
    let addresses: Vec<_> = party.addresses.iter().map(ToString::to_string).collect();
    let mut text = addresses.join(", ");
    let more = party.count.saturating_sub(addresses.len() as u64);
    if more > 0 {
        let at_least = if party.at_least { "at least " } else { "" };
        let _ = write!(text, " and {at_least}{more} more");
    }
    if let Some(name) = party.best_name() {
        let _ = write!(text, " {name}");
    }
    let notes = notes(party);
    if !notes.is_empty() {
        let _ = write!(text, " ({})", notes.join(", "));
    }
    text
}

/// What else is known of a host: from the inventory, its lease, and itself.
fn notes(party: &Party) -> Vec<String> {
    let asset = party.asset.as_ref();
    let (owner, role) = (asset.and_then(|it| it.owner.as_ref()), asset.and_then(|it| it.role.as_ref()));
    let known = party.enrichment().cloned().unwrap_or_default();
    let best = party.best_name();
    let other = |name: Option<String>| name.filter(|name| best != Some(name));
    [
        owner.map(|owner| format!("owner {owner}")),
        role.map(|role| format!("role {}", role.name())),
        other(known.lease_name).map(|name| format!("leased as {name}")),
        other(known.dns_name).map(|name| format!("{name} in DNS")),
        other(party.name.clone()).map(|name| format!("calls itself {name}")),
        known.mac.map(|mac| format!("hardware address {mac}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn user(credential: &Credential) -> String {
    let mut text = credential.account().unwrap_or_else(|| "user not shown".to_owned());
    if let Some(workstation) = credential.workstation.as_deref().filter(|name| !name.is_empty()) {
        let _ = write!(text, " on {workstation}");
    }
    let _ = write!(text, ", {}", credential.method.name());
    match credential.outcome {
        Some(LogonOutcome::Accepted) => text.push_str(", accepted"),
        Some(LogonOutcome::AcceptedAsGuest) => text.push_str(", accepted as guest"),
        Some(LogonOutcome::Refused) => text.push_str(", refused"),
        None => {}
    }
    if credential.attempts > 1 {
        let _ = write!(text, ", {} times", credential.attempts);
    }
    text
}

fn share(share: &Share) -> String {
    let kind = share.kind.map(|kind| format!(" ({})", kind.name())).unwrap_or_default();
    let state = match share.connected {
        Some(false) => ", refused",
        _ => "",
    };
    format!("{}{kind}{state}", share.path)
}

fn volume(incident: &Incident) -> String {
    let counted = &incident.counted;
    let bytes = rules::sentence::bytes;
    let connections = match counted.connections {
        1 => "1 connection".to_owned(),
        many => format!("{many} connections"),
    };
    let mut text = format!(
        "{} left, {} came in, {connections} in {}",
        bytes(counted.payload[0]),
        bytes(counted.payload[1]),
        rules::sentence::duration(incident.last.since(incident.first))
    );
    for dialect in &incident.dialects {
        let _ = write!(text, ", SMB {dialect}");
    }
    if incident.encrypted {
        text.push_str(", encrypted");
    } else if incident.level >= EvidenceLevel::Session && incident.complete && incident.quic.is_empty() {
        text.push_str(", not encrypted");
    }
    let again = counted.retransmitted[0] + counted.retransmitted[1];
    if again > 0 {
        let _ = write!(text, ", {} sent again", bytes(again));
    }
    text
}

fn connections(incident: &Incident, lines: &mut Lines) {
    if incident.connections.len() < 2 {
        return;
    }
    for one in &incident.connections {
        let bytes = rules::sentence::bytes;
        lines.put(
            "connection",
            &format!(
                "{} {} -> {}  {}, {} left, {} came in{}",
                clock(one.first, incident.first),
                one.client,
                one.server,
                one.level,
                bytes(one.bytes_left),
                bytes(one.bytes_came),
                if one.closed { "" } else { ", open" }
            ),
        );
    }
}

fn findings(incident: &Incident, lines: &mut Lines) {
    let mut findings: Vec<_> = incident.findings.values().collect();
    findings
        .sort_by_key(|one| (one.rule != incident.rule, std::cmp::Reverse((one.severity, one.risk_score))));
    for one in findings {
        let techniques =
            if one.techniques.is_empty() { String::new() } else { format!(", {}", one.techniques.join(" ")) };
        let before = one.risen_from.map(|(severity, score)| format!("{severity} {score} → "));
        let worth = format!("{}{} {}", before.unwrap_or_default(), one.severity, one.risk_score);
        lines.put("findings", &format!("{} ({worth}{techniques}): {}", one.rule, one.fact));
    }
}

/// Incidents that have something in common with this one.
fn related(incident: &Incident, lines: &mut Lines) {
    for (id, kinds) in &incident.related.incidents {
        let common: Vec<_> = kinds.iter().map(|kind| kind.name().replace('_', " ")).collect();
        lines.put("related", &format!("{id}, same {}", rules::sentence::list(&common)));
    }
    if let Some(campaign) = incident.related.campaign {
        lines.put("campaign", &format!("{campaign}; `smb-sensor alerts --campaigns` lists it"));
    }
}

fn complete(incident: &Incident) -> String {
    let read = if incident.joined_late {
        "the sensor joined late and did not see the beginning"
    } else if incident.complete && incident.unanswered_smb && incident.level < EvidenceLevel::Smb {
        "every SMB message that was seen was read"
    } else if incident.complete && incident.level < EvidenceLevel::Smb {
        "no SMB message was seen"
    } else if incident.complete {
        "every message of the set-up was read"
    } else {
        "not every message was read"
    };
    let lost = match incident.lost_records {
        0 => "no record lost".to_owned(),
        lost => format!("{lost} records of the ring lost"),
    };
    let sides = if incident.one_sided { "; packets of one direction alone were seen" } else { "" };
    let conflict = if incident.conflicting { "; segments contradict each other" } else { "" };
    format!("{read}; {lost}{sides}{conflict}")
}

fn advice(incident: &Incident, lines: &mut Lines) {
    let advice = steps::steps(incident, true);
    for (step, number) in advice.in_order().zip(1..) {
        lines.put("do now", &format!("{number}. {step}"));
    }
    lines.put("if benign", &advice.benign);
}

/// Time of day; with its date where that is not the one of `first`.
fn clock(at: Timestamp, first: Timestamp) -> String {
    let (text, first) = (rfc3339(at), rfc3339(first));
    let same_day = text.get(..10) == first.get(..10);
    let time = text.get(11..23).unwrap_or(&text);
    if same_day { time.to_owned() } else { format!("{} {time}", text.get(..10).unwrap_or_default()) }
}

/// "2026-11-29 10:13".
fn date(at: Timestamp) -> String {
    rfc3339(at).get(..16).unwrap_or_default().replace('T', " ")
}
