//! One incident in full.

use std::fmt::Write as _;

use sensor_core::{
    incident::{
        Credential, CredentialMethod, Incident, LogonOutcome, Party, Share, message, steps, timeline,
    },
    level::EvidenceLevel,
    rules,
    time::Timestamp,
};
use sensor_dissect::escape::shown;

use super::{
    elsewhere::Elsewhere,
    hosts::{external, further_names, internal},
};
use crate::{response::VerdictEntry, rfc3339::rfc3339};

/// Width of the names of lines.
const NAME: usize = 11;

/// The text, as it is read at `now`.
pub(super) fn text(
    incident: &Incident,
    elsewhere: &Elsewhere,
    verdict_entry: Option<&VerdictEntry>,
    now: Timestamp,
) -> String {
    let mut lines = Lines::default();
    let headline = format!("{}  {}.", incident.severity.name().to_uppercase(), message::title(incident));
    let _ = writeln!(lines.0, "{}", shown(headline.as_bytes()));
    lines
        .put("incident", &format!("{}, opened {}; all times are UTC", incident.id, rfc3339(incident.opened)));
    if let Some(VerdictEntry { verdict, note, by, at }) = verdict_entry {
        let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        lines.put("verdict", &format!("{verdict}, by {by}, {}{note}", rfc3339(*at)));
    }
    lines.put("internal", &internal(incident));
    lines.put("external", &external(incident, elsewhere, now));
    let names = further_names(incident);
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
        lines.put("shares", &shares_of(&shares, incident.server()).join(", "));
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
    if !incident.timeline.is_empty() {
        lines.put("timeline", &course(incident));
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

/// Shares by their names where all are of the server that another line names, or else with their whole paths.
fn shares_of(shares: &[&Share], server: &Party) -> Vec<String> {
    let names: Option<Vec<_>> = shares.iter().map(|share| name_on(&share.path, server)).collect();
    let paths = || shares.iter().map(|share| share.path.as_str()).collect();
    shares.iter().zip(names.unwrap_or_else(paths)).map(|(one, shown)| share(one, shown)).collect()
}

/// "files" of `\\8.8.4.4\files`, if that is the address or the name of this server.
fn name_on<'a>(path: &'a str, server: &Party) -> Option<&'a str> {
    let (host, name) = path.strip_prefix(r"\\")?.split_once('\\')?;
    let is_address = server.only_address().is_some_and(|address| address.to_string() == host);
    let is_name = || server.best_name().is_some_and(|best| best.eq_ignore_ascii_case(host));
    (server.only_address().is_some() && (is_address || is_name()) && !name.is_empty()).then_some(name)
}

fn share(share: &Share, shown: &str) -> String {
    let kind = share.kind.map(|kind| format!(" ({})", kind.name())).unwrap_or_default();
    let state = match share.connected {
        Some(false) => ", refused",
        _ => "",
    };
    format!("{shown}{kind}{state}")
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

/// The steps with their times. A time has its date where that is another one than before, and of the time only the fraction where it is
/// the same second as before: "10:13:55.102 connected · .108 SMB".
fn course(incident: &Incident) -> String {
    let mut before: Option<String> = None;
    let mut steps = Vec::new();
    for (entry, what) in incident.timeline.iter().zip(timeline::short_phrases(&incident.timeline)) {
        let at = rfc3339(entry.at);
        let is_same_second = before.as_ref().is_some_and(|before| before.get(..19) == at.get(..19));
        let time = if is_same_second {
            at.get(19..23).unwrap_or(&at).to_owned()
        } else {
            on_another_day(&at, before.as_ref().unwrap_or(&rfc3339(incident.first)))
        };
        steps.push(format!("{time} {what}"));
        before = Some(at);
    }
    steps.join(" · ")
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
        let at = match given_away(incident, &one.rule) {
            Some((what, sent)) => format!("{what} in the frame of {}", clock(sent, incident.first)),
            None => format!("found at {}", clock(one.first, incident.first)),
        };
        lines.put("findings", &format!("{} ({worth}{techniques}), {at}: {}", one.rule, one.fact));
    }
}

/// The message in which a credential was given away, and the time of its frame, if the rule found the only credential of the incident
/// that it can be.
fn given_away(incident: &Incident, rule: &str) -> Option<(&'static str, Timestamp)> {
    let can_be =
        |one: &&Credential| !matches!(one.method, CredentialMethod::Anonymous | CredentialMethod::Kerberos);
    let mut sent = incident.credentials.iter().filter(can_be);
    let (Some(only), None) = (sent.next(), sent.next()) else { return None };
    let what = match (only.method, only.attempts) {
        (CredentialMethod::Password, ..=1) => "password",
        (CredentialMethod::Password, _) => "first password",
        (_, ..=1) => "response",
        _ => "first response",
    };
    let is_found = rule == rules::credential::META.id && incident.credentials_left_out == 0;
    is_found.then_some((what, only.first))
}

/// Incidents that have something in common with this one.
fn related(incident: &Incident, lines: &mut Lines) {
    for (id, kinds) in &incident.related.incidents {
        let common: Vec<_> = kinds.iter().map(|kind| kind.name().replace('_', " ")).collect();
        lines.put("related", &format!("{id}, same {}", rules::sentence::list(&common)));
    }
    let left_out = incident.related.left_out;
    if left_out > 0 {
        let others = rules::sentence::counted(left_out, "other");
        let lists = format!("`smb-sensor alerts --related-to {}` lists all", incident.id);
        lines.put("related", &format!("and {others}; {lists}"));
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
        "not every message is known to have been read"
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
    on_another_day(&rfc3339(at), &rfc3339(first))
}

/// The time of day of `at`; with its date where that is not the one of `other`. Both are written as [`rfc3339`] writes them.
fn on_another_day(at: &str, other: &str) -> String {
    let time = at.get(11..23).unwrap_or(at);
    if at.get(..10) == other.get(..10) {
        time.to_owned()
    } else {
        format!("{} {time}", at.get(..10).unwrap_or_default())
    }
}
