//! The two sides of an incident in full.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use sensor_core::{
    address::Direction,
    enrichment::Sightings,
    incident::{Credential, CredentialMethod, Incident, Party},
    rules,
    time::Timestamp,
};

use super::elsewhere::Elsewhere;
use crate::rfc3339::rfc3339;

/// The internal side, with the process that opened the connections.
pub(super) fn internal(incident: &Incident) -> String {
    let mut text = party(&incident.internal, None);
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

/// The external side, with what was seen of it before `now`.
pub(super) fn external(incident: &Incident, elsewhere: &Elsewhere, now: Timestamp) -> String {
    let is_server = incident.direction == Direction::Outbound;
    let port = incident.external.only_address().and(incident.only_tcp_port()).filter(|_| is_server);
    let mut text = party(&incident.external, port);
    if let Some(known) = incident.external.enrichment() {
        let system = known.autonomous_system.as_ref().map(ToString::to_string);
        for fact in [system, known.country.clone()].into_iter().flatten() {
            let _ = write!(text, ", {fact}");
        }
    }
    match incident.direction {
        Direction::Inbound => text.push_str(windows_client(incident)),
        Direction::Outbound if port.is_none() => {
            let _ = write!(text, ", {}", incident.ports_phrase());
        }
        Direction::Outbound => {}
    }
    if let Some(known) = incident.external.enrichment() {
        let seen = known.sightings.as_ref();
        let first = seen.map_or(incident.first, |seen| seen.first).min(elsewhere.first).min(incident.first);
        let _ = write!(text, "; first seen {}", moment(first, incident.first, now));
        match seen {
            Some(seen) => text.push_str(&seen_by(incident, seen, elsewhere)),
            None => text.push_str(&named_by(elsewhere)),
        }
    }
    text
}

/// On which days and by whom the external host was seen, as far as the store knows.
fn seen_by(incident: &Incident, seen: &Sightings, elsewhere: &Elsewhere) -> String {
    let counted = rules::sentence::counted;
    let own = u64::from(incident.internal.only_address().is_some());
    let hosts = seen.hosts.max(elsewhere.other_hosts as u64 + own);
    let (days, level) = (counted(seen.days, "day"), seen.level);
    match (hosts, incident.direction) {
        (0, _) => format!(", on {days}, as far as {level}"),
        (1, _) if own == 1 => {
            let earlier =
                if seen.days > 1 { format!(", on {days}, as far as {level}") } else { String::new() };
            let did = if incident.direction == Direction::Outbound && elsewhere.all_are_counted {
                "is known to have used it"
            } else {
                "has an incident with it"
            };
            format!("{earlier}; no other internal host {did}")
        }
        _ => format!(", on {days} by {}, as far as {level}", counted(hosts, "internal host")),
    }
}

/// Whose incidents name the external host, where that is all that is known.
fn named_by(elsewhere: &Elsewhere) -> String {
    match elsewhere.other_hosts {
        0 => "; no incident of another internal host names it".to_owned(),
        1 => "; incidents of 1 other internal host name it".to_owned(),
        many => format!("; incidents of {many} other internal hosts name it"),
    }
}

/// Names of the external host in the configuration, and of the server as the client said them: in QUIC, in TLS, and in an NTLM
/// response.
pub(super) fn further_names(incident: &Incident) -> Vec<String> {
    let known = incident.external.enrichment();
    let configured = known.into_iter().flat_map(|known| &known.configured_names).map(ToString::to_string);
    let quic = incident.quic.iter().filter_map(|hello| hello.server_name.as_ref());
    let quic = quic.map(|name| format!("{name} (server name in QUIC)"));
    let tls = incident.tls_servers.iter().map(|name| format!("{name} (server name in TLS)"));
    let ntlm = |one: &&Credential| one.method != CredentialMethod::Kerberos;
    let targets = incident.credentials.iter().filter(ntlm).filter_map(|one| one.target.as_ref());
    let targets = targets.map(|target| format!("{target} (target of the NTLM response)"));
    let mut names: Vec<_> = configured.chain(quic).chain(tls).chain(targets).collect();
    names.sort();
    names.dedup();
    names
}

/// The inferred client.
fn windows_client(incident: &Incident) -> &'static str {
    if incident.windows_client.is_empty() { "" } else { ", probably the SMB client of the Windows kernel" }
}

/// A side, with the port of its only address where that is given: "8.8.4.4:445".
fn party(party: &Party, port: Option<u16>) -> String {
    let at_port = |address: &IpAddr| {
        port.map_or_else(|| address.to_string(), |port| SocketAddr::new(*address, port).to_string())
    };
    let addresses: Vec<_> = party.addresses.iter().map(at_port).collect();
    let mut text = addresses.join(", ");
    let more = party.count.saturating_sub(addresses.len() as u64);
    if more > 0 {
        let at_least = if party.at_least { "at least " } else { "" };
        let _ = write!(text, " and {at_least}{more} more");
    }
    if let Some(net) = party.narrow_network() {
        let _ = write!(text, ", all in {net}");
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
    // NetBIOS has names in capital letters.
    let is_best = |name: &String| best.is_some_and(|best| best.eq_ignore_ascii_case(name));
    let other = |name: Option<String>| name.filter(|name| !is_best(name));
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

/// "today", "today at 08:32" if that was before `known`, or "2026-11-29 10:13".
fn moment(at: Timestamp, known: Timestamp, now: Timestamp) -> String {
    let (date, today) = (date(at), date(now));
    match date.split_once(' ') {
        Some((day, time)) if today.starts_with(day) => {
            if at < known {
                format!("today at {time}")
            } else {
                "today".to_owned()
            }
        }
        _ => date,
    }
}

/// "2026-11-29 10:13".
fn date(at: Timestamp) -> String {
    rfc3339(at).get(..16).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use sensor_core::{
        asset::Asset,
        enrichment::{ConfiguredName, Enrichment},
        incident::fixtures::host,
    };

    use super::*;

    /// A host with a name from every source.
    fn named_by_all() -> Party {
        let configured = ConfiguredName { name: "list.example".into(), origin: "list provider".into() };
        let enrichment = Enrichment {
            lease_name: Some("leased".into()),
            dns_name: Some("ptr.example".into()),
            configured_names: vec![configured],
            ..Enrichment::default()
        };
        let asset = Some(Asset { name: "inventoried".into(), owner: None, role: None });
        Party { asset, enrichment, name: Some("SELF".into()), ..host("10.0.0.2") }
    }

    #[test]
    fn the_most_trusted_name_is_shown_first_and_the_others_with_their_source() {
        let mut host = named_by_all();
        let all = "10.0.0.2 inventoried (leased as leased, ptr.example in DNS, calls itself SELF)";
        assert_eq!(party(&host, None), all);
        host.asset = None;
        assert_eq!(party(&host, None), "10.0.0.2 leased (ptr.example in DNS, calls itself SELF)");
        host.enrichment.lease_name = None;
        assert_eq!(party(&host, None), "10.0.0.2 list.example (ptr.example in DNS, calls itself SELF)");
        host.enrichment.configured_names.clear();
        assert_eq!(party(&host, None), "10.0.0.2 ptr.example (calls itself SELF)");
        host.enrichment.dns_name = None;
        assert_eq!(party(&host, None), "10.0.0.2 SELF");
        assert_eq!(party(&host, Some(445)), "10.0.0.2:445 SELF");
        host.addresses = vec!["2001:db8::2".parse().unwrap()];
        assert_eq!(party(&host, Some(445)), "[2001:db8::2]:445 SELF");
    }
}
