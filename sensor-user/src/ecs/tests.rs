//! Documents of many shapes against the field list of ECS, the schemas and the golden files.

mod field_list;
mod flows;
mod golden;
mod index_template;
mod schema;

use sensor_core::{
    incident::{CampaignAction, IncidentAction, IncidentEvent, QuotaSummary, fixtures},
    rules,
};
use serde_json::Value;

use super::*;
use crate::response::{
    Author, EntryAction, Peer,
    exec::{ExecResult, ExecRun},
};
use std::time::Duration;

/// The sensor of the tests.
fn sensor() -> Sensor {
    Sensor { hostname: "gateway".into(), interfaces: vec![(2, "lan0".into())], networks_defined: true }
}

fn value(document: Document) -> Value {
    serde_json::from_str(&document.line()).unwrap()
}

fn incident_event(action: IncidentAction, incident: Incident) -> IncidentEvent {
    IncidentEvent { action, sequence: incident.sequence, at: incident.updated, incident }
}

/// A quota that tripped.
fn quota_summary(is_final: bool) -> QuotaSummary {
    QuotaSummary {
        rule: &rules::smb_to_internet::META,
        since: fixtures::START,
        until: fixtures::after(300_000),
        at: fixtures::after(if is_final { 300_000 } else { 1_000 }),
        sequence: u64::from(is_final) + 1,
        opened: 100,
        held_back: 41,
        is_final,
        sources: vec![("10.0.0.31".parse().unwrap(), 40), ("10.0.0.32".parse().unwrap(), 1)],
    }
}

/// A block that began, ended by command, or was over.
fn responses() -> [Entry; 4] {
    let entry = |action, target: &str, by, packets, incident: Option<&str>| Entry {
        at: fixtures::after(60_000),
        action,
        target: target.parse().unwrap(),
        by,
        reason: "files leave".into(),
        since: fixtures::START,
        until: fixtures::after(3_600_000),
        is_dry: incident.is_some(),
        packets,
        incident: incident.map(str::to_owned),
    };
    let root = Peer::User { uid: 0, name: Some("root".into()) };
    [
        entry(EntryAction::Blocked, "10.0.0.31,8.8.4.4", root.clone(), 0, None),
        entry(EntryAction::Unblocked, "8.8.4.0/24", root, 41, None),
        entry(EntryAction::BlockExpired, "10.0.0.31,8.8.4.4", Peer::Agent, 7, Some("7f3a0c1d2e4b5a69")),
        entry(EntryAction::Blocked, "8.8.4.4", Peer::Page { name: "Ada".into() }, 0, None),
    ]
}

/// A program that was run with each result.
fn runs() -> [ExecRun; 4] {
    let results = [
        ExecResult::Exited(3),
        ExecResult::Signalled(9),
        ExecResult::TimedOut,
        ExecResult::NotStarted("/usr/local/sbin/isolate cannot be used: No such file or directory".into()),
    ];
    results.map(|result| ExecRun {
        incident: "7f3a0c1d2e4b5a69".into(),
        number: 1,
        program: "/usr/local/sbin/isolate".into(),
        user: "isolate".into(),
        took: Duration::from_millis(210),
        stderr: if result == ExecResult::Exited(3) { b"the API said no\x1b[2J\n".to_vec() } else { vec![] },
        result,
    })
}

/// A verdict by command, and another one on the status page.
fn verdict_entries() -> [(VerdictEntry, Option<Verdict>); 2] {
    let ann = Author::Peer(Peer::User { uid: 1000, name: Some("ann".into()) });
    let given = |verdict, note: Option<&str>, by| VerdictEntry {
        verdict,
        note: note.map(str::to_owned),
        by,
        at: fixtures::after(90_000),
    };
    [
        (given(Verdict::Confirmed, None, ann), None),
        (
            given(Verdict::Benign, Some("nightly copy to the provider"), Author::OnPage("Ada".into())),
            Some(Verdict::Confirmed),
        ),
    ]
}

/// A document of every kind, in many shapes, each with its name and the file of its schema.
fn documents() -> Vec<(String, &'static str, Value)> {
    let mut documents = Vec::new();
    let actions =
        [IncidentAction::Opened, IncidentAction::Escalated, IncidentAction::Updated, IncidentAction::Closed];
    for (name, it) in fixtures::all() {
        for action in actions {
            let event = incident_event(action, it.clone());
            let name = format!("{name} {}", action.name());
            documents.push((name, "incident.schema.json", value(incident(&event, &sensor()))));
        }
    }
    for is_final in [false, true] {
        let document = quota(&quota_summary(is_final), &sensor());
        documents.push((format!("quota {is_final}"), "quota.schema.json", value(document)));
    }
    for action in [CampaignAction::Opened, CampaignAction::Escalated, CampaignAction::Updated] {
        let document = campaign(&fixtures::campaign(action), &sensor());
        documents.push((format!("campaign {action:?}"), "campaign.schema.json", value(document)));
    }
    for entry in responses() {
        let document = response(&entry, &sensor());
        documents.push((entry.action.name().to_owned(), "response.schema.json", value(document)));
    }
    for run in runs() {
        let document = exec_run(fixtures::after(60_000), &run, &sensor());
        documents.push((format!("exec {}", run.result), "exec.schema.json", value(document)));
    }
    for (verdict_entry, before) in verdict_entries() {
        let document = verdict(&fixtures::leak_accepted(), &verdict_entry, before, &sensor());
        let name = format!("verdict {}", verdict_entry.verdict);
        documents.push((name, "verdict.schema.json", value(document)));
    }
    for (name, summary) in flows::all() {
        documents.push((name.to_owned(), "flow.schema.json", value(flow(&summary, &sensor()))));
    }
    documents
}
