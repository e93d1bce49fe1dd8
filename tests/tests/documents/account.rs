//! The account of each flow of a run: its incident, or why it has none.

use std::collections::HashMap;

use sensor_tests::{EvidenceLevel, finds, number, text};
use serde_json::Value;

/// Why a flow that a query matches is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Explanation {
    /// Its incident has a finding of that detection.
    Incident,
    /// Another flow to this destination has the finding, and the destination is known since then.
    KnownDestination,
    /// The quota suppressed it, and a summary counts it.
    Counted,
    /// An exemption covers it: the queries do not know exemptions, and the sensor's rules find nothing in it.
    Exempt,
}

/// The documents of one run, by subject.
pub(crate) struct Account<'a> {
    pub(crate) flows: Vec<&'a Value>,
    /// The last document of each incident, by its id.
    incidents: HashMap<&'a str, &'a Value>,
    summaries: Vec<&'a Value>,
}

impl<'a> Account<'a> {
    /// Sorts the documents of a run. An unknown kind fails.
    #[track_caller]
    pub(crate) fn of(documents: &'a [Value]) -> Self {
        let mut account = Self { flows: vec![], incidents: HashMap::new(), summaries: vec![] };
        for document in documents {
            match (text(document, "/event/dataset"), text(document, "/event/action")) {
                ("network_traffic.flow", _) => account.flows.push(document),
                ("smb_sensor.incident", "incident-summary") => account.summaries.push(document),
                // It says of incidents what they say themselves.
                ("smb_sensor.incident", action) if action.starts_with("campaign-") => {}
                ("smb_sensor.incident", _) => {
                    account.incidents.insert(text(document, "/smb_sensor/incident/id"), document);
                }
                (unknown, _) => panic!("nothing explains a document of {unknown}: {document:#}"),
            }
        }
        account
    }

    /// The incident that a flow names.
    #[track_caller]
    pub(crate) fn incident_of(&self, flow: &Value) -> Option<&'a Value> {
        let id = flow.pointer("/smb_sensor/incident/id").and_then(Value::as_str)?;
        Some(*self.incidents.get(id).unwrap_or_else(|| panic!("no document of the incident of {flow:#}")))
    }

    /// Why this flow is accounted for, if it is.
    #[track_caller]
    pub(crate) fn explain(&self, detection: &str, flow: &Value) -> Option<Explanation> {
        let incident = self.incident_of(flow);
        if is_exempt(flow) {
            assert!(incident.is_none(), "exempt, and of an incident: {flow:#}");
            return Some(Explanation::Exempt);
        }
        if incident.is_some_and(|incident| finds(incident, detection)) {
            return Some(Explanation::Incident);
        }
        let known = self.flows.iter().any(|other| {
            text(other, "/destination/ip") == text(flow, "/destination/ip")
                && self.incident_of(other).is_some_and(|incident| finds(incident, detection))
        });
        if detection == "rare-smb-destination" && known {
            return Some(Explanation::KnownDestination);
        }
        (incident.is_none() && self.is_counted(flow)).then_some(Explanation::Counted)
    }

    /// Whether the quota may have held this flow back: it does so below the level session alone, and its summaries count every
    /// flow that it did.
    fn is_counted(&self, flow: &Value) -> bool {
        let may_be = |flow: &Value| {
            let level = EvidenceLevel::named(text(flow, "/smb_sensor/evidence/level"));
            level.is_some_and(|level| level < EvidenceLevel::Session)
        };
        let without =
            self.flows.iter().filter(|one| self.incident_of(one).is_none() && !is_exempt(one) && may_be(one));
        let last = self
            .summaries
            .iter()
            .filter(|one| one.pointer("/smb_sensor/quota/is_final") == Some(&Value::Bool(true)));
        let held_back: u64 = last.map(|one| number(one, "/smb_sensor/quota/held_back")).sum();
        may_be(flow) && without.count() as u64 <= held_back
    }

    /// Compares the numbers of incidents with the flows that name them.
    #[track_caller]
    pub(crate) fn assert_connections_add_up(&self, what: &str) {
        let mut connections: HashMap<&str, u64> = HashMap::new();
        for flow in &self.flows {
            if let Some(incident) = self.incident_of(flow) {
                *connections.entry(text(incident, "/smb_sensor/incident/id")).or_default() += 1;
            }
        }
        for (id, incident) in &self.incidents {
            let counted = number(incident, "/smb_sensor/incident/connections");
            assert_eq!(Some(&counted), connections.get(id), "{what}: {incident:#}");
        }
    }
}

pub(crate) fn is_exempt(flow: &Value) -> bool {
    flow.pointer("/smb_sensor/exempt").is_some()
}
