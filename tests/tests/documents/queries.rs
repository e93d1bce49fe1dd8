//! Everything that the source rules would match is alerted on, and every further alert has a reason.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sensor_core::time::Timestamp;
use sensor_tests::{follows_schema, number, replayed_with, text};
use sensor_user::{config::Config, exempt::Exemption, replay::EngineChoice};
use serde_json::Value;

use crate::{
    account::{Account, Explanation, is_exempt},
    captures, documents, is_flow, made, recorded,
    source::{QUERIES, from_internal, on_smb_port},
};

/// Why the sensor alerts where no query matches; `None` without a good reason.
fn beyond(flow: &Value) -> Option<&'static str> {
    let outbound = text(flow, "/network/direction") == "outbound";
    if outbound && !from_internal(flow) && text(flow, "/network/type") == "ipv6" {
        return Some("the queries list no internal IPv6 networks");
    }
    if outbound && on_netbios_or_mapper_port(flow) {
        return Some("the queries know NetBIOS and the endpoint mapper inwards only");
    }
    if text(flow, "/smb_sensor/service") == "webdav" {
        return Some("the queries do not know WebDAV");
    }
    let recognised = text(flow, "/network/protocol") == "smb" && !on_smb_port(flow);
    recognised.then_some("the queries know the usual ports only, and SMB was recognised on another")
}

fn on_netbios_or_mapper_port(flow: &Value) -> bool {
    let udp = text(flow, "/network/transport") == "udp";
    let port = number(flow, "/destination/port");
    if udp { [137, 138].contains(&port) } else { port == 135 }
}

/// The findings of several runs.
#[derive(Default)]
struct Findings {
    matched: usize,
    explanations: BTreeMap<Explanation, usize>,
    reasons: BTreeSet<&'static str>,
}

impl Findings {
    /// Flows with such an explanation.
    fn explained(&self, by: Explanation) -> usize {
        self.explanations.get(&by).copied().unwrap_or_default()
    }

    /// Checks the documents of one run against every query: every match is explained, and so is every incident.
    #[track_caller]
    fn hold(&mut self, documents: &[Value], what: &str) {
        let account = Account::of(documents);
        account.assert_connections_add_up(what);
        for query in &QUERIES {
            let mut seen = HashSet::new();
            for flow in account.flows.iter().filter(|flow| query.matches(flow, &mut seen)) {
                let Some(explanation) = account.explain(query.detection, flow) else {
                    panic!("{what}: {} matches, and nothing explains {flow:#}", query.name);
                };
                self.matched += 1;
                *self.explanations.entry(explanation).or_default() += 1;
            }
        }
        for flow in &account.flows {
            if account.incident_of(flow).is_some() && !QUERIES.iter().any(|query| query.matches_alone(flow)) {
                let reason = beyond(flow);
                assert!(reason.is_some(), "{what}: no query matches, why has an incident {flow:#}");
                self.reasons.extend(reason);
            }
        }
    }
}

/// Checks runs, unchanged and reversed.
#[track_caller]
fn hold_all(runs: impl Iterator<Item = (String, bool, Vec<Value>)>) -> [Findings; 2] {
    let mut findings = [Findings::default(), Findings::default()];
    for (what, turned, documents) in runs {
        findings[usize::from(turned)].hold(&documents, &what);
    }
    findings
}

#[test]
fn reports_what_the_source_rules_match_and_explains_the_rest() {
    let [outbound, inbound] = hold_all(recorded());
    assert!(outbound.matched > 60 && inbound.matched > 30, "{} and {}", outbound.matched, inbound.matched);
    let reasons = outbound.reasons.union(&inbound.reasons);
    assert_eq!(reasons.count(), 4, "every reason occurs");
    for findings in [&outbound, &inbound] {
        assert!(findings.explained(Explanation::Incident) > 30, "{:?}", findings.explanations);
        assert_eq!(findings.explained(Explanation::Exempt), 0);
        assert_eq!(findings.explained(Explanation::Counted), 0, "no capture fills the quota");
    }
}

#[test]
fn reports_or_counts_source_rule_matches_of_many_hosts() {
    let [outbound, inbound] = hold_all(made());
    for findings in [&outbound, &inbound] {
        assert!(findings.explained(Explanation::Incident) > 300, "{:?}", findings.explanations);
    }
    assert!(outbound.explained(Explanation::KnownDestination) > 0, "{:?}", outbound.explanations);
}

#[test]
fn exempt_flow_that_the_queries_match_is_marked_and_not_alerted() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let pair = Exemption::between("10.0.0.0/8".parse().ok(), "8.0.0.0/8".parse().ok(), "nightly copy");
    let in_force = Config { exemptions: vec![pair.clone()], ..Config::default() };
    let exempted = replayed_with(&path, EngineChoice::Host, &in_force, &[]).unwrap().documents;
    let flows: Vec<_> = exempted.iter().filter(|one| is_flow(one)).collect();
    assert!(!flows.is_empty() && flows.len() == exempted.len(), "{exempted:#?}");
    assert!(flows.iter().all(|flow| is_exempt(flow) && QUERIES[0].matches_alone(flow)), "{flows:#?}");
    flows.iter().try_for_each(|flow| follows_schema(flow)).unwrap();
    let mut findings = Findings::default();
    findings.hold(&exempted, "with an exemption");
    assert_eq!(findings.explanations.into_keys().collect::<Vec<_>>(), [Explanation::Exempt]);
    // An exemption that expired before the capture was made covers nothing, neither in the kernel nor in the agent.
    for over in [pair, Exemption::between("10.0.0.0/8".parse().ok(), None, "a client of ours")] {
        let over = Exemption { expires: Some(Timestamp::from_unix_seconds(0)), ..over };
        let config = Config { exemptions: vec![over], ..Config::default() };
        let unexempted = replayed_with(&path, EngineChoice::Host, &config, &[]).unwrap().documents;
        assert_eq!(unexempted, documents(&path, false));
    }
}

#[test]
fn incomplete_document_does_not_match_the_queries() {
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
