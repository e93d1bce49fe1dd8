//! What `elastic-current` has of its own, and how the published rules fire on connections that were seen.

use std::collections::HashSet;

use super::*;
use crate::{level::EvidenceLevel, process::Process};

#[test]
fn its_terms_are_a_new_source_in_five_days_and_a_new_destination_in_seven() {
    let terms: Vec<_> =
        ProfileName::ElasticCurrent.profile().rules.iter().map(|rule| rule.new_term().unwrap()).collect();
    let source = NewTerm { field: Field::SourceIp, days: 5 };
    assert_eq!(terms, [source, NewTerm { field: Field::DestinationIp, days: 7 }, source]);
}

#[test]
fn from_the_internet_it_is_the_same_lists_the_other_way_round() {
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
fn a_source_and_a_destination_fire_while_they_are_new() {
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
fn a_term_is_asked_for_only_where_everything_else_fits() {
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
fn smb_that_was_recognised_on_another_port_counts_and_other_traffic_there_does_not() {
    let elsewhere = |level| FlowFixture::outbound().on(TCP, 4_445).reached(level);
    let rules = fired(ProfileName::ElasticV105, &elsewhere(EvidenceLevel::Smb), &mut HashSet::new());
    assert_eq!(rules, ["elastic-v105-smb-to-internet"]);
    let other = elsewhere(EvidenceLevel::Connected).seen(|view| view.usual_port = true);
    assert!(fired(ProfileName::ElasticV105, &other, &mut HashSet::new()).is_empty());
}

#[test]
fn a_process_of_this_machine_is_not_the_one_that_the_rare_rule_asks_for() {
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
