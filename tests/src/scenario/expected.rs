//! What a scenario is expected to give, and how it differs from what came.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::incident::{Incident, Severity, action_of, incidents, summary};
use crate::document::text;

/// Who opens the connections across the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// An internal host.
    Outbound,
    /// A host on the Internet.
    Inbound,
}

impl Direction {
    /// As in `network.direction`.
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
    direction: Direction,
    severity: Severity,
    evidence: &'static [&'static str],
    client: &'static str,
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
}

impl Expected {
    /// An incident of 10.0.0.2 and 8.8.4.4 that ends with one of these levels of evidence. An alert or two, and a few updates.
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
        }
    }

    /// Rules that are among its findings.
    #[must_use]
    pub const fn findings(mut self, rules: &'static [&'static str]) -> Self {
        self.findings = rules;
        self
    }

    /// Techniques that are named at the end.
    #[must_use]
    pub const fn techniques(mut self, techniques: &'static [&'static str]) -> Self {
        self.techniques = techniques;
        self
    }

    /// Techniques that no document names.
    #[must_use]
    pub const fn never(mut self, techniques: &'static [&'static str]) -> Self {
        self.never = techniques;
        self
    }

    /// What the last message contains.
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

    /// Another internal server than 10.0.0.2.
    #[must_use]
    pub const fn server(mut self, server: &'static str) -> Self {
        self.server = Some(server);
        self
    }

    /// Many servers, so that no one of them is looked for.
    #[must_use]
    pub const fn many_servers(mut self) -> Self {
        self.server = None;
        self
    }

    /// Whether it is about this incident: the same client, server and direction.
    fn is_about(&self, incident: &Incident) -> bool {
        let last = incident.last();
        text(last, "/source/ip") == self.client
            && text(last, "/network/direction") == self.direction.word()
            && self.server.is_none_or(|server| text(last, "/destination/ip") == server)
    }

    /// How it differs from the incident as it stands, the number of documents left out.
    fn state_differences(&self, incident: &Incident) -> Vec<String> {
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
            ("credential", self.credentials, users(last)),
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

    fn differences(&self, incident: &Incident) -> Vec<String> {
        let mut differences = self.state_differences(incident);
        for (name, there, wanted) in [
            ("alerts", incident.alerts(), &self.alerts),
            ("updates", incident.count("updated"), &self.updates),
            ("closing documents", incident.count("closed"), &self.closed),
        ] {
            if !wanted.contains(&there) {
                differences.push(format!("{there} {name}, not {wanted:?}"));
            }
        }
        for document in &incident.documents {
            let named = crate::document::texts(document, "/threat/technique/id");
            if let Some(wrong) = self.never.iter().find(|one| named.contains(one)) {
                differences.push(format!("{wrong} is named without a fact: {}", summary(document)));
            }
        }
        differences
    }
}

fn users(document: &Value) -> Vec<&str> {
    let all = document.pointer("/smb_sensor/credentials").and_then(Value::as_array);
    all.into_iter().flatten().map(|credential| text(credential, "/user")).collect()
}

/// All that is expected of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The incidents, one for each of these.
    pub incidents: Vec<Expected>,
    /// Further incidents, none of them above medium: what a flood leaves.
    pub beside: RangeOfCounts,
    /// Summaries of the quota.
    pub summaries: RangeOfCounts,
}

/// From so many to so many; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeOfCounts(pub usize, pub usize);

impl RangeOfCounts {
    fn holds(self, count: usize) -> bool {
        (self.0..=self.1).contains(&count)
    }
}

impl Expectation {
    /// Whether every expected incident stands as expected, so that nothing more is to be waited for.
    #[must_use]
    pub fn is_reached(&self, documents: &[Value]) -> bool {
        let all = incidents(documents);
        let stands = |expected: &Expected| {
            all.iter().any(|one| expected.is_about(one) && expected.state_differences(one).is_empty())
        };
        self.incidents.iter().all(stands)
    }

