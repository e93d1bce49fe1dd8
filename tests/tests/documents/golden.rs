//! A handful of captures, their documents byte for byte.

use std::{env, fs, path::Path};

use serde_json::{Value, json};

use crate::documents;

/// Set to `write` to write the files anew.
const WRITE: &str = "SMB_SENSOR_GOLDEN";

/// Captures that differ in what they show: SMB 3, 1 with NTLMv1, encrypted, on another port, over IPv6, refused, DCE-RPC,
/// NetBIOS.
const CAPTURES: [&str; 8] =
    ["smb3_00", "smb1-ntlmv1", "smb3-enc", "is-anon4445", "smb6", "wrongpw", "rpc445", "nbtstat"];

/// The document without what differs from machine to machine and from version to version.
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

#[test]
fn the_documents_of_the_captures_are_those_of_the_golden_files() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let write = env::var_os(WRITE).is_some_and(|what| what == "write");
    for name in CAPTURES {
        let told = documents(&here.join(format!("captures/samba/{name}.pcap")), false);
        let text: String = told.into_iter().map(|one| format!("{}\n", normalised(one))).collect();
        let path = here.join(format!("golden/{name}.jsonl"));
        if write {
            fs::write(&path, &text).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        for (number, (is, was)) in text.lines().zip(golden.lines()).enumerate() {
            assert_eq!(
                is,
                was,
                "{name}, document {}: if that is meant, see tests/golden/README.md",
                number + 1
            );
        }
        assert_eq!(text, golden, "{name}: another number of documents");
    }
}
