//! Recorded traffic: the captures of the workspace, their connections and their payloads.

use std::{fs, path::PathBuf};

use sensor_dissect::FingerprintKey;
use sensor_user::capture::{self, Recorded, segment::segment};

/// The captures, by name.
pub(crate) fn captures() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/samba");
    let entries = fs::read_dir(folder).unwrap();
    let mut captures: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    captures.retain(|path| path.extension().is_some_and(|end| end == "pcap"));
    captures.sort();
    assert!(captures.len() > 30, "captures are missing in {folder}");
    captures
}

/// The connections of a capture.
pub(crate) fn connections(name: &str) -> Vec<Recorded> {
    let path = format!("{}/../tests/captures/samba/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
    capture::connections(path.as_ref(), &FingerprintKey::new([1; 32])).unwrap()
}

/// The only connection of a capture.
pub(crate) fn connection(name: &str) -> Recorded {
    let mut all = connections(name);
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

/// Every payload of every capture, with the lower of its ports; different ones only.
pub(crate) fn payloads() -> Vec<(u16, Vec<u8>)> {
    let mut payloads = Vec::new();
    for path in captures() {
        capture::frames(&path, |frame| {
            if let Some(segment) = segment(&frame).filter(|segment| !segment.payload.is_empty()) {
                let port = segment.source.port().min(segment.destination.port());
                payloads.push((port, segment.payload.to_vec()));
            }
        })
        .unwrap();
    }
    payloads.sort();
    payloads.dedup();
    payloads
}
