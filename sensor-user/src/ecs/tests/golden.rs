//! Whole documents, as written.

use std::{fs, path::Path};

use sensor_core::incident::{CampaignAction, IncidentAction, fixtures};
use serde_json::json;

use super::*;

/// Set to rewrite the golden files instead of comparing them: `SMB_SENSOR_WRITE_GOLDEN=1 cargo test -p sensor-user golden`.
const WRITE: &str = "SMB_SENSOR_WRITE_GOLDEN";

/// The same incident, with a server that signs if the client wants it.
fn signing(incident: Incident) -> Incident {
    Incident { signing: vec!["enabled".into()], ..incident }
}

#[test]
fn documents_match_the_golden_files() {
    let event = |action, it| value(incident(&incident_event(action, it), &sensor()));
    let flow_of = |name: &str| {
        let flows = flows::all();
        value(flow(&flows.into_iter().find(|(known, _)| *known == name).unwrap().1, &sensor()))
    };
    for (name, document) in [
        ("leak-closed", event(IncidentAction::Closed, signing(fixtures::leak_accepted()))),
        ("leak-in-full-escalated", event(IncidentAction::Escalated, fixtures::leak_in_full())),
        ("guessing-escalated", event(IncidentAction::Escalated, fixtures::guessing_succeeded())),
        ("sweep-opened", event(IncidentAction::Opened, fixtures::sweep())),
        ("netbios-listed-updated", event(IncidentAction::Updated, fixtures::netbios_listed())),
        ("quic-opened", event(IncidentAction::Opened, fixtures::quic())),
        ("campaign-opened", value(campaign(&fixtures::campaign(CampaignAction::Opened), &sensor()))),
        ("backup-updated", event(IncidentAction::Updated, fixtures::backup_of_inventory())),
        ("block-ended", value(response(&responses()[1], &sensor()))),
        ("exec-failed", value(exec_run(fixtures::after(60_000), &runs()[0], &sensor()))),
        ("verdict", {
            let (verdict_entry, before) = &verdict_entries()[1];
            value(verdict(&fixtures::leak_accepted(), verdict_entry, *before, &sensor()))
        }),
        ("quota", value(quota(&quota_summary(false), &sensor()))),
        ("flow", flow_of("flow smb")),
        ("flow-netbios", flow_of("flow netbios")),
    ] {
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ecs/golden");
        let path = folder.join(format!("{name}.json"));
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, &text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, kept, "{name} differs: set {WRITE} to rewrite it and read the difference");
    }
}

#[test]
fn document_says_since_when_and_how_well_the_external_host_is_known() {
    let document =
        value(incident(&incident_event(IncidentAction::Updated, fixtures::leased_server()), &sensor()));
    assert_eq!(
        document["smb_sensor"]["external_host"],
        json!({
            "first_seen": "2026-11-27T02:40:35.102Z",
            "days": 3,
            "internal_hosts": 2,
            "evidence": "share",
        })
    );
}

#[test]
fn document_is_one_line_whatever_the_wire_says() {
    let line = incident(&incident_event(IncidentAction::Opened, fixtures::hostile_names()), &sensor()).line();
    assert_eq!(line.lines().count(), 1);
    assert!(!line.contains('\u{1b}'), "JSON escapes control characters");
}
