//! The documents of captures, recorded and made: against their schemas, against golden files, and against the queries of the
//! rules that the detections come from.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod account;
mod crowds;
mod golden;
mod queries;
mod source;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sensor_tests::{captures_below, follows_schema, replayed_with, text};
use sensor_user::{config::Config, replay::EngineChoice};
use serde_json::Value;

use self::crowds::Crowd;

/// The captures of the workspace.
fn captures() -> Vec<PathBuf> {
    captures_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")).unwrap()
}

/// The documents of a capture with its addresses unchanged, or with the client outside and the server inside.
fn documents(path: &Path, turned: bool) -> Vec<Value> {
    let rewrites: &[&str] = if turned {
        &["10.0.0.0/8=81.0.0.0/8", "8.8.4.0/24=10.9.4.0/24", "8.9.0.0/16=10.9.0.0/16"]
    } else {
        &[]
    };
    let rewrites: Vec<_> = rewrites.iter().map(|one| one.parse().unwrap()).collect();
    let replayed = replayed_with(path, EngineChoice::Host, &Config::default(), &rewrites).unwrap();
    replayed.documents
}

/// Whether it is the summary document of a flow.
fn is_flow(document: &Value) -> bool {
    text(document, "/event/dataset") == "network_traffic.flow"
}

fn named(name: &str, turned: bool) -> String {
    if turned { format!("{name}, turned round") } else { name.to_owned() }
}

/// Every recorded capture, unchanged and reversed: its name, whether it is reversed, and its documents.
fn recorded() -> impl Iterator<Item = (String, bool, Vec<Value>)> {
    captures().into_iter().flat_map(|path| {
        let what = path.display().to_string();
        [false, true].map(|turned| (named(&what, turned), turned, documents(&path, turned)))
    })
}

/// The same for the captures that are made here.
fn made() -> impl Iterator<Item = (String, bool, Vec<Value>)> {
    [Crowd::sweep(), Crowd::flood(), Crowd::both()].into_iter().flat_map(|crowd| {
        [false, true].map(|turned| (named(crowd.name, turned), turned, crowd.documents(turned)))
    })
}

/// All of them.
fn runs() -> impl Iterator<Item = (String, bool, Vec<Value>)> {
    recorded().chain(made())
}

#[test]
fn readme_has_at_most_150_lines() {
    let lines = include_str!("../../../README.md").lines().count();
    assert!(lines <= 150, "README.md has {lines} lines: the rest belongs on a page below docs/");
}

#[test]
fn every_document_of_every_capture_follows_its_schema() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (what, _, documents) in runs() {
        for document in &documents {
            follows_schema(document).unwrap_or_else(|error| panic!("{what}: {error:#}"));
            *kinds.entry(text(document, "/event/dataset").to_owned()).or_default() += 1;
        }
    }
    let count = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
    assert!(count("smb_sensor.incident") > 100 && count("network_traffic.flow") > 60, "{kinds:?}");
}
