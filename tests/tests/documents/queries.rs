//! What the source rules would match is alerted on, and what is alerted on beyond them has a reason.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sensor_tests::{follows_schema, replayed_with, text};
use sensor_user::{config::Config, exempt::Exemption, journal::Kind, replay::EngineChoice};
use serde_json::Value;

use crate::{
    account::{Account, Explanation, is_exempt},
    captures, documents, runs,
    source::{QUERIES, from_internal, on_smb_port},
};

/// Why the sensor alerts where no query matches; nothing where there is no good reason.
fn beyond(alert: &Value) -> Option<&'static str> {
    let outbound = text(alert, "/network/direction") == "outbound";
    if outbound && !from_internal(alert) && text(alert, "/network/type") == "ipv6" {
        return Some("the queries list no internal IPv6 networks");
    }
    let recognised = text(alert, "/network/protocol") == "smb" && !on_smb_port(alert);
    recognised.then_some("the queries know the usual ports only, and SMB was recognised on another")
}

/// What was found over several runs.
#[derive(Default)]
struct Findings {
    matched: usize,
    explanations: BTreeMap<Explanation, usize>,
    reasons: BTreeSet<&'static str>,
}

impl Findings {
    /// Holds the documents of one run against every query: what a query matches is explained, and so is every alert.
    #[track_caller]
    fn hold(&mut self, told: &[Value], what: &str) {
        let account = Account::of(told);
        account.assert_sweeps_add_up(what);
        let mut counted: HashMap<_, Vec<_>> = HashMap::new();
        for query in &QUERIES {
            let mut seen = HashSet::new();
            for flow in account.flows.iter().filter(|flow| query.matches(flow, &mut seen)) {
                let Some(explanation) = account.explain(query.detection, flow) else {
                    panic!("{what}: {} matches, and nothing explains {flow:#}", query.name);
                };
                self.matched += 1;
                *self.explanations.entry(explanation).or_default() += 1;
                if explanation == Explanation::Counted {
                    counted.entry(query.detection).or_default().push(*flow);
                }
            }
        }
        account.assert_summaries_add_up(&counted, what);
        for alert in &account.alerts {
            // A detection that stands for a query has to be matched by that one, every other by any.
            let rule = text(alert, "/rule/id");
            let own = QUERIES.iter().find(|query| query.detection == rule);
            let matched = own.map_or_else(
                || QUERIES.iter().any(|query| query.matches_alone(alert)),
                |query| query.matches_alone(alert),
            );
            if !matched {
                let reason = beyond(alert);
                assert!(reason.is_some(), "{what}: no query matches, why is there {alert:#}");
                self.reasons.extend(reason);
            }
        }
    }
}

#[test]
fn what_the_source_rules_match_is_told_of_and_what_goes_beyond_has_a_reason() {
    let (mut outbound, mut inbound) = (Findings::default(), Findings::default());
    for (what, turned, told) in runs() {
        if turned { &mut inbound } else { &mut outbound }.hold(&told, &what);
    }
    assert!(outbound.matched > 60 && inbound.matched > 30, "{} and {}", outbound.matched, inbound.matched);
    let reasons = outbound.reasons.union(&inbound.reasons);
    assert_eq!(reasons.count(), 2, "both reasons occur");
    // In two captures each the sweep has 299 flows below SMB, and the flood hides 66 connections, to 30 destinations; two of them
    // speak SMB in the end.
    let outbound = outbound.explanations;
    assert_eq!(outbound.get(&Explanation::Folded), Some(&(2 * 2 * 299)), "by two queries: {outbound:?}");
    assert_eq!(outbound.get(&Explanation::Counted), Some(&(2 * (64 + 28))), "{outbound:?}");
    assert!(outbound.contains_key(&Explanation::KnownDestination), "{outbound:?}");
    let inbound = inbound.explanations;
    assert_eq!(inbound.get(&Explanation::Folded), Some(&(2 * 301)), "with TCP 135 and UDP 137: {inbound:?}");
    assert_eq!(inbound.get(&Explanation::Counted), Some(&(2 * 64)), "{inbound:?}");
}

#[test]
fn a_flow_that_the_queries_match_and_an_exemption_covers_says_so_and_has_no_alert() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let pair = Exemption::between("10.0.0.0/8".parse().ok(), "8.0.0.0/8".parse().ok(), "nightly copy");
    let in_force = Config { exemptions: vec![pair.clone()], ..Config::default() };
    let told = replayed_with(&path, EngineChoice::Host, &in_force, &[]).unwrap().documents;
    let flows: Vec<_> = told.iter().filter(|one| Kind::of(one) == Kind::Flow).collect();
    assert!(!flows.is_empty() && flows.len() == told.len(), "{told:#?}");
    assert!(flows.iter().all(|flow| is_exempt(flow) && QUERIES[0].matches_alone(flow)), "{flows:#?}");
    flows.iter().try_for_each(|flow| follows_schema(flow)).unwrap();
    let mut findings = Findings::default();
    findings.hold(&told, "with an exemption");
    assert_eq!(findings.explanations.into_keys().collect::<Vec<_>>(), [Explanation::Exempt]);
    // Of a time before the capture was made it covers nothing, in the kernel's part as in the agent's.
    for over in [pair, Exemption::between("10.0.0.0/8".parse().ok(), None, "a client of ours")] {
        let over = Exemption { expires: Some(1), ..over };
        let config = Config { exemptions: vec![over], ..Config::default() };
        let told = replayed_with(&path, EngineChoice::Host, &config, &[]).unwrap().documents;
        assert_eq!(told, documents(&path, false));
    }
}

#[test]
fn a_document_that_lacks_what_the_queries_ask_for_is_not_matched() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let flow = documents(&path, false).into_iter().find(|one| Kind::of(one) == Kind::Flow).unwrap();
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
