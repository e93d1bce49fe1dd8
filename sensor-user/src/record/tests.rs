//! Changes of incidents, and the thread that writes.

use std::net::SocketAddr;

use sensor_common::slot::TCP;

use super::*;

fn ends(port: u16) -> FiveTuple {
    let (local, remote) = (SocketAddr::from(([10, 0, 0, 2], port)), SocketAddr::from(([8, 8, 4, 4], 445)));
    FiveTuple { transport: TCP, local, remote }
}

/// A recording without sockets and without a thread that writes.
fn recording(changes: SyncSender<Change>) -> Recording {
    Recording {
        packets: None,
        changes,
        stop: Arc::default(),
        lost: Arc::default(),
        refused: AtomicU64::default(),
        sockets: vec![],
        interfaces: 0,
        ports: vec![],
        snap_length: 512,
        spawner: Supervisor::default().spawner(),
        writer: None,
    }
}

#[test]
fn flood_of_packets_displaces_no_alert() {
    let (changes, receiver) = sync_channel(MAX_CHANGES);
    let recording = recording(changes);
    for port in 1..=20_000 {
        recording.joined(&ends(port), IncidentId(1), "rule");
        recording.left(&ends(port));
    }
    assert_eq!((receiver.try_iter().count(), recording.refused()), (40_000, (0, 0)));
}

#[test]
fn counts_messages_that_do_not_fit() {
    let (changes, _receiver) = sync_channel(2);
    let recording = recording(changes);
    for port in 1..=5 {
        recording.left(&ends(port));
    }
    assert_eq!(recording.refused(), (0, 3));
}

#[test]
fn names_another_file_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "my notes").unwrap();
    let options = RecordOptions { file: Some(file.clone()), snap_length: 512, max_mib: 1 };
    let error = Recording::start(&options, &ServicePorts::default(), &[], &Supervisor::default())
        .err()
        .unwrap()
        .to_string();
    let named = error.contains(&file.display().to_string()) && error.contains("--record");
    assert!(named && error.contains("not a pcapng"), "{error}");
}
