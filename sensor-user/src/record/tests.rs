//! News of alerts, and the thread that writes.

use std::net::SocketAddr;

use sensor_common::slot::TCP;
use serde_json::json;

use super::*;

fn ends(port: u16) -> Conversation {
    let (local, remote) = (SocketAddr::from(([10, 0, 0, 2], port)), SocketAddr::from(([8, 8, 4, 4], 445)));
    Conversation { transport: TCP, local, remote }
}

fn document(dataset: &str, status: &str) -> Value {
    json!({
        "event": { "dataset": dataset, "id": "id" },
        "rule": { "id": "rule" },
        "smb_sensor": { "alert": { "status": status } },
    })
}

#[test]
fn only_an_alert_on_the_flow_itself_begins_or_ends_its_recording() {
    let of = |dataset, status| News::of(&ends(1), &document(dataset, status), 7);
    let alerted = News::Alerted { flow: ends(1), alert: "id".to_owned(), rule: "rule".to_owned(), at: 7 };
    assert_eq!(of("smb_sensor.alert", "opened"), Some(alerted));
    assert_eq!(of("smb_sensor.alert", "closed"), Some(News::Closed { flow: ends(1), at: 7 }));
    assert_eq!(of("smb_sensor.alert", "updated"), None);
    for status in ["opened", "closed"] {
        assert_eq!(of("smb_sensor.sweep", status), None);
    }
    assert_eq!(of("smb_sensor.suppression", ""), None);
}

#[test]
fn a_flood_of_packets_drives_out_no_alert() {
    let (packets, full) = sync_channel(0);
    let (news, heard) = channel();
    let recording =
        Recording { packets, news, stop: Arc::default(), lost: Arc::default(), taps: vec![], writer: None };
    for port in 1..=20_000 {
        recording.told(&ends(port), &[document("smb_sensor.alert", "opened")]);
        recording.told(&ends(port), &[document("smb_sensor.alert", "closed")]);
    }
    assert_eq!(heard.try_iter().count(), 40_000);
    drop(full);
}

#[test]
fn a_file_that_is_no_recording_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "my notes").unwrap();
    let options = RecordOptions { file: Some(file.clone()), snap_length: 512, max_mib: 1 };
    let error = Recording::start(&options, &ServicePorts::default(), &[]).err().unwrap().to_string();
    let named = error.contains(&file.display().to_string()) && error.contains("--record");
    assert!(named && error.contains("no pcapng"), "{error}");
}
