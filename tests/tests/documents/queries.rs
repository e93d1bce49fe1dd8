//! What the source rules would match belongs to an incident.

use std::collections::{BTreeSet, HashSet};

use sensor_core::time::Timestamp;
use sensor_tests::{replayed_with, text};
use sensor_user::{config::Config, exempt::Exemption, replay::EngineChoice};
use serde_json::Value;

use crate::{captures, documents, runs, source::QUERIES};

fn is_flow(document: &Value) -> bool {
    text(document, "/event/action") == "network_flow"
}

fn incident_of(document: &Value) -> &str {
    text(document, "/smb_sensor/incident/id")
}

#[test]
fn each_connection_that_a_source_rule_matches_belongs_to_an_incident_that_was_reported() {
    let mut matched = [0, 0];
    for (what, turned, written) in runs() {
        let held_back = written.iter().any(|one| text(one, "/event/action") == "incident-summary");
        let (flows, incidents): (Vec<_>, Vec<_>) = written.iter().partition(|one| is_flow(one));
        let incidents: BTreeSet<_> = incidents.into_iter().map(incident_of).collect();
        for query in &QUERIES {
            let mut seen = HashSet::new();
            for flow in flows.iter().filter(|flow| query.matches(flow, &mut seen)) {
                matched[usize::from(turned)] += 1;
                let reported = incidents.contains(incident_of(flow));
                assert!(
                    reported || held_back,
                    "{what}: {} matches, and nothing reports {flow:#}",
                    query.name
                );
            }
        }
    }
    assert!(matched[0] > 60 && matched[1] > 30, "{matched:?}");
}

#[test]
fn a_connection_that_the_queries_match_and_an_exemption_covers_says_so_and_has_no_incident() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let pair = Exemption::between("10.0.0.0/8".parse().ok(), "8.0.0.0/8".parse().ok(), "nightly copy");
    let in_force = Config { exemptions: vec![pair.clone()], ..Config::default() };
    let written = replayed_with(&path, EngineChoice::Host, &in_force, &[]).unwrap().documents;
    assert!(!written.is_empty() && written.iter().all(is_flow), "{written:#?}");
    let is_exempt = |flow: &Value| flow.pointer("/smb_sensor/exempt").is_some();
    assert!(written.iter().all(|flow| is_exempt(flow) && QUERIES[0].matches_alone(flow)), "{written:#?}");
    // Of a time before the capture was made it covers nothing, in the kernel's part as in the agent's.
    for over in [pair, Exemption::between("10.0.0.0/8".parse().ok(), None, "a client of ours")] {
        let over = Exemption { expires: Some(Timestamp::from_unix_nanos(1)), ..over };
        let config = Config { exemptions: vec![over], ..Config::default() };
        let written = replayed_with(&path, EngineChoice::Host, &config, &[]).unwrap().documents;
        assert_eq!(written, documents(&path, false));
    }
}

#[test]
fn a_document_that_lacks_what_the_queries_ask_for_is_not_matched() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let flow = documents(&path, false).into_iter().find(is_flow).unwrap();
    let [smb, rare, _] = &QUERIES;
    assert!(smb.matches_alone(&flow) && rare.matches_alone(&flow));
    for (pointer, value) in [
        ("/network/transport", "udp"),
        ("/source/ip", "81.2.3.4"),
        ("/destination/ip", "198.18.0.1"),
        ("/destination/ip", "::1"),
    ] {
        let mut other = flow.clone();
        *other.pointer_mut(pointer).unwrap() = value.into();
        assert!(!smb.matches_alone(&other), "{pointer} {value}");
    }
    let mut seen = HashSet::new();
    assert!(rare.matches(&flow, &mut seen) && !rare.matches(&flow, &mut seen), "new once");
}
