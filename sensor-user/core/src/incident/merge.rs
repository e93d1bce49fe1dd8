//! Merges a connection into its incident: sums, users, shares, operations, the course of events. Merging the same connection
//! again adds only new facts.

mod credentials;

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use sensor_dissect::{
    Facts,
    facts::{Outcome, Signing},
    quic::ClientHello,
    smb2,
};

use super::{
    AnsweringPort, ConnectionRecord, Incident, Milestone, Party, Share, ShareKind, TimelineEntry,
    link::{Contribution, Link},
};
use crate::{
    address::Direction, level::EvidenceLevel, process::Process, rules::windows_client, service::Service,
    time::Timestamp, view::FlowView,
};

/// Bounds of what an incident lists. What goes beyond is counted, or left out where it says nothing new.
const MAX_SHARES: usize = 64;
const MAX_INTERFACES: usize = 32;
const MAX_OPERATIONS: usize = 64;
const MAX_PORTS: usize = 16;
const MAX_ANSWERING: usize = 256;
const MAX_PROCESSES: usize = 8;
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
        let before = match (self.count, self.addresses.as_slice()) {
            (1, [only]) => Some((*only).into()),
            _ => self.network,
        };
        self.network = before.and_then(|net| widened(net, address));
        self.count += 1;
        if self.addresses.len() < MAX_ADDRESSES {
            self.addresses.push(address);
        }
    }
}

/// The smallest network with `net` and this address; `None` if they are of two families.
fn widened(net: IpNet, address: IpAddr) -> Option<IpNet> {
    std::iter::successors(Some(net), IpNet::supernet).find(|wider| wider.contains(&address))
}

impl Incident {
    /// Merges a connection. Returns whether that brought something that is worth writing, sums left aside.
    pub(crate) fn merge(&mut self, view: &FlowView<'_>, link: &mut Link) -> bool {
        let now = Contribution::of(view);
        self.counted.replace(&link.counted, &now);
        link.counted = now;
        let mut has_changed = self.merge_course(view);
        self.merge_answering(view);
        self.merge_connection(view);
        if let Some(facts) = view.facts {
            has_changed |= self.merge_credentials(facts, link, view.last);
            has_changed |= self.merge_shares(facts, view.last);
            has_changed |= self.merge_operations(facts, view.last);
            has_changed |= self.merge_negotiation(facts, view);
            has_changed |= self.merge_webdav(facts, view);
        }
        if let Some(process) = view.process {
            has_changed |= self.merge_process(process);
        }
        has_changed
    }

    /// Processes that opened its connections, the first one first.
    pub fn processes(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.process.iter().chain(&self.other_processes)
    }

    /// Processes are distinguished by number and name: a number is given away again.
    fn merge_process(&mut self, process: &Arc<Process>) -> bool {
        let is_same = |known: &Arc<Process>| known.pid == process.pid && known.name == process.name;
        if self.processes().any(is_same) {
            return false;
        }
        if self.process.is_none() {
            self.process = Some(Arc::clone(process));
        } else if self.processes().count() < MAX_PROCESSES {
            self.other_processes.push(Arc::clone(process));
        } else {
            return !std::mem::replace(&mut self.more_processes, true);
        }
        true
    }

    fn merge_webdav(&mut self, facts: &Facts, view: &FlowView<'_>) -> bool {
        if view.service != Service::WebDav {
            return false;
        }
        let before = self.webdav.clone();
        let seen = &facts.webdav;
        let known = self.webdav.get_or_insert_default();
        known.method = known.method.take().or_else(|| seen.method.clone());
        known.user_agent = known.user_agent.take().or_else(|| seen.user_agent.clone());
        let evidence = seen.evidence;
        known.requested |= evidence.method || evidence.redirector || evidence.served;
        known.served |= evidence.served;
        known.anonymous |= evidence.anonymous;
        if before.is_none() {
            self.milestone(view.last, Milestone::WebDav);
        }
        self.webdav != before
    }

