//! The specifics of `elastic-current`, and how the published rules fire on connections.

use std::collections::HashSet;

use super::*;
use crate::{level::EvidenceLevel, process::Process};

#[test]
fn terms_are_new_sources_in_5_days_and_destinations_in_7() {
    let terms: Vec<_> =
        ProfileName::ElasticCurrent.profile().rules.iter().map(|rule| rule.new_term().unwrap()).collect();
    let source = NewTerm { field: Field::SourceIp, days: 5 };
    assert_eq!(terms, [source, NewTerm { field: Field::DestinationIp, days: 7 }, source]);
}

#[test]
fn inbound_uses_the_same_lists_reversed() {
    let rulebook = rulebook(ProfileName::ElasticCurrent);
    const FROM: [&str; 1] = ["smb-from-internet"];
    for source in all_edges(NOT_INTERNET) {
        let excluded = nets(NOT_INTERNET).iter().any(|net| net.contains(&source));
        let question = Question { client: source, ..tcp("8.8.8.8", "10.0.0.1", 445) };
        let fits = fitting(&rulebook, &question).contains(&FROM[0]);
        assert_eq!(fits, !excluded, "{source}");
    }
    for server in all_edges(INTERNAL) {
        let internal = nets(INTERNAL).iter().any(|net| net.contains(&server));
        let question = Question { server, ..tcp("8.8.8.8", "10.0.0.1", 139) };
        assert_eq!(fitting(&rulebook, &question) == FROM, internal, "{server}");
    }
    for port in [135, 137, 138, 4445] {
        let spoken = Question { smb: Some(true), ..tcp("8.8.8.8", "10.0.0.1", port) };
        assert!(fitting(&rulebook, &spoken).is_empty(), "{port}");
    }
}

/// Rules that fire, with terms that are learnt at once.
fn fired(name: ProfileName, flow: &FlowFixture, known: &mut HashSet<Term>) -> Vec<&'static str> {
    let findings = rulebook(name).findings(&flow.view(), &mut |term| known.insert(term));
    findings.into_iter().map(|finding| finding.rule.id).collect()
}

fn outbound(client: &str, server: &str) -> FlowFixture {
    FlowFixture::outbound().between(client, server)
}

#[test]
fn source_and_destination_fire_while_new() {
    const SOURCE: &str = "elastic-current-smb-to-internet";
    const DESTINATION: &str = "elastic-current-rare-smb-destination";
    let mut known = HashSet::new();
    let mut at = |client, server| fired(ProfileName::ElasticCurrent, &outbound(client, server), &mut known);
    assert_eq!(at("10.0.0.1", "8.8.8.8"), [SOURCE, DESTINATION], "a lone SYN is enough");
    assert!(at("10.0.0.1", "8.8.8.8").is_empty());
    assert_eq!(at("10.0.0.1", "9.9.9.9"), [DESTINATION], "its second destination");
    assert_eq!(at("10.0.0.2", "9.9.9.9"), [SOURCE]);
    let addresses = ["10.0.0.1", "10.0.0.2", "8.8.8.8", "9.9.9.9"].map(|text| text.parse().unwrap());
    let asked: HashSet<_> = addresses
        .into_iter()
        .zip([SOURCE, SOURCE, DESTINATION, DESTINATION])
        .map(|(address, rule)| Term { rule, address })
        .collect();
    assert_eq!(known, asked);
}

#[test]
fn looks_up_a_term_only_when_everything_else_matches() {
    let mut asked = 0;
    let mut count = |_| {
        asked += 1;
        true
    };
    let flow = FlowFixture::outbound().on(TCP, 135).reached(EvidenceLevel::Data);
    assert!(rulebook(ProfileName::ElasticCurrent).findings(&flow.view(), &mut count).is_empty());
    assert_eq!(asked, 0);
}

#[test]
fn version_105_fires_on_every_connection_with_the_published_severity() {
    for level in [EvidenceLevel::Attempt, EvidenceLevel::Refused, EvidenceLevel::Data] {
        let flow = FlowFixture::outbound().reached(level);
        let findings = rulebook(ProfileName::ElasticV105).findings(&flow.view(), &mut |_| false);
        let weights: Vec<_> =
            findings.iter().map(|one| (one.rule.id, one.severity.name(), one.risk_score)).collect();
        assert_eq!(weights, [("elastic-v105-smb-to-internet", "high", 73)], "{level}");
    }
}

#[test]
fn counts_smb_on_other_ports_but_no_other_traffic_there() {
    let elsewhere = |level| FlowFixture::outbound().on(TCP, 4_445).reached(level);
    for level in [EvidenceLevel::Connected, EvidenceLevel::Smb] {
        let rules = fired(ProfileName::ElasticV105, &elsewhere(level), &mut HashSet::new());
        assert_eq!(rules, ["elastic-v105-smb-to-internet"], "{level}");
    }
    let other = elsewhere(EvidenceLevel::Connected).seen(|view| view.usual_port = true);
    assert!(fired(ProfileName::ElasticV105, &other, &mut HashSet::new()).is_empty());
}

#[test]
fn process_of_this_machine_does_not_match_the_rare_rule() {
    let process = Process {
        pid: 4_711,
        name: None,
        thread: None,
        user: 0,
        user_name: None,
        executable: None,
        cgroup_id: 0,
        cgroup: None,
        container: None,
    };
    let flow = FlowFixture::outbound().process(process);
    let rules = fired(ProfileName::ElasticV105, &flow, &mut HashSet::new());
    assert_eq!(rules, ["elastic-v105-smb-to-internet"]);
}
