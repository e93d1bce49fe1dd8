//! What `elastic-current` has of its own, and how its rules fire on conversations that were seen.

use sensor_common::slot::Side;

use super::*;
use crate::{
    detect::{Sight, fixtures::flow},
    flow::{Evidence, Flow},
    terms::{Clocks, Terms},
};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
const START: i128 = 1_700_000_000 * SECOND;

#[test]
fn its_terms_are_a_new_source_in_five_days_and_a_new_destination_in_seven() {
    let terms: Vec<_> =
        ProfileName::ElasticCurrent.profile().rules.iter().map(|rule| rule.new_term.unwrap()).collect();
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

fn outbound(client: &str, server: &str, evidence: Evidence) -> Flow {
    flow(TCP, &format!("{client}:50000"), &format!("{server}:445"), Side::Local, evidence)
}

fn told(name: ProfileName, flow: &Flow, terms: &mut Terms, now: i128) -> Vec<&'static str> {
    let config = Config { profile: name, ..Config::default() };
    let sight = Sight::of(flow, &config.watched()).unwrap();
    let findings = Rulebook::of(name, &config).findings(&sight, terms, now);
    findings.into_iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn a_source_is_told_once_in_five_days_and_a_destination_once_in_seven() {
    const SOURCE: &str = "elastic-current-smb-to-internet";
    const DESTINATION: &str = "elastic-current-rare-smb-destination";
    let directory = tempfile::tempdir().unwrap();
    let open = |windows: &Windows, wall| {
        Terms::open(directory.path(), windows, Clocks { wall, since_boot: 0, boot: None }).unwrap()
    };
    let mut terms = open(&Windows::default(), START);
    let at = |client, server, terms: &mut Terms, now| {
        told(ProfileName::ElasticCurrent, &outbound(client, server, Evidence::Attempt), terms, now)
    };
    assert_eq!(at("10.0.0.1", "8.8.8.8", &mut terms, START), [SOURCE, DESTINATION], "a lone SYN is enough");
    assert!(at("10.0.0.1", "8.8.8.8", &mut terms, START + SECOND).is_empty());
    assert_eq!(at("10.0.0.1", "9.9.9.9", &mut terms, START), [DESTINATION], "its second destination");
    assert_eq!(at("10.0.0.2", "9.9.9.9", &mut terms, START), [SOURCE]);
    terms.commit(START + SECOND).unwrap();
    drop(terms);
    // The windows outlive a restart.
    let mut terms = open(&Windows::default(), START + 5 * DAY);
    assert!(at("10.0.0.2", "9.9.9.9", &mut terms, START + 5 * DAY).is_empty());
    let later = START + 6 * DAY + 2 * SECOND;
    assert_eq!(at("10.0.0.1", "8.8.8.8", &mut terms, later), [SOURCE], "after six days");
    let later = later + 8 * DAY;
    assert_eq!(at("10.0.0.1", "8.8.8.8", &mut terms, later), [SOURCE, DESTINATION]);
    terms.commit(later).unwrap();
    drop(terms);
    // Each window can be set by itself.
    let mut windows = Windows::default();
    windows.iter_mut().filter(|(rule, _)| *rule == SOURCE).for_each(|(_, days)| *days = 20);
    let mut terms = open(&windows, later + 10 * DAY);
    assert_eq!(at("10.0.0.1", "8.8.8.8", &mut terms, later + 10 * DAY), [DESTINATION]);
}

#[test]
fn version_105_tells_every_conversation_whatever_came_of_it() {
    let mut terms = Terms::in_memory(&Windows::default());
    for (number, evidence) in [Evidence::Attempt, Evidence::Refused, Evidence::Data].into_iter().enumerate() {
        let flow = outbound("10.0.0.1", "8.8.8.8", evidence);
        let told = told(ProfileName::ElasticV105, &flow, &mut terms, START);
        assert_eq!(told[0], "elastic-v105-smb-to-internet");
        assert_eq!(told.len() == 2, number == 0, "rare once: {told:?}");
    }
}
