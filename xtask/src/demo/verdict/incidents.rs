//! The verdict on incident documents.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Verdict, text};

/// The severity `critical` in `event.severity`.
const CRITICAL: u64 = 99;

/// Incident documents with `event.kind: alert`, at most: one when it opens and one for each step up in severity.
const MAX_ALERTS: usize = 3;

/// An incident that the story must cause.
struct Expected {
    name: &'static str,
    direction: &'static str,
    internal: &'static str,
    external: &'static str,
    /// A technique that the evidence must show.
    technique: &'static str,
}

const EXPECTED: [Expected; 2] = [
    Expected {
        name: "the leak",
        direction: "outbound",
        internal: "10.0.0.2",
        external: "8.8.4.4",
        technique: "T1187",
    },
    Expected {
        name: "the external access",
        direction: "inbound",
        internal: "10.0.1.2",
        external: "8.8.4.4",
        technique: "T1133",
    },
];

/// An incident as its documents describe it.
#[derive(Debug, Default, PartialEq)]
struct Incident {
    id: String,
    direction: String,
    internal: String,
    external: String,
    severity: u64,
    techniques: Vec<String>,
    actions: Vec<String>,
    /// Documents that a SIEM raises an alert for.
    alerts: usize,
}

/// Compares the incidents with the expected ones.
pub(super) fn check(documents: &[Value]) -> Verdict {
    let incidents = read(documents);
    let mut faults: Vec<String> = incidents.iter().flat_map(faults_of_documents).collect();
    for expected in &EXPECTED {
        let matching: Vec<&Incident> =
            incidents.iter().filter(|incident| expected.is_about(incident)).collect();
        match matching.as_slice() {
            [incident] => faults.extend(expected.faults(incident)),
            none_or_several => {
                faults.push(format!(
                    "{} has {} incidents instead of one",
                    expected.name,
                    none_or_several.len()
                ));
            }
        }
    }
    let others =
        incidents.iter().filter(|incident| !EXPECTED.iter().any(|expected| expected.is_about(incident)));
    faults.extend(others.map(|incident| format!("unexpected incident: {}", summary(incident))));
    let expected = EXPECTED.map(|one| {
        format!("{} {} – {} critical ({})", one.direction, one.internal, one.external, one.technique)
    });
    Verdict {
        expected: format!("2 incidents: {}; none for the internal session", expected.join(", ")),
        seen: format!(
            "{} incidents: {}",
            incidents.len(),
            incidents.iter().map(summary).collect::<Vec<_>>().join(", ")
        ),
        faults,
    }
}

/// The identifier of the incident with the highest severity; of several the outbound one.
pub(super) fn worst(documents: &[Value]) -> Option<String> {
    let incidents = read(documents);
    let worst =
        incidents.into_iter().max_by_key(|incident| (incident.severity, incident.direction == "outbound"));
    worst.map(|incident| incident.id)
}

impl Expected {
    fn is_about(&self, incident: &Incident) -> bool {
        (self.direction, self.internal, self.external)
            == (&incident.direction, &incident.internal, &incident.external)
    }

    fn faults(&self, incident: &Incident) -> Vec<String> {
        let mut faults = Vec::new();
        if incident.severity != CRITICAL {
            faults.push(format!("{} has severity {} instead of {CRITICAL}", self.name, incident.severity));
        }
        if !incident.techniques.iter().any(|technique| technique == self.technique) {
            faults.push(format!("{} does not show {}", self.name, self.technique));
        }
        faults
    }
}

/// What is wrong with the documents of one incident, whichever it is.
fn faults_of_documents(incident: &Incident) -> Vec<String> {
    let mut faults = Vec::new();
    let opened = incident.actions.iter().filter(|action| *action == "incident-opened").count();
    if opened != 1 {
        faults.push(format!("incident {} was opened {opened} times", incident.id));
    }
    if incident.alerts == 0 || incident.alerts > MAX_ALERTS {
        faults.push(format!("incident {} has {} alert documents", incident.id, incident.alerts));
    }
    faults
}

fn summary(incident: &Incident) -> String {
    let Incident { direction, internal, external, severity, techniques, .. } = incident;
    format!("{direction} {internal} – {external} severity {severity} ({})", techniques.join(" "))
}

