//! One expected incident, and its differences from a real one.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::incident::{Incident, Severity, summary, techniques_of};
use crate::document::text;

/// The client of the connections across the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// An internal host.
    Outbound,
    /// A host on the Internet.
    Inbound,
}

impl Direction {
    /// The value of `network.direction`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

/// One incident that is expected.
#[derive(Clone, Debug)]
pub struct Expected {
    pub(super) direction: Direction,
    severity: Severity,
    evidence: &'static [&'static str],
    pub(super) client: &'static str,
    server: Option<&'static str>,
    findings: &'static [&'static str],
    techniques: &'static [&'static str],
    never: &'static [&'static str],
    message: &'static [&'static str],
    connections: RangeInclusive<u64>,
    alerts: RangeInclusive<usize>,
    updates: RangeInclusive<usize>,
    closed: RangeInclusive<usize>,
    credentials: &'static [&'static str],
    accepted: &'static [&'static str],
    shares: &'static [&'static str],
}

impl Expected {
    /// An incident of 10.0.0.2 and 8.8.4.4 that ends with one of these evidence levels. One or two alerts, and a few updates.
    #[must_use]
    pub const fn new(direction: Direction, severity: Severity, evidence: &'static [&'static str]) -> Self {
        let (client, server) = match direction {
            Direction::Outbound => ("10.0.0.2", "8.8.4.4"),
            Direction::Inbound => ("8.8.4.4", "10.0.0.2"),
        };
        Self {
            direction,
            severity,
            evidence,
            client,
            server: Some(server),
            findings: &[],
            techniques: &[],
            never: &[],
            message: &[],
            connections: 1..=1,
            alerts: 1..=2,
            updates: 0..=6,
            closed: 0..=1,
            credentials: &[],
            accepted: &[],
            shares: &[],
        }
    }

    /// Rules that are among its findings.
    #[must_use]
    pub const fn findings(mut self, rules: &'static [&'static str]) -> Self {
        self.findings = rules;
        self
    }

    /// Techniques in the last document.
    #[must_use]
    pub const fn techniques(mut self, techniques: &'static [&'static str]) -> Self {
        self.techniques = techniques;
        self
    }

    /// Techniques that no document has.
    #[must_use]
    pub const fn never(mut self, techniques: &'static [&'static str]) -> Self {
        self.never = techniques;
        self
    }

    /// Parts of the last message.
    #[must_use]
    pub const fn message(mut self, parts: &'static [&'static str]) -> Self {
        self.message = parts;
        self
    }

    /// Connections at the end, instead of one.
    #[must_use]
    pub const fn connections(mut self, connections: RangeInclusive<u64>) -> Self {
        self.connections = connections;
        self
    }

    /// Documents that alert: the first, and one for each rise of severity.
    #[must_use]
    pub const fn alerts(mut self, alerts: RangeInclusive<usize>) -> Self {
        self.alerts = alerts;
        self
    }

    /// Documents `incident-updated`.
    #[must_use]
    pub const fn updates(mut self, updates: RangeInclusive<usize>) -> Self {
        self.updates = updates;
        self
    }

    /// Documents `incident-closed`.
    #[must_use]
    pub const fn closed(mut self, closed: RangeInclusive<usize>) -> Self {
        self.closed = closed;
        self
    }

    /// Users whose credentials are listed.
    #[must_use]
    pub const fn credentials(mut self, users: &'static [&'static str]) -> Self {
        self.credentials = users;
        self
    }

    /// Users whom the server let in.
    #[must_use]
    pub const fn accepted(mut self, users: &'static [&'static str]) -> Self {
        self.accepted = users;
        self
    }

    /// Shares that were connected, without their server.
    #[must_use]
    pub const fn shares(mut self, shares: &'static [&'static str]) -> Self {
        self.shares = shares;
        self
    }

    /// Another internal server than 10.0.0.2.
    #[must_use]
    pub const fn server(mut self, server: &'static str) -> Self {
        self.server = Some(server);
        self
    }

    /// Many servers, so that no particular one is expected.
    #[must_use]
    pub const fn many_servers(mut self) -> Self {
        self.server = None;
        self
    }

    /// Whether an incident is this one: the same client, server and direction.
    pub(super) fn is_about(&self, incident: &Incident) -> bool {
        let last = incident.last();
        text(last, "/source/ip") == self.client
            && text(last, "/network/direction") == self.direction.word()
            && self.server.is_none_or(|server| text(last, "/destination/ip") == server)
    }

    /// Differences from the present incident, without the number of documents.
    pub(super) fn state_differences(&self, incident: &Incident) -> Vec<String> {
        let mut differences = Vec::new();
        let last = incident.last();
        if incident.severity() != Some(self.severity) {
            differences.push(format!("severity is not {}", self.severity));
        }
        if !self.evidence.contains(&incident.evidence()) {
            differences.push(format!("evidence is {:?}, not {:?}", incident.evidence(), self.evidence));
        }
        if !self.connections.contains(&incident.connections()) {
            differences.push(format!("{} connections, not {:?}", incident.connections(), self.connections));
        }
        for (name, wanted, there) in [
            ("finding", self.findings, incident.findings()),
            ("technique", self.techniques, incident.techniques()),
            ("credential", self.credentials, users(last, |_| true)),
            ("accepted user", self.accepted, users(last, |one| text(one, "/outcome") == "accepted")),
            ("connected share", self.shares, connected_shares(last)),
        ] {
            let missing: Vec<_> = wanted.iter().filter(|one| !there.contains(one)).collect();
            if !missing.is_empty() {
                differences.push(format!("no {name} {missing:?} among {there:?}"));
            }
        }
        let message = text(last, "/message");
        for part in self.message.iter().filter(|part| !message.contains(**part)) {
            differences.push(format!("the message does not say {part:?}: {message}"));
        }
        for (end, is_client) in [("internal", Direction::Outbound), ("external", Direction::Inbound)] {
            let wanted = if self.direction == is_client { Some(self.client) } else { self.server };
            let there = text(last, &format!("/smb_sensor/incident/{end}"));
            if wanted.is_some_and(|wanted| wanted != there) {
                differences.push(format!("its {end} host is {there:?}, not {wanted:?}"));
            }
        }
        differences
    }

    /// Differences from the incident, including its documents; so many more alerts are allowed.
    pub(super) fn differences(&self, incident: &Incident, more_alerts: usize) -> Vec<String> {
        let mut differences = self.state_differences(incident);
        let alerts = *self.alerts.start()..=*self.alerts.end() + more_alerts;
        for (name, there, wanted) in [
            ("alerts", incident.alerts(), &alerts),
            ("updates", incident.count("updated"), &self.updates),
            ("closing documents", incident.count("closed"), &self.closed),
        ] {
            if !wanted.contains(&there) {
                differences.push(format!("{there} {name}, not {wanted:?}"));
            }
        }
        for document in &incident.documents {
            let named = techniques_of(document);
            if let Some(wrong) = self.never.iter().find(|one| named.contains(one)) {
                differences.push(format!("{wrong} is named without a fact: {}", summary(document)));
            }
        }
        differences
    }
}

/// The users of the credentials that match.
fn users(document: &Value, matches: impl Fn(&Value) -> bool) -> Vec<&str> {
    let all = document.pointer("/smb_sensor/credentials").and_then(Value::as_array);
    let matching = all.into_iter().flatten().filter(|credential| matches(credential));
    matching.map(|credential| text(credential, "/user")).collect()
}

/// The last part of each path of a share that was connected.
fn connected_shares(document: &Value) -> Vec<&str> {
    let all = document.pointer("/smb_sensor/shares").and_then(Value::as_array);
    let connected = all.into_iter().flatten().filter(|share| share["connected"] == true);
    connected.filter_map(|share| text(share, "/path").rsplit('\\').next()).collect()
}
