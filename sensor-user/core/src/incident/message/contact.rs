//! Headlines of incidents without a session: sweeps, exposed ports, and connections that nobody answered or that spoke no SMB.

use super::{Headline, interval};
use crate::{
    address::Direction,
    incident::{
        Incident,
        phrase::{server_names, since},
    },
    level::EvidenceLevel,
    rules::sweep,
    service::Service,
    view::OtherProtocol,
};

/// One client, many servers.
pub(super) fn sweep(incident: &Incident) -> Headline {
    let (client, ports) = (incident.client().phrase(), incident.ports_phrase());
    let counts = incident.targets.unwrap_or_default();
    let outcomes: Vec<_> =
        [(counts.answered, "answered"), (counts.refused, "refused"), (counts.silent, "silent")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
    let outcomes = outcomes.join(", ");
    let at_least = if incident.server().at_least { "at least " } else { "" };
    let addresses = if counts.targets == 1 { "address" } else { "addresses" };
    // A few servers are no sweep before the rule says so.
    let is_sweep = incident.findings.contains_key(sweep::META.id);
    let (whole, short) = if is_sweep { (", a sweep", "sweep on") } else { ("", "tried") };
    Headline::new(
        format!("{client} tried {ports} of {at_least}{} {addresses}{whole}: {outcomes}", counts.targets),
        format!("{short} {ports}: {outcomes}"),
    )
}

/// One server that answers many.
pub(super) fn exposure(incident: &Incident) -> Headline {
    let (server, ports) = (incident.server().phrase(), incident.ports_phrase());
    let answer = if incident.ports.len() > 1 { "answer" } else { "answers" };
    let whom = match incident.client().only_address() {
        Some(one) => one.to_string(),
        None => incident.client().phrase(),
    };
    if let Some(seen) = incident.webdav.as_ref().filter(|seen| seen.served) {
        let how = if seen.anonymous { ", without a log-on" } else { "" };
        return Headline::new(
            format!("{ports} of {server} {answer} the Internet with WebDAV{how}: {whom} reached it"),
            format!("WebDAV on {ports} {answer} the Internet{how}"),
        );
    }
    Headline::new(
        format!("{ports} of {server} {answer} the Internet: {whom} reached it"),
        format!("{ports} {answer} the Internet"),
    )
}

/// Connections that came to no session.
pub(super) fn contact(incident: &Incident) -> Headline {
    let (client, server, ports) =
        (incident.client().phrase(), incident.server().phrase(), incident.ports_phrase());
    let named = |service| incident.ports.iter().any(|(.., known)| *known == service);
    if let Some(headline) = webdav(incident, &client, &server) {
        return headline;
    }
    match incident.level {
        EvidenceLevel::Attempt if incident.counted.dropped >= incident.counted.connections.max(1) => {
            Headline::new(
                format!("{client} tried {ports} of {server}, and enforcement dropped it"),
                format!("{ports} tried, dropped{}", rhythm(incident)),
            )
        }
        EvidenceLevel::Attempt => Headline::new(
            format!("{client} tried {ports} of {server}, and no answer was seen"),
            format!("{ports} tried, no answer{}", rhythm(incident)),
        ),
        EvidenceLevel::Refused => Headline::new(
            format!("{client} tried {ports} of {server}, which refused"),
            format!("{ports} refused{}", rhythm(incident)),
        ),
        EvidenceLevel::Answered => {
            let whom = if incident.direction == Direction::Inbound { " the Internet" } else { "" };
            Headline::new(
                format!("{client} tried {ports} of {server}, which answered"),
                format!("{ports} answered{whom}{}", rhythm(incident)),
            )
        }
        EvidenceLevel::Connected if named(Service::Netbios) => Headline::new(
            format!("{client} asked NetBIOS on {ports} of {server}, which answered"),
            format!("NetBIOS on {ports} answered{}", rhythm(incident)),
        ),
        EvidenceLevel::Connected => connected(incident, &client, &server, &ports),
        _ => {
            let protocol = match incident.dialect_phrase() {
                Some(dialect) => dialect,
                None if named(Service::Rpc) && !named(Service::Smb) => "DCE-RPC".to_owned(),
                None => "SMB".to_owned(),
            };
            Headline::new(
                format!("{client} spoke {protocol} with {server} on {ports}"),
                format!("spoke {protocol} on {ports}"),
            )
        }
    }
}

/// Requests of WebDAV, where nobody spoke SMB.
fn webdav(incident: &Incident, client: &str, server: &str) -> Option<Headline> {
    let did = incident.webdav_phrase().filter(|_| incident.dialects.is_empty())?;
    let ports = incident.webdav_ports_phrase();
    let short = did.trim_start_matches("sent a ");
    Some(Headline::new(format!("{client} {did} to {ports} of {server}"), format!("{short} to {ports}")))
}

/// Connections without SMB.
fn connected(incident: &Incident, client: &str, server: &str, ports: &str) -> Headline {
    let other: Vec<_> = incident.other_protocols.iter().map(|protocol| other(*protocol)).collect();
    if !other.is_empty() {
        let other = other.join(" and ");
        let names = server_names(incident.tls_servers.iter().map(AsRef::as_ref));
        return Headline::new(
            format!("{client} connected to {ports} of {server}{names} and spoke {other}, not SMB"),
            format!("{other}{names} on {ports}, not SMB"),
        );
    }
    let sent = incident.bytes_left() + incident.bytes_came() > 0;
    let (whole, short) = if incident.unanswered_smb {
        ("; SMB was seen from one side only", ", SMB from one side only")
    } else if sent || !incident.read_in_full() {
        ("; no SMB was seen", ", no SMB seen")
    } else {
        ("; no data was sent", ", no data sent")
    };
    Headline::new(
        format!("{client} connected to {ports} of {server}{whole}"),
        format!("connected to {ports}{short}"),
    )
}

const fn other(protocol: OtherProtocol) -> &'static str {
    match protocol {
        OtherProtocol::Http => "HTTP",
        OtherProtocol::Tls => "TLS",
    }
}

/// "; every 30 s since 26 Nov"
fn rhythm(incident: &Incident) -> String {
    interval(incident)
        .map(|every| format!("; every {every} {}", since(incident.first, incident.last)))
        .unwrap_or_default()
}
