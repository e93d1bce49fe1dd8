//! The verdict on documents of the older form, with one alert per connection and rule. It goes with that form.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Verdict, text};

/// The alerts that the story must cause: rule, client, server, techniques that the evidence shows.
const EXPECTED: [[&str; 4]; 4] = [
    ["external-access-windows-networking", "8.8.4.4", "10.0.1.2", "T1133 T1190"],
    ["ntlm-credential-to-internet", "10.0.0.2", "8.8.4.4", "T1048 T1187"],
    ["rare-smb-destination", "10.0.0.2", "8.8.4.4", "T1048 T1187"],
    ["smb-to-internet", "10.0.0.2", "8.8.4.4", "T1048 T1187"],
];

/// Compares the alerts with the expected ones.
pub(super) fn check(documents: &[Value]) -> Verdict {
    let seen = facts(&latest(documents));
    let expected = EXPECTED.map(|row| row.map(str::to_owned));
    Verdict {
        expected: format!("{}; nothing for the internal session", sentence(&expected)),
        seen: sentence(&seen),
        faults: if seen == expected { Vec::new() } else { vec!["other alerts than expected".to_owned()] },
    }
}

/// Whether every alert has been closed.
pub(super) fn is_complete(documents: &[Value]) -> bool {
    let closed = documents.iter().filter(|document| text(document, "/smb_sensor/alert/status") == "closed");
    closed.count() >= EXPECTED.len()
}

/// The last document of each alert.
fn latest(documents: &[Value]) -> Vec<&Value> {
    let mut alerts: BTreeMap<&str, &Value> = BTreeMap::new();
    for document in documents {
        alerts.insert(text(document, "/event/id"), document);
    }
    let mut alerts: Vec<&Value> = alerts.into_values().collect();
    alerts.sort_by_key(|alert| text(alert, "/rule/id"));
    alerts
}

fn facts(alerts: &[&Value]) -> Vec<[String; 4]> {
    alerts
        .iter()
        .map(|alert| {
            [
                text(alert, "/rule/id").to_owned(),
                text(alert, "/source/ip").to_owned(),
                text(alert, "/destination/ip").to_owned(),
                techniques(alert),
            ]
        })
        .collect()
}

fn sentence(alerts: &[[String; 4]]) -> String {
    let parts: Vec<String> = alerts
        .iter()
        .map(|[rule, client, server, techniques]| format!("{rule} {client} → {server} ({techniques})"))
        .collect();
    format!("{} alerts: {}", parts.len(), parts.join(", "))
}

fn techniques(alert: &Value) -> String {
    let ids = alert.pointer("/threat/technique/id").and_then(Value::as_array);
    ids.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert(id: &str, row: [&str; 4]) -> Value {
        json!({
            "event": { "id": id },
            "rule": { "id": row[0] },
            "source": { "ip": row[1] },
            "destination": { "ip": row[2] },
            "threat": { "technique": { "id": row[3].split(' ').collect::<Vec<_>>() } },
        })
    }

    #[test]
    fn last_document_of_each_alert_counts() {
        let mut documents: Vec<Value> =
            EXPECTED.iter().map(|row| alert(row[0], ["x", "x", "x", "x"])).collect();
        documents.extend(EXPECTED.iter().map(|row| alert(row[0], *row)));
        assert_eq!(facts(&latest(&documents)), EXPECTED.map(|row| row.map(str::to_owned)));
    }

    #[test]
    fn alert_more_or_less_is_unexpected() {
        let mut documents: Vec<Value> = EXPECTED.iter().map(|row| alert(row[0], *row)).collect();
        assert!(check(&documents).faults.is_empty());
        documents.push(alert("more", EXPECTED[0]));
        assert!(!check(&documents).faults.is_empty());
        documents.truncate(2);
        assert!(!check(&documents).faults.is_empty());
    }
}
