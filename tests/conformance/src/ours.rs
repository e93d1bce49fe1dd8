//! The dissector's facts.

use std::{collections::BTreeSet, net::SocketAddr, path::Path};

use anyhow::Result;
use sensor_dissect::{
    FingerprintKey,
    facts::{Dialect, Facts, Method},
    status::Status,
};
use sensor_user::capture;

use crate::{
    fact::{Fact, Seen, account, ends, ticket},
    netbios,
};

/// Facts, and the ports that tshark needs to know.
pub(crate) struct Ours {
    pub(crate) seen: Seen,
    pub(crate) other_ports: BTreeSet<u16>,
}

impl Ours {
    fn add(&mut self, (client, server): (SocketAddr, SocketAddr), facts: Vec<(Fact, String)>) {
        let ends = ends(client.to_string(), server.to_string());
        for (fact, value) in facts {
            self.seen.entry((ends.clone(), fact)).or_default().insert(value);
        }
    }
}

/// Reads a capture.
pub(crate) fn read(capture: &Path) -> Result<Ours> {
    let mut ours = Ours { seen: Seen::new(), other_ports: BTreeSet::new() };
    for recorded in capture::connections(capture, &FingerprintKey::new([0; 32]))? {
        let port = recorded.server.port();
        if recorded.facts.smb_spoken() && !matches!(port, 139 | 445) {
            ours.other_ports.insert(port);
        }
        ours.add((recorded.client, recorded.server), facts(&recorded.facts));
    }
    for recorded in capture::datagrams(capture)? {
        ours.add((recorded.client, recorded.server), netbios::ours(&recorded));
    }
    Ok(ours)
}

fn facts(facts: &Facts) -> Vec<(Fact, String)> {
    let mut seen = Vec::new();
    match &facts.dialect {
        Some(Dialect::Smb1(name)) => seen.push((Fact::Dialect, name.clone())),
        Some(Dialect::Smb2(number)) => seen.push((Fact::Dialect, format!("0x{number:04x}"))),
        None => {}
    }
    for credential in &facts.credentials {
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        if credential.method == Method::Kerberos {
            seen.push((Fact::Ticket, ticket(&text(&credential.domain), &text(&credential.target))));
            continue;
        }
        let account =
            account(&text(&credential.domain), &text(&credential.user), &text(&credential.workstation));
        seen.push((Fact::Account, account));
    }
    seen.extend(facts.server.target.iter().map(|target| (Fact::ServerName, target.clone())));
    seen.extend(facts.shares.iter().map(|share| (Fact::Share, share.path.clone())));
    for status in &facts.session_statuses {
        let value = match status {
            Status::Nt(value) => format!("0x{value:08x}"),
            Status::Dos { class, code } => format!("DOS {class}/{code}"),
            // The comparison is of the status of SMB.
            Status::Http(_) => continue,
        };
        seen.push((Fact::SessionStatus, value));
    }
    seen.extend(facts.interfaces.iter().map(|interface| (Fact::Interface, interface.uuid.to_string())));
    let operations = facts.interfaces.iter().flat_map(|interface| &interface.operations);
    seen.extend(operations.map(|number| (Fact::Operation, number.to_string())));
    seen
}
