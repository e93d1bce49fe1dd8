//! The expected result of a scenario, and its differences from the real one.

use serde_json::Value;

use crate::document::text;

use super::expected::Expected;
use super::incident::{Incident, Severity, action_of, incidents, summary};

/// The expected result of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The incidents, one for each of these.
    pub incidents: Vec<Expected>,
    /// Further incidents, none of them above medium: those of a flood.
    pub beside: RangeOfCounts,
    /// Summaries of the quota.
    pub summaries: RangeOfCounts,
}

/// A range of counts; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeOfCounts(pub usize, pub usize);

impl RangeOfCounts {
    fn holds(self, count: usize) -> bool {
        (self.0..=self.1).contains(&count)
    }
}

impl Expectation {
    /// Whether every expected incident is as expected, so that waiting can end.
    #[must_use]
    pub fn is_reached(&self, documents: &[Value]) -> bool {
        let all = incidents(documents);
        let stands = |expected: &Expected| {
            all.iter().any(|one| expected.is_about(one) && expected.state_differences(one).is_empty())
        };
        self.incidents.iter().all(stands)
    }

    /// Every difference between the expected and the real result, as text; empty if there is none.
    #[must_use]
    pub fn differences(&self, documents: &[Value]) -> Vec<String> {
        self.differences_but(documents, |_| 0)
    }

    /// The same where real peers talked: on a busy machine a client may be silent for seconds behind its first packet, and that
    /// alerts once by itself.
    #[must_use]
    pub fn live_differences(&self, documents: &[Value]) -> Vec<String> {
        self.differences_but(documents, |incident| usize::from(incident.began_silent()))
    }

    /// The differences, with more alerts allowed to an incident.
    fn differences_but(&self, documents: &[Value], more_alerts: fn(&Incident) -> usize) -> Vec<String> {
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
            let incident = rest.remove(at);
            differences.extend(expected.differences(&incident, more_alerts(&incident)));
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
        // A campaign says of incidents what they say themselves.
        let is_campaign = |document: &Value| text(document, "/event/action").starts_with("campaign-");
        let strange = |document: &&Value| action_of(document).is_none() && !is_campaign(document);
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

    use super::super::expected::Direction;
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
                "credentials": [{ "user": "alice", "outcome": "accepted" }],
                "shares": [{ "path": "\\\\8.8.4.4\\files", "connected": true }],
            },
        })
    }

    fn leak() -> Expectation {
        let leak = Expected::new(Direction::Outbound, Severity::High, &["credential"])
            .findings(&["smb-to-internet"])
            .techniques(&["T1187"])
            .never(&["T1048"])
            .message(&["NTLMv2"])
            .credentials(&["alice"])
            .accepted(&["alice"])
            .shares(&["files"]);
        Expectation { incidents: vec![leak], ..Expectation::default() }
    }

    #[test]
    fn expected_result_has_no_difference() {
        assert_eq!(leak().differences(&[opened()]), Vec::<String>::new());
        assert!(leak().is_reached(&[opened()]));
        assert!(!leak().is_reached(&[]));
    }

    #[test]
    fn finds_every_difference() {
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
            ("/smb_sensor/credentials/0/outcome", json!("refused")),
            ("/smb_sensor/shares/0/path", json!("\\\\8.8.4.4\\IPC$")),
            ("/smb_sensor/shares/0/connected", json!(false)),
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
