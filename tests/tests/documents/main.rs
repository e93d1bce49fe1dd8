//! The documents of the recorded captures: against their schemas, against golden files, and against the queries of the rules
//! that the detections come from.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod golden;
mod queries;
mod source;

use std::path::{Path, PathBuf};

use sensor_tests::{captures_below, follows_schema, replayed_with};
use sensor_user::{config::Config, journal::Kind, replay::EngineChoice};
use serde_json::Value;

/// The captures of the workspace.
fn captures() -> Vec<PathBuf> {
    captures_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")).unwrap()
}

/// The documents of a capture with its addresses as they are, or with the client outside and the server inside.
fn documents(path: &Path, turned: bool) -> Vec<Value> {
    let rewrites: &[&str] = if turned { &["10.0.0.0/8=81.0.0.0/8", "8.8.4.0/24=10.9.4.0/24"] } else { &[] };
    let rewrites: Vec<_> = rewrites.iter().map(|one| one.parse().unwrap()).collect();
    replayed_with(path, EngineChoice::Host, &Config::default(), &rewrites).unwrap().documents
}

#[test]
fn every_document_of_every_capture_follows_its_schema() {
    let (mut alerts, mut flows) = (0, 0);
    for path in captures() {
        for document in documents(&path, false).iter().chain(&documents(&path, true)) {
            follows_schema(document).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
            match Kind::of(document) {
                Kind::Alert => alerts += 1,
                Kind::Flow => flows += 1,
            }
        }
    }
    assert!(alerts > 100 && flows > 60, "{alerts} documents of alerts, {flows} of flows");
}
