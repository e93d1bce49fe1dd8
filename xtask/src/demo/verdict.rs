//! What the demonstration showed, and whether it is what was expected.

use std::{collections::BTreeMap, process::ExitCode};

use comfy_table::{Table, presets::UTF8_NO_BORDERS};
use serde_json::Value;

/// The alerts that the story must raise: rule, client, server, techniques that the evidence shows.
const EXPECTED: [[&str; 4]; 4] = [
    ["external-access-windows-networking", "8.8.4.4", "10.0.1.2", "T1133 T1190"],
    ["ntlm-credential-to-internet", "10.0.0.2", "8.8.4.4", "T1048 T1187"],
    ["rare-smb-destination", "10.0.0.2", "8.8.4.4", "T1048 T1187"],
    ["smb-to-internet", "10.0.0.2", "8.8.4.4", "T1048 T1187"],
];

/// Prints the alerts as a table and one as it is, and holds them against what was expected.
pub(super) fn show(documents: &[Value]) -> ExitCode {
    let alerts = latest(documents);
    println!("\nAlerts, as they stood at the end of their conversations:\n\n{}", table(&alerts));
    if let Some(document) = alerts.iter().find(|alert| text(alert, "/rule/id") == "smb-to-internet") {
        println!("\nOne of them in full (Elastic Common Schema):\n\n{document:#}");
    }
    let seen = facts(&alerts);
    println!(
        "\nexpected: {}; nothing for the internal session",
        sentence(&EXPECTED.map(|row| row.map(str::to_owned)))
    );
    println!("seen:     {}", sentence(&seen));
    if seen == EXPECTED.map(|row| row.map(str::to_owned)) {
        println!("as expected");
        ExitCode::SUCCESS
    } else {
        println!("NOT as expected");
        ExitCode::FAILURE
    }
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

fn table(alerts: &[&Value]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_NO_BORDERS);
    table.set_header([
        "severity",
        "rule",
        "direction",
        "client",
        "server",
        "evidence",
        "sent / received",
        "ATT&CK",
    ]);
    for alert in alerts {
        let end = |name: &str| format!("{}:{}", text(alert, &format!("/{name}/ip")), alert[name]["port"]);
        table.add_row([
            text(alert, "/smb_sensor/alert/severity").to_owned(),
            text(alert, "/rule/name").to_owned(),
            text(alert, "/network/direction").to_owned(),
            end("source"),
            end("destination"),
            text(alert, "/smb_sensor/evidence/level").to_owned(),
            format!(
                "{} / {} B",
                alert["smb_sensor"]["evidence"]["bytes_sent"],
                alert["smb_sensor"]["evidence"]["bytes_received"]
            ),
            techniques(alert),
        ]);
    }
    table
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

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
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
    fn the_last_document_of_each_alert_counts() {
        let mut documents: Vec<Value> =
            EXPECTED.iter().map(|row| alert(row[0], ["x", "x", "x", "x"])).collect();
        documents.extend(EXPECTED.iter().map(|row| alert(row[0], *row)));
        assert_eq!(facts(&latest(&documents)), EXPECTED.map(|row| row.map(str::to_owned)));
    }

    #[test]
    fn an_alert_more_or_less_is_not_as_expected() {
        let mut documents: Vec<Value> = EXPECTED.iter().map(|row| alert(row[0], *row)).collect();
        assert_eq!(show(&documents), ExitCode::SUCCESS);
        documents.push(alert("more", EXPECTED[0]));
        assert_eq!(show(&documents), ExitCode::FAILURE);
        documents.truncate(2);
        assert_eq!(show(&documents), ExitCode::FAILURE);
    }
}