    /// Every difference between what is expected and what came, in words; none when all is as expected.
    #[must_use]
    pub fn differences(&self, documents: &[Value]) -> Vec<String> {
        let mut rest = incidents(documents);
        let mut differences: Vec<String> = rest.iter().flat_map(Incident::faults).collect();
        for expected in &self.incidents {
            let Some(at) = rest.iter().position(|one| expected.is_about(one)) else {
                differences.push(format!(
                    "no incident {} from {}",
                    expected.direction.word(),
                    expected.client
                ));
                continue;
            };
            differences.extend(expected.differences(&rest.remove(at)));
        }
        if !self.beside.holds(rest.len()) {
            let more: Vec<_> = rest.iter().take(5).map(|one| summary(one.last())).collect();
            differences.push(format!("{} further incidents, not {:?}: {more:#?}", rest.len(), self.beside));
        }
        for grave in rest.iter().filter(|one| one.severity() > Some(Severity::Medium)) {
            differences.push(format!("a further incident is above medium: {}", summary(grave.last())));
        }
        let summaries = documents.iter().filter(|document| action_of(document) == Some("summary")).count();
        if !self.summaries.holds(summaries) {
            differences.push(format!("{summaries} summaries of the quota, not {:?}", self.summaries));
        }
        let strange = |document: &&Value| action_of(document).is_none();
        let strangers: Vec<_> = documents.iter().filter(strange).map(summary).collect();
        if !strangers.is_empty() {
            let shown: Vec<_> = strangers.iter().take(5).collect();
            differences.push(format!("{} documents are not about incidents: {shown:#?}", strangers.len()));
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn opened() -> Value {
        json!({
            "event": {
                "kind": "alert", "action": "incident-opened", "severity": 73, "id": "7f-0", "sequence": 0,
                "outcome": "failure",
            },
            "rule": { "id": "smb-to-internet" },
            "source": { "ip": "10.0.0.2" },
            "destination": { "ip": "8.8.4.4" },
            "network": { "direction": "outbound" },
            "message": "10.0.0.2 gave an NTLMv2 credential",
            "threat": { "technique": { "id": ["T1187"] } },
            "smb_sensor": {
                "incident": {
                    "id": "7f", "status": "open", "severity": "high", "evidence": "credential", "connections": 1,
                    "internal": "10.0.0.2", "external": "8.8.4.4",
                },
                "findings": [{ "rule": "smb-to-internet" }],
                "credentials": [{ "user": "alice" }],
            },
        })
    }

    fn leak() -> Expectation {
        let leak = Expected::new(Direction::Outbound, Severity::High, &["credential"])
            .findings(&["smb-to-internet"])
            .techniques(&["T1187"])
            .never(&["T1048"])
            .message(&["NTLMv2"])
            .credentials(&["alice"]);
        Expectation { incidents: vec![leak], ..Expectation::default() }
    }

    #[test]
    fn what_is_as_expected_has_no_difference() {
        assert_eq!(leak().differences(&[opened()]), Vec::<String>::new());
        assert!(leak().is_reached(&[opened()]));
        assert!(!leak().is_reached(&[]));
    }

    #[test]
    fn every_difference_is_found() {
        for (pointer, value) in [
            ("/event/severity", json!(47)),
            ("/source/ip", json!("10.0.0.3")),
            ("/destination/ip", json!("8.8.4.5")),
            ("/network/direction", json!("inbound")),
            ("/message", json!("10.0.0.2 connected")),
            ("/threat/technique/id", json!(["T1187", "T1048"])),
            ("/threat/technique/id", json!([])),
            ("/smb_sensor/incident/evidence", json!("smb")),
            ("/smb_sensor/incident/connections", json!(2)),
            ("/smb_sensor/incident/internal", json!("10.0.0.3")),
            ("/smb_sensor/credentials", json!([])),
        ] {
            let mut bent = opened();
            *bent.pointer_mut(pointer).unwrap() = value;
            assert_ne!(leak().differences(&[bent]), Vec::<String>::new(), "{pointer}");
        }
        let mut second = opened();
        second["smb_sensor"]["incident"]["id"] = json!("80");
        second["event"]["id"] = json!("80-0");
        assert_ne!(leak().differences(&[opened(), second]), Vec::<String>::new(), "two incidents");
        let flow = json!({ "event": { "action": "network_flow" } });
        assert_ne!(leak().differences(&[opened(), flow]), Vec::<String>::new(), "a document of another kind");
        assert_ne!(leak().differences(&[]), Vec::<String>::new(), "nothing");
        let nothing = Expectation::default();
        assert_ne!(nothing.differences(&[opened()]), Vec::<String>::new(), "something");
        let summary = json!({ "event": { "action": "incident-summary" } });
        assert_ne!(nothing.differences(&[summary]), Vec::<String>::new(), "a summary");
    }
}
