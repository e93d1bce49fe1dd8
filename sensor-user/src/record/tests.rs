//! News of alerts, and the thread that writes.

use std::net::SocketAddr;

use sensor_common::slot::TCP;

use super::*;

fn ends(port: u16) -> FiveTuple {
    let (local, remote) = (SocketAddr::from(([10, 0, 0, 2], port)), SocketAddr::from(([8, 8, 4, 4], 445)));
    FiveTuple { transport: TCP, local, remote }
}

#[test]
fn a_flood_of_packets_drives_out_no_alert() {
    let (packets, full) = sync_channel(0);
    let (news, heard) = channel();
    let recording =
        Recording { packets, news, stop: Arc::default(), lost: Arc::default(), taps: vec![], writer: None };
    for port in 1..=20_000 {
        recording.joined(&ends(port), IncidentId(1), "rule");
        recording.left(&ends(port));
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