/// Reads the incidents from their documents, in the order in which they opened. The last document of each has its state.
fn read(documents: &[Value]) -> Vec<Incident> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut incidents: Vec<Incident> = Vec::new();
    for (id, document) in documents.iter().filter_map(|document| Some((id(document)?, document))) {
        let place = *places.entry(id).or_insert(incidents.len());
        if place == incidents.len() {
            incidents.push(Incident { id: id.to_owned(), ..Incident::default() });
        }
        incidents[place].take(document);
    }
    incidents
}

impl Incident {
    fn take(&mut self, document: &Value) {
        self.direction = text(document, "/network/direction").to_owned();
        let ends = [text(document, "/source/ip"), text(document, "/destination/ip")].map(str::to_owned);
        [self.internal, self.external] = ends;
        if self.direction == "inbound" {
            std::mem::swap(&mut self.internal, &mut self.external);
        }
        self.severity = document.pointer("/event/severity").and_then(Value::as_u64).unwrap_or_default();
        let techniques = document.pointer("/threat/technique/id").and_then(Value::as_array);
        let techniques = techniques.into_iter().flatten().filter_map(Value::as_str);
        self.techniques = techniques.map(str::to_owned).collect();
        self.actions.push(text(document, "/event/action").to_owned());
        self.alerts += usize::from(text(document, "/event/kind") == "alert");
    }
}

/// The identifier of the incident that a document is about, if it is about one.
fn id(document: &Value) -> Option<&str> {
    document.pointer("/smb_sensor/incident/id").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(
        id: &str,
        action: &str,
        direction: &str,
        ends: [&str; 2],
        severity: u64,
        technique: &str,
    ) -> Value {
        let alert = action == "incident-opened" || action == "incident-escalated";
        json!({
            "event": { "kind": if alert { "alert" } else { "event" }, "action": action, "severity": severity },
            "network": { "direction": direction },
            "source": { "ip": ends[0] },
            "destination": { "ip": ends[1] },
            "threat": { "technique": { "id": [technique] } },
            "smb_sensor": { "incident": { "id": id } },
        })
    }

    const OUT: [&str; 2] = ["10.0.0.2", "8.8.4.4"];
    const IN: [&str; 2] = ["8.8.4.4", "10.0.1.2"];

    fn story() -> Vec<Value> {
        vec![
            document("a", "incident-opened", "outbound", OUT, 73, "T1187"),
            document("b", "incident-opened", "inbound", IN, 99, "T1133"),
            document("a", "incident-escalated", "outbound", OUT, 99, "T1187"),
            document("a", "incident-updated", "outbound", OUT, 99, "T1187"),
        ]
    }

    fn faults(documents: &[Value]) -> Vec<String> {
        check(documents).faults
    }

    #[test]
    fn story_is_as_expected() {
        assert_eq!(faults(&story()), Vec::<String>::new());
        assert_eq!(worst(&story()).as_deref(), Some("a"));
    }

    #[test]
    fn incident_of_the_internal_session_is_a_fault() {
        let mut documents = story();
        documents.push(document("c", "incident-opened", "internal", ["10.0.0.2", "10.0.1.2"], 21, "T1046"));
        assert!(faults(&documents)[0].starts_with("unexpected incident: internal"));
    }

    #[test]
    fn missing_and_second_incidents_are_faults() {
        assert_eq!(faults(&story()[..1])[1], "the external access has 0 incidents instead of one");
        let mut documents = story();
        documents.push(document("c", "incident-opened", "outbound", OUT, 99, "T1187"));
        assert_eq!(faults(&documents), ["the leak has 2 incidents instead of one"]);
    }

    #[test]
    fn lower_severity_or_another_technique_is_a_fault() {
        let low = document("a", "incident-updated", "outbound", OUT, 73, "T1048");
        let documents = [story(), vec![low]].concat();
        assert_eq!(
            faults(&documents),
            ["the leak has severity 73 instead of 99", "the leak does not show T1187"]
        );
    }

    #[test]
    fn incident_that_opens_twice_or_floods_is_a_fault() {
        let again = document("b", "incident-opened", "inbound", IN, 99, "T1133");
        assert_eq!(faults(&[story(), vec![again]].concat()), ["incident b was opened 2 times"]);
        let more = document("a", "incident-escalated", "outbound", OUT, 99, "T1187");
        let documents = [story(), vec![more.clone(), more]].concat();
        assert_eq!(faults(&documents), ["incident a has 4 alert documents"]);
    }

    #[test]
    fn documents_of_other_kinds_are_no_incidents() {
        assert!(read(&[json!({ "event": { "kind": "event" } })]).is_empty());
        assert_eq!(read(&story()).len(), 2);
    }
}
