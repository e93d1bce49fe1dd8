//! The triage note: what was seen, what to check, how to contain.

use serde_json::{Value, json};

use super::{admission::Summary, netbios, smb, timestamp::rfc3339};
use crate::{
    config::Service,
    detect::{Direction, Rule, Sight},
    dissect::facts::{Credential, Outcome},
    flow::Evidence,
};
use sensor_common::slot::{Side, UDP};

/// One sentence on what happened.
pub(super) fn seen(sight: &Sight<'_>) -> String {
    let (who, whom) = match sight.direction {
        Direction::Outbound => ("Internal", "external"),
        Direction::Inbound => ("External", "internal"),
    };
    let service = match sight.service {
        Service::Smb => "SMB",
        Service::Rpc => "the DCE-RPC endpoint mapper",
        Service::Netbios => "NetBIOS",
    };
    let transport = if sight.flow.ends.transport == UDP { "UDP" } else { "TCP" };
    let counts = sight.flow.counts();
    let (up, down) =
        (counts.payload[sight.flow.client as usize], counts.payload[sight.flow.server() as usize]);
    let got = match sight.flow.evidence {
        Evidence::Attempt | Evidence::Established if transport == "UDP" => datagrams(sight),
        Evidence::Attempt => "; nothing shows that a connection came about".to_owned(),
        Evidence::Refused => "; the server refused".to_owned(),
        Evidence::Established => "; the connection was established".to_owned(),
        Evidence::Smb => "; they spoke SMB".to_owned(),
        Evidence::AuthenticatedAttempt => format!("; {}", credentials(sight)),
        Evidence::Session => format!("; a session was set up; {}", credentials(sight)),
        Evidence::Share => format!("; {}; {}", shares(sight), credentials(sight)),
        Evidence::Data if sight.flow.facts.is_some() => format!(
            " and exchanged data: {up} bytes sent, {down} bytes received; {}; {}",
            shares(sight),
            credentials(sight)
        ),
        Evidence::Data => format!(" and exchanged data: {up} bytes sent, {down} bytes received"),
    };
    format!(
        "{who} {} contacted {service} of {whom} {} on {transport}/{}{got}.",
        sight.client.ip(),
        sight.server.ip(),
        sight.server.port(),
    )
}

/// What was said in datagrams, and whether that was answered.
fn datagrams(sight: &Sight<'_>) -> String {
    let said = sight.flow.datagrams.as_deref();
    let words = said.and_then(netbios::in_words).map(|words| format!("; {words}")).unwrap_or_default();
    let answer = said.and_then(|said| said.exchanges.first()?.answer.as_ref());
    match sight.flow.evidence {
        Evidence::Attempt => words + "; nothing shows that a server of NetBIOS answered",
        _ if answer.is_some() => words,
        _ => words + "; the server answered",
    }
}

/// Who gave what away, in words: the last of them, rather one that was accepted, and how many there were.
fn credentials(sight: &Sight<'_>) -> String {
    let facts = sight.flow.facts.as_deref();
    let known = facts.map_or(&[][..], |facts| &facts.credentials);
    let accepted = |one: &&Credential| one.outcome.is_some_and(Outcome::is_accepted);
    let named = known.iter().filter(|one| !one.is_anonymous()).max_by_key(accepted);
    let Some(last) = named.or(known.last()) else {
        return "nobody was seen to log on".to_owned();
    };
    let who = match (last.domain.as_deref().filter(|domain| !domain.is_empty()), last.user.as_deref()) {
        _ if last.is_anonymous() => "the client logged on anonymously".to_owned(),
        (Some(domain), Some(user)) => {
            format!("the client sent {} credential of {domain}\\{user}", smb::with_article(last))
        }
        (None, Some(user)) => format!("the client sent {} credential of {user}", smb::with_article(last)),
        _ => format!("the client sent {} credential", smb::with_article(last)),
    };
    let outcome = match last.outcome {
        Some(Outcome::Accepted) => ", which was accepted".to_owned(),
        Some(Outcome::AcceptedAsGuest) => ", which was accepted as a guest's".to_owned(),
        Some(Outcome::Refused(status)) => format!(", which was refused ({status})"),
        None => String::new(),
    };
    let count = known.len() + facts.map_or(0, |facts| facts.credentials_left_out as usize);
    let more = if count > 1 { format!(" ({count} in all)") } else { String::new() };
    format!("{who}{outcome}{more}")
}

/// Which shares were connected.
fn shares(sight: &Sight<'_>) -> String {
    let known = sight.flow.facts.as_deref().map_or(&[][..], |facts| &facts.shares);
    let connected: Vec<_> = known
        .iter()
        .filter(|share| share.outcome.is_some_and(Outcome::is_accepted))
        .map(|share| share.path.as_str())
        .collect();
    match connected.as_slice() {
        [] => "no share was seen to be connected".to_owned(),
        [one] => format!("share {one} was connected"),
        [first, ..] => format!("{} shares were connected, {first} the first", connected.len()),
    }
}

/// The note as it stands in the document. `networks_defined` tells whether the operator named networks of their own.
pub(super) fn note(rule: &Rule, seen: &str, networks_defined: bool) -> Value {
    in_order(seen, rule.check.to_owned(), rule.contain, networks_defined)
}

/// The same on what a rule did not tell one by one.
pub(super) fn note_on_hidden(summary: &Summary, seen: &str, networks_defined: bool) -> Value {
    let (rule, since) = (summary.rule, rfc3339(summary.from));
    let (from, first) = match summary.loudest.named.first() {
        Some((source, _)) => (format!(" --source {source}"), "Begin with the sources that are named. "),
        None => (String::new(), ""),
    };
    let spoke_smb = if summary.hidden[Evidence::Smb as usize..].iter().any(|count| *count > 0) {
        format!(
            ", above all those that spoke SMB (`smb-sensor alerts --flows --since {since} --evidence smb`)"
        )
    } else {
        String::new()
    };
    let check = format!(
        "Whether few sources stand behind it, and who got farthest: flows have their summaries once they are over, hidden or not (`smb-sensor \
         alerts --flows --since {since}{from}`){spoke_smb}. `smb-sensor alerts --rule {} --since {since}` lists what was written. {}",
        rule.id, rule.check,
    );
    let contain = format!(
        "{first}{} What is known to be safe, exempt with a reason, so that it hides nothing else.",
        rule.contain
    );
    in_order(seen, check, &contain, networks_defined)
}

fn in_order(seen: &str, mut check: String, contain: &str, networks_defined: bool) -> Value {
    if !networks_defined {
        check.push_str(
            " No internal networks are configured beyond the private ranges: if the external address is your own, list \
             it under networks.internal.",
        );
    }
    json!({ "seen": seen, "check": check, "contain": contain })
}

/// Bytes of payload that left the internal networks.
pub(super) fn bytes_left(sight: &Sight<'_>) -> u64 {
    sight.flow.counts().payload[Side::Local as usize]
}
