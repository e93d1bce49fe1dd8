//! Incidents, assembled from the sensor's documents, and properties that hold for every one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::document::{number, text, texts};

/// Time in which a connection may show more before it opens an incident; the default of `attempt_settle`.
const SETTLE: Duration = Duration::from_secs(3);

/// Severity of an incident: the four values that Elastic's rule for external alerts maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 21.
    Low,
    /// 47.
    Medium,
    /// 73.
    High,
    /// 99.
    Critical,
}

impl Severity {
    const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    const fn number(self) -> u64 {
        match self {
            Self::Low => 21,
            Self::Medium => 47,
            Self::High => 73,
            Self::Critical => 99,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    fn of(document: &Value) -> Option<Self> {
        let severity = number(document, "/event/severity");
        Self::ALL.into_iter().find(|one| one.number() == severity)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// The documents of one incident, in the order of writing.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its identifier.
    pub id: String,
    /// Its documents.
    pub documents: Vec<Value>,
}

impl Incident {
    /// The last document.
    #[must_use]
    pub fn last(&self) -> &Value {
        self.documents.last().unwrap_or(&Value::Null)
    }

    /// Severity at the end.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        Severity::of(self.last())
    }

    /// Evidence level at the end.
    #[must_use]
    pub fn evidence(&self) -> &str {
        text(self.last(), "/smb_sensor/incident/evidence")
    }

    /// Connections at the end.
    #[must_use]
    pub fn connections(&self) -> u64 {
        number(self.last(), "/smb_sensor/incident/connections")
    }

    /// Techniques that the evidence showed at the end.
    #[must_use]
    pub fn techniques(&self) -> Vec<&str> {
        techniques_of(self.last())
    }

    /// Rules with findings, at the end.
    #[must_use]
    pub fn findings(&self) -> Vec<&str> {
        let all = self.last().pointer("/smb_sensor/findings").and_then(Value::as_array);
        all.into_iter().flatten().map(|finding| text(finding, "/rule")).collect()
    }

    /// Number of its documents with that action (without `incident-`).
    #[must_use]
    pub fn count(&self, action: &str) -> usize {
        self.documents.iter().filter(|document| action_of(document) == Some(action)).count()
    }

    /// Number of its documents that are alerts.
    #[must_use]
    pub fn alerts(&self) -> usize {
        self.documents.iter().filter(|document| text(document, "/event/kind") == "alert").count()
    }

    /// Whether its client said nothing for so long that the incident was opened before it said anything, which it did later.
    #[must_use]
    pub fn began_silent(&self) -> bool {
        let is_silent = |evidence| ["attempt", "answered", "connected"].contains(&evidence);
        let Some(first) = self.documents.first() else { return false };
        let moment = |pointer| OffsetDateTime::parse(text(first, pointer), &Rfc3339).ok();
        let waited = moment("/event/created").zip(moment("/event/start"));
        is_silent(text(first, "/smb_sensor/incident/evidence"))
            && !is_silent(self.evidence())
            && waited.is_some_and(|(opened, start)| opened - start >= SETTLE)
    }

    /// Faults that no incident may have.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |right: bool, what: &str, document: &Value| {
            if !right {
                faults.push(format!("{what}: {}", summary(document)));
            }
        };
        let mut severity = None;
        let mut sequence = None;
        for (at, document) in self.documents.iter().enumerate() {
            let action = action_of(document);
            let is_alert = matches!(action, Some("opened" | "escalated"));
            let kind = text(document, "/event/kind");
            check(
                (at == 0) == (action == Some("opened")),
                "the first document opens it, and no other",
                document,
            );
            check(kind == if is_alert { "alert" } else { "event" }, "its kind fits its action", document);
            let now = Severity::of(document);
            check(now.is_some(), "its severity is 21, 47, 73 or 99", document);
            let word = text(document, "/smb_sensor/incident/severity");
            check(
                now.is_some_and(|now| now.word() == word),
                "word and number of the severity agree",
                document,
            );
            check(severity <= now, "its severity never falls", document);
            check(
                (action == Some("escalated")) == (at > 0 && severity < now),
                "it escalates when that rises",
                document,
            );
            severity = now;
            let this = number(document, "/event/sequence");
            check(sequence.is_none_or(|last: u64| this == last + 1), "its sequence has no gap", document);
            check(
                text(document, "/event/id") == format!("{}-{this}", self.id),
                "its id ends in its sequence",
                document,
            );
            sequence = Some(this);
            for pointer in
                ["/message", "/rule/id", "/source/ip", "/event/outcome", "/smb_sensor/incident/status"]
            {
                check(!text(document, pointer).is_empty(), pointer, document);
            }
            let mut found =
                document.pointer("/smb_sensor/findings").and_then(Value::as_array).into_iter().flatten();
            let leading = text(document, "/rule/id");
            check(
                found.any(|one| text(one, "/rule") == leading),
                "the leading finding is one of its findings",
                document,
            );
        }
        faults
    }
}

