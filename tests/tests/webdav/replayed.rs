//! A replay of captures of the same traffic gives the same reports as the running sensor.

use std::path::Path;

use sensor_tests::{finds, privileged, replayed, text, texts};
use sensor_user::{config::Config, replay::EngineChoice};
use serde_json::Value;

use crate::{GIVEN_AWAY, RULE};

/// The documents of a capture, the same from both engines.
fn documents(test: &str, name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/webdav").join(name);
    let host = replayed(&path, EngineChoice::Host, &Config::default()).unwrap();
    if privileged(test) {
        let kernel = replayed(&path, EngineChoice::Kernel, &Config::default()).unwrap();
        assert_eq!(host.documents, kernel.documents);
    }
    host.documents
}

#[test]
fn log_on_of_a_capture_is_reported_like_a_live_one() {
    for (name, severity, outcome) in
        [("ntlm-accepted.pcap", "critical", "accepted"), ("ntlm-refused.pcap", "high", "refused")]
    {
        let documents = documents("log_on_of_a_capture_is_reported_like_a_live_one", name);
        let incident = documents.iter().rfind(|document| finds(document, GIVEN_AWAY)).unwrap();
        assert!(finds(incident, RULE), "{incident:#}");
        assert_eq!(text(incident, "/smb_sensor/incident/severity"), severity);
        assert_eq!(text(&incident["smb_sensor"]["credentials"][0], "/outcome"), outcome);
        assert_eq!(texts(incident, "/threat/technique/id"), ["T1071", "T1187"]);
    }
}

#[test]
fn options_of_a_browser_in_a_capture_are_nothing() {
    let documents = documents("options_of_a_browser_in_a_capture_are_nothing", "cors.pcap");
    assert!(documents.is_empty(), "{documents:#?}");
}
