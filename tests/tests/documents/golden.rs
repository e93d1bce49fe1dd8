//! The documents of a handful of captures, byte for byte; for many hosts, documents that represent many connections.

use std::{env, fs, path::Path};

use sensor_tests::{number, text};
use serde_json::{Value, json};

use crate::{crowds::Crowd, documents};

/// Set to `write` to rewrite the files.
const WRITE: &str = "SMB_SENSOR_GOLDEN";

/// Captures with different content: SMB 3, 1 with NTLMv1, encrypted, on another port, over IPv6, refused, DCE-RPC,
/// the names of a machine, a question for a name before that.
const CAPTURES: [&str; 9] = [
    "smb3_00",
    "smb1-ntlmv1",
    "smb3-enc",
    "is-anon4445",
    "smb6",
    "wrongpw",
    "rpc445",
    "nbtstat",
    "nbns-stat2",
];

/// The document without fields that differ between machines and versions.
fn normalised(mut document: Value) -> Value {
    for (pointer, value) in [
        ("/observer/hostname", "sensor"),
        ("/host/hostname", "sensor"),
        ("/host/name", "sensor"),
        ("/agent/name", "sensor"),
        ("/agent/version", "0"),
        ("/observer/version", "0"),
        ("/rule/version", "0"),
    ] {
        if let Some(found) = document.pointer_mut(pointer) {
            *found = json!(value);
        }
    }
    document
}

/// Compares documents with a golden file, or rewrites it.
fn assert_golden(name: &str, documents: impl Iterator<Item = Value>) {
    let text: String = documents.map(|one| format!("{}\n", normalised(one))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.jsonl"));
    if env::var_os(WRITE).is_some_and(|what| what == "write") {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, was)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, was, "{name}, document {}: if that is meant, see tests/golden/README.md", number + 1);
    }
    assert_eq!(text, golden, "{name}: another number of documents");
}

#[test]
fn documents_of_the_captures_match_the_golden_files() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/samba");
    for name in CAPTURES {
        assert_golden(name, documents(&captures.join(format!("{name}.pcap")), false).into_iter());
    }
}

#[test]
fn sweeps_and_summaries_match_the_golden_files() {
    for crowd in [Crowd::sweep(), Crowd::flood()] {
        for turned in [false, true] {
            let documents = crowd.documents(turned).into_iter();
            let documents = documents.filter(|one| match text(one, "/event/action") {
                "incident-summary" => true,
                "incident-closed" => number(one, "/smb_sensor/incident/connections") > 1,
                _ => false,
            });
            let direction = if turned { "inbound" } else { "outbound" };
            assert_golden(&format!("{}-{direction}", crowd.name), documents);
        }
    }
}