    /// Times, level, and what is known of the whole.
    fn merge_course(&mut self, view: &FlowView<'_>) -> bool {
        if self.counted.connections <= 1 && self.level == EvidenceLevel::Attempt {
            self.milestone(view.first, Milestone::Attempted);
        }
        let mut has_changed = false;
        if view.level > self.level {
            let reached = match view.level {
                EvidenceLevel::Refused => Some(Milestone::Refused),
                EvidenceLevel::Answered => Some(Milestone::Answered),
                EvidenceLevel::Connected => Some(Milestone::Connected),
                EvidenceLevel::Data => Some(Milestone::Data),
                _ => None,
            };
            let is_webdav = view.service == Service::WebDav;
            if view.level >= EvidenceLevel::Smb && self.level < EvidenceLevel::Smb && !is_webdav {
                self.milestone(view.last, Milestone::Smb);
            }
            reached.into_iter().for_each(|what| self.milestone(view.last, what));
            self.level = view.level;
            has_changed = true;
        }
        self.first = self.first.min(view.first);
        self.last = self.last.max(view.last);
        has_changed |= view.encrypted && !self.encrypted;
        self.encrypted |= view.encrypted;
        self.joined_late = self.counted.joined_late > 0;
        self.one_sided = self.counted.one_sided > 0;
        has_changed |= view.conflicting && !self.conflicting;
        self.conflicting |= view.conflicting;
        self.complete = self.counted.unread == 0;
        self.unanswered_smb |= view.smb_spoken && view.level < EvidenceLevel::Smb;
        has_changed |= view.content.left && !self.content.left || view.content.came && !self.content.came;
        self.content.left |= view.content.left;
        self.content.came |= view.content.came;
        if let Some(protocol) = view.other_protocol
            && !self.other_protocols.contains(&protocol)
        {
            self.other_protocols.push(protocol);
            has_changed = true;
        }
        if let Some(name) = view.tls_server
            && self.tls_servers.len() < MAX_PORTS
            && !self.tls_servers.contains(name)
        {
            self.tls_servers.push(Arc::clone(name));
            has_changed = true;
        }
        if let Some(hello) = view.quic
            && self.quic.len() < MAX_PORTS
            && self.quic.iter().all(|known| known != &**hello)
        {
            self.quic.push(ClientHello::clone(hello));
            self.milestone(view.first, Milestone::SmbOverQuic(hello.server_name.clone()));
            has_changed = true;
        }
        let port = (view.tuple.transport, view.server.port(), view.service);
        if !self.ports.contains(&port) && self.ports.len() < MAX_PORTS {
            self.ports.push(port);
        }
        self.ifindex = self.ifindex.or(view.ifindex);
        self.vlan = self.vlan.or(view.vlan);
        has_changed
    }

    /// The port of an internal server that answered somebody outside.
    fn merge_answering(&mut self, view: &FlowView<'_>) {
        let is_answer = view.level >= EvidenceLevel::Answered && view.server_seen();
        if view.direction != Direction::Inbound || !is_answer {
            return;
        }
        let seen = AnsweringPort {
            server: view.server.ip(),
            transport: view.tuple.transport,
            port: view.server.port(),
            first: view.first,
            last: view.last,
            level: view.level,
            anonymous: view.serves_webdav_to_anybody(),
        };
        let is_same = |known: &&mut AnsweringPort| {
            (known.server, known.transport, known.port) == (seen.server, seen.transport, seen.port)
        };
        if let Some(known) = self.answering.iter_mut().find(is_same) {
            known.first = known.first.min(seen.first);
            known.last = known.last.max(seen.last);
            known.level = known.level.max(seen.level);
            known.anonymous |= seen.anonymous;
        } else if self.answering.len() < MAX_ANSWERING {
            self.answering.push(seen);
        } else {
            self.more_answering = true;
        }
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

    fn merge_shares(&mut self, facts: &Facts, at: Timestamp) -> bool {
        let mut has_changed = false;
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
                    has_changed = true;
                    None
                }
            };
            if connected == Some(true) && before != Some(true) {
                self.milestone(at, Milestone::Share(seen.path.clone()));
                has_changed = true;
            }
        }
        has_changed
    }

    fn merge_operations(&mut self, facts: &Facts, at: Timestamp) -> bool {
        let mut has_changed = false;
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
                has_changed = true;
            }
        }
        has_changed
    }

    fn merge_negotiation(&mut self, facts: &Facts, view: &FlowView<'_>) -> bool {
        let mut has_changed = false;
        if let Some(dialect) = facts.dialect.as_ref().map(ToString::to_string)
            && !self.dialects.contains(&dialect)
            && self.dialects.len() < MAX_PORTS
        {
            self.dialects.push(dialect);
            has_changed = true;
        }
        if let Some(signing) = facts.signing.map(Signing::name)
            && self.signing.iter().all(|known| known != signing)
        {
            self.signing.push(signing.to_owned());
            has_changed = true;
        }
        self.encrypted |= facts.encrypted;
        let names = &facts.server.names;
        let server = names.dns_computer.as_ref().or(names.netbios_computer.as_ref());
        let client = facts.credentials.iter().find_map(|one| one.workstation.as_ref());
        let (internal, external) = match view.direction {
            Direction::Outbound => (client, server),
            Direction::Inbound => (server, client),
        };
        for (party, name) in [(&mut self.internal, internal), (&mut self.external, external)] {
            if party.name.is_none() && party.count == 1 {
                party.name = name.filter(|name| !name.is_empty()).cloned();
            }
        }
        if self.windows_client.is_empty() && self.process.is_none() {
            self.windows_client = windows_client::grounds(facts).unwrap_or_default();
        }
        has_changed
    }

    /// Notes that something happened. The same thing is noted once.
    pub(super) fn milestone(&mut self, at: Timestamp, what: Milestone) {
        if self.timeline.len() < MAX_TIMELINE && self.timeline.iter().all(|known| known.what != what) {
            let place = self.timeline.partition_point(|known| known.at <= at);
            self.timeline.insert(place, TimelineEntry { at, what });
        }
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

#[cfg(test)]
mod tests;
