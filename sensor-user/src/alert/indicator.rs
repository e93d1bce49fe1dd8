//! What threat lists say of the external end, and how much worse that makes an alert.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::{
    detect::Severity,
    flow::Evidence,
    threat::{Indicator, ThreatLists},
};

/// Risk score of an alert with a listed end that answered.
const CRITICAL: u8 = 99;

/// What the lists say of the external end, the narrowest first. The kernel marked the flow (`listed`) if there is anything to say;
/// a list that was taken out since then says nothing any more.
pub(super) fn of(listed: bool, external: IpAddr, threats: &ThreatLists) -> Vec<Indicator<'_>> {
    if listed { threats.of(external) } else { vec![] }
}

/// Critical, once a listed end takes part in a connection: a lone packet anybody can send in its name.
pub(super) fn weigh(
    weight: (Severity, u8),
    evidence: Evidence,
    indicators: &[Indicator<'_>],
) -> (Severity, u8) {
    if indicators.is_empty() || evidence < Evidence::Established {
        return weight;
    }
    (Severity::Critical, weight.1.max(CRITICAL))
}

/// Adds ECS `threat.feed` and `threat.indicator` of the narrowest, and what all lists say of this address.
pub(super) fn tell(indicators: &[Indicator<'_>], external: IpAddr, document: &mut Value) {
    let Some(first) = indicators.first() else { return };
    document["threat"]["feed"] = json!({ "name": first.list });
    let mut indicator = json!({
        "type": if external.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" },
        "ip": external.to_string(),
        "name": first.entry.net.to_string(),
        "provider": first.list,
    });
    if let Some(description) = &first.entry.description {
        indicator["description"] = json!(description);
    }
    document["threat"]["indicator"] = indicator;
    document["smb_sensor"]["threat_lists"] = indicators.iter().map(told).collect();
    let warned = warned(first);
    for pointer in ["/message", "/smb_sensor/note/seen"] {
        if let Some(Value::String(text)) = document.pointer_mut(pointer) {
            text.push(' ');
            text.push_str(&warned);
        }
    }
}

fn told(indicator: &Indicator<'_>) -> Value {
    let entry = indicator.entry;
    let mut told = json!({ "list": indicator.list, "prefix": entry.net.to_string(), "line": entry.line });
    if let Some(description) = &entry.description {
        told["description"] = json!(description);
    }
    told
}

/// The warning in a sentence.
fn warned(indicator: &Indicator<'_>) -> String {
    let entry = indicator.entry;
    let words = entry.description.as_ref().map_or_else(String::new, |words| format!(": {words}"));
    format!(
        "The external address is on the threat list {} ({}, line {}){words}.",
        indicator.list, entry.net, entry.line
    )
}

#[cfg(test)]
pub(super) mod tests {
    use sensor_common::slot::{Side, TCP, mark};

    use super::*;
    use crate::{
        alert::{Context, Status, document},
        config::ServicePorts,
        detect::{RULES, Sight, fixtures::flow},
        threat::{Format, ThreatList},
    };

    /// A list that warns of 8.8.4.0/24.
    pub(in crate::alert) fn lists() -> ThreatLists {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("feed");
        std::fs::write(&file, "8.8.4.0/24 # scanners\n").unwrap();
        ThreatLists::read(&[ThreatList { name: "feed".into(), file, format: Format::Plain }]).unwrap()
    }

    fn told(evidence: Evidence, marks: u16) -> Value {
        let mut flow = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, evidence);
        flow.marks |= marks;
        let sight = Sight::of(&flow, &ServicePorts::default()).unwrap();
        let threats = lists();
        let context = Context { threats: &threats, ..Context::for_tests() };
        document(RULES[0], "id", 0, Status::Opened, &sight, &context)
    }

    #[test]
    fn a_listed_end_is_named_with_list_prefix_line_and_words() {
        let document = told(Evidence::Established, mark::THREAT);
        let text = |pointer: &str| document.pointer(pointer).unwrap().to_string();
        assert_eq!(text("/threat/indicator/provider"), "\"feed\"");
        assert_eq!(text("/threat/indicator/name"), "\"8.8.4.0/24\"");
        assert_eq!(text("/threat/indicator/description"), "\"scanners\"");
        assert_eq!(text("/smb_sensor/threat_lists/0/line"), "1");
        assert!(
            text("/message").contains("threat list feed (8.8.4.0/24, line 1): scanners."),
            "{document:#}"
        );
    }

    #[test]
    fn a_listed_end_makes_an_alert_critical_once_a_connection_stands() {
        let severity = |document: Value| document["smb_sensor"]["alert"]["severity"].clone();
        assert_eq!(severity(told(Evidence::Established, mark::THREAT)), "critical");
        assert_ne!(severity(told(Evidence::Attempt, mark::THREAT)), "critical");
        let unmarked = told(Evidence::Established, 0);
        assert!(unmarked.pointer("/threat/indicator").is_none());
        assert_ne!(severity(unmarked), "critical");
    }
}
