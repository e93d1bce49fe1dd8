//! Compares each profile with the tables of its source.

mod current;
mod elastic;
mod netography;
mod sensor;

use std::net::IpAddr;

use ipnet::IpNet;
use sensor_common::slot::{TCP, UDP};
use serde::de::{IntoDeserializer, value::Error as ValueError};

use super::*;
use crate::{
    networks::PrefixSet,
    profile::verdict::{Because, RuleVerdict},
    rules::{self, fixtures::FlowFixture},
};

/// INTERNAL, as in the published rules.
const INTERNAL: &str = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16";

/// NOT-INTERNET, likewise.
const NOT_INTERNET: &str = "10.0.0.0/8 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 \
    192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.168.0.0/16 \
    192.88.99.0/24 224.0.0.0/4 100.64.0.0/10 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 \
    ::1/128 FE80::/10 FF00::/8";

fn nets(list: &str) -> Vec<IpNet> {
    list.split_whitespace().map(|net| net.parse().unwrap()).collect()
}

/// The first and last address of a network, and those next to it outside.
fn edges(net: IpNet) -> ([IpAddr; 2], Vec<IpAddr>) {
    let number = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let address = |number: u128| match net {
        IpNet::V4(_) => u32::try_from(number).ok().map(|number| IpAddr::from(number.to_be_bytes())),
        IpNet::V6(_) => Some(IpAddr::from(number.to_be_bytes())),
    };
    let inside = [net.network(), net.broadcast()];
    let before = number(inside[0]).checked_sub(1).and_then(address);
    let after = number(inside[1]).checked_add(1).and_then(address);
    (inside, before.into_iter().chain(after).collect())
}

/// Every edge of every network of a list.
fn all_edges(list: &str) -> Vec<IpAddr> {
    nets(list)
        .into_iter()
        .flat_map(|net| {
            let (inside, outside) = edges(net);
            inside.into_iter().chain(outside)
        })
        .collect()
}

/// The default settings, with these networks internal as well.
fn with_internal(list: &str) -> Settings {
    let internal = nets(list).into_iter().map(|net| (net, format!("networks.internal, {net}")));
    Settings { internal: internal.collect(), ..Settings::default() }
}

fn rulebook(name: ProfileName) -> Rulebook {
    Rulebook::of(name, &Settings::default())
}

/// A TCP connection without SMB.
fn tcp(client: &str, server: &str, port: u16) -> Question {
    Question {
        client: client.parse().unwrap(),
        server: server.parse().unwrap(),
        transport: TCP,
        port,
        smb: Some(false),
        own_process: false,
    }
}

fn udp(client: &str, server: &str, port: u16) -> Question {
    Question { transport: UDP, ..tcp(client, server, port) }
}

/// Identifiers of the rules that match, without the profile's name.
fn fitting(rulebook: &Rulebook, question: &Question) -> Vec<&'static str> {
    let prefix = rulebook.profile().name.name();
    let verdicts = rulebook.verdict(question).into_iter().filter(RuleVerdict::fits);
    verdicts
        .map(|verdict| verdict.rule.rule.id)
        .map(|id| id.strip_prefix(prefix).map_or(id, |id| id.trim_start_matches('-')))
        .collect()
}

#[test]
fn finds_profiles_by_name() {
    for name in ProfileName::ALL {
        assert_eq!(name.name().parse(), Ok(name));
        assert_eq!(name.profile().name, name);
        let stored = ProfileName::deserialize(IntoDeserializer::<ValueError>::into_deserializer(name.name()));
        assert_eq!(stored, Ok(name));
    }
    let error = "elastic".parse::<ProfileName>().unwrap_err();
    assert!(error.contains("elastic-v105") && error.contains("netography"), "{error}");
}

#[test]
fn profile_rules_have_unique_identifiers() {
    let mut ids = rule_ids();
    assert_eq!(ids.len(), all_rules().count(), "a term is known by the rule's identifier");
    assert!(ids.iter().all(|id| !id.contains(' ')));
    ids.retain(|id| rules::ALL.iter().all(|rule| rule.meta().id != *id));
    assert_eq!(ids.len(), 6, "the rules of the other profiles: {ids:?}");
}

#[test]
fn profile_networks_agree_with_the_prefix_set() {
    use sensor_common::classify::Place;
    for name in ProfileName::ALL {
        let settings = with_internal("9.0.0.0/8 100.64.7.0/24");
        let entries = networks::entries(name.profile(), &settings);
        let set = PrefixSet::new(entries.iter().map(|entry| (entry.net, entry.flags)));
        let rulebook = Rulebook::of(name, &settings);
        let others = "9.0.0.0/8 100.64.7.0/24 0.0.0.0/8 2001:db8::/32 fc00::/7";
        for address in all_edges(NOT_INTERNET).into_iter().chain(all_edges(others)) {
            assert_eq!(Place::of(set.lookup(address)), rulebook.place(address).place, "{name}: {address}");
        }
    }
}

#[test]
fn configured_network_names_its_origin() {
    let rulebook = Rulebook::of(ProfileName::Sensor, &with_internal("9.0.0.0/8"));
    let by = rulebook.place("9.1.2.3".parse().unwrap()).by.unwrap();
    assert_eq!(by.origin.to_string(), "networks.internal, 9.0.0.0/8");
}

#[test]
fn exactly_new_term_rules_have_a_window() {
    let windows = Windows::default();
    for rule in all_rules() {
        assert_eq!(windows.days(rule.rule.id), rule.new_term().map(|term| term.days), "{}", rule.rule.id);
    }
    assert_eq!(windows.iter().count(), 5);
}

#[test]
fn exemption_avoids_false_positives_on_own_addresses() {
    use rules::fixtures::{HistoryFixture, Remedy, assert_names};
    let others = ProfileName::ALL.into_iter().filter(|name| *name != ProfileName::Sensor);
    for (name, rule) in others.flat_map(|name| name.profile().rules.iter().map(move |rule| (name, rule))) {
        assert_names(rule.rule, "public addresses of your own");
        let (flow, remedy) = match rule.direction() {
            Some(Direction::Inbound) => {
                (FlowFixture::inbound(), Remedy::Exempt { client: None, server: Some("10.0.1.2/32") })
            }
            _ => (FlowFixture::outbound(), Remedy::Exempt { client: None, server: Some("8.8.4.4/32") }),
        };
        let past = HistoryFixture::known();
        let findings = rulebook(name).evaluate(&flow.view(), &past.history(), &mut |_| true);
        assert!(findings.iter().any(|finding| finding.rule == rule.rule), "{}", rule.rule.id);
        assert!(!remedy.leaves(&flow.view()));
    }
}

#[test]
fn verdict_uses_the_configured_window() {
    let mut settings = Settings::default();
    settings.windows.iter_mut().for_each(|(_, days)| *days += 20);
    let rulebook = Rulebook::of(ProfileName::ElasticCurrent, &settings);
    let verdicts = rulebook.verdict(&tcp("10.0.0.1", "8.8.8.8", 445));
    let asked = verdicts.iter().flat_map(|verdict| &verdict.conditions).filter_map(|one| match one {
        verdict::Condition::New { days, .. } => Some(*days),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [25, 27]);
}