/// The action of a document about incidents, without `incident-`.
#[must_use]
pub(super) fn action_of(document: &Value) -> Option<&str> {
    text(document, "/event/action").strip_prefix("incident-")
}

/// The incidents in the order of their opening; summaries of the quota and other documents are ignored.
#[must_use]
pub fn incidents(documents: &[Value]) -> Vec<Incident> {
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all: Vec<Incident> = Vec::new();
    for document in documents {
        if matches!(action_of(document), None | Some("summary")) {
            continue;
        }
        let id = text(document, "/smb_sensor/incident/id");
        let place = *at.entry(id).or_insert_with(|| {
            all.push(Incident { id: id.to_owned(), documents: vec![] });
            all.len() - 1
        });
        all[place].documents.push(document.clone());
    }
    all
}

/// A document in one line, for an error.
#[must_use]
pub(super) fn summary(document: &Value) -> String {
    let word = |pointer| text(document, pointer).to_owned();
    format!(
        "{} {} severity {} evidence {} {} → {} [{}] {}",
        word("/event/id"),
        word("/event/action"),
        number(document, "/event/severity"),
        word("/smb_sensor/incident/evidence"),
        word("/source/ip"),
        word("/destination/ip"),
        techniques_of(document).join(" "),
        word("/message"),
    )
}

/// The techniques of a document, including sub-techniques.
pub(super) fn techniques_of(document: &Value) -> Vec<&str> {
    let mut all = texts(document, "/threat/technique/id");
    all.extend(texts(document, "/threat/technique/subtechnique/id"));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(sequence: u64, action: &str, severity: Severity) -> Value {
        let kind = if matches!(action, "opened" | "escalated") { "alert" } else { "event" };
        json!({
            "event": {
                "kind": kind, "action": format!("incident-{action}"), "severity": severity.number(),
                "id": format!("7f-{sequence}"), "sequence": sequence, "outcome": "unknown",
            },
            "rule": { "id": "smb-to-internet" },
            "source": { "ip": "10.0.0.2" },
            "message": "10.0.0.2 connected",
            "smb_sensor": {
                "incident": { "id": "7f", "status": "open", "severity": severity.word() },
                "findings": [{ "rule": "smb-to-internet" }],
            },
        })
    }

    fn faults(documents: &[Value]) -> Vec<String> {
        incidents(documents).iter().flat_map(Incident::faults).collect()
    }

    #[test]
    fn incident_that_opens_escalates_and_closes_is_valid() {
        let good = [
            document(0, "opened", Severity::Low),
            document(1, "escalated", Severity::High),
            document(2, "updated", Severity::High),
            document(3, "closed", Severity::High),
        ];
        assert_eq!(faults(&good), Vec::<String>::new());
        assert_eq!(incidents(&good).len(), 1);
    }

    #[test]
    fn finds_every_kind_of_fault() {
        let opened = document(0, "opened", Severity::High);
        let with = |pointer: &str, value: Value| {
            let mut bent = opened.clone();
            *bent.pointer_mut(pointer).unwrap() = value;
            bent
        };
        for bad in [
            vec![document(0, "updated", Severity::Low)],
            vec![opened.clone(), document(1, "opened", Severity::High)],
            vec![opened.clone(), document(1, "updated", Severity::Critical)],
            vec![opened.clone(), document(1, "escalated", Severity::High)],
            vec![opened.clone(), document(1, "updated", Severity::Low)],
            vec![opened.clone(), document(2, "updated", Severity::High)],
            vec![with("/event/kind", json!("event"))],
            vec![with("/event/severity", json!(70))],
            vec![with("/smb_sensor/incident/severity", json!("low"))],
            vec![with("/event/id", json!("7f"))],
            vec![with("/message", json!(""))],
            vec![with("/smb_sensor/findings", json!([]))],
        ] {
            assert_ne!(faults(&bad), Vec::<String>::new(), "{bad:#?}");
        }
    }

    #[test]
    fn keeps_two_incidents_apart_and_ignores_summaries() {
        let mut other = document(0, "opened", Severity::Low);
        other["smb_sensor"]["incident"]["id"] = json!("80");
        let summary = json!({ "event": { "action": "incident-summary" } });
        let flow = json!({ "event": { "action": "network_flow" } });
        let all = [document(0, "opened", Severity::Low), other, summary, flow];
        assert_eq!(incidents(&all).iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["7f", "80"]);
    }
}
