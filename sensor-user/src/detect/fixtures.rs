//! Conversations for the tests of the rules, made of observations as the tracker makes them, and what is said of them.

use std::sync::Arc;

use sensor_common::{
    classify::Place,
    slot::{RecordKind, Side, TCP, UDP, mark, tcp},
};

use super::{Limits, Rule, Sight, evidenced, judge};
use crate::{
    alert::{AlertBook, Context},
    config::{Config, ServicePorts},
    decode::{Counts, FlowKey, Observation},
    dissect::{Facts, FingerprintKey},
    exempt::Exemption,
    flow::{DepartureLimits, Evidence, Flow, Tracker, TrackerOptions},
    kernel::ticks::{Moment, TickClock},
    plan,
    terms::{KnownTerms, Term},
};

/// Every term is new, or none is.
pub(crate) struct Always(pub(crate) bool);

impl KnownTerms for Always {
    fn is_new(&mut self, _: Term, _: i128) -> bool {
        self.0
    }

    fn learning_until(&mut self, _: i128) -> Option<i128> {
        None
    }
}

/// A flow between `local` and `remote`, opened by `opener`, that got as far as `evidence`.
pub(crate) fn flow(transport: u8, local: &str, remote: &str, opener: Side, evidence: Evidence) -> Flow {
    flow_seen([true; 2], transport, local, remote, opener, evidence)
}

/// A stranger's SMB conversation with 10.0.0.2, of which the sensor saw the stranger's packets alone, for as long as an answer takes.
pub(super) fn inbound_of_one_side() -> Flow {
    let mut flow =
        flow_seen([true, false], TCP, "10.0.0.2:445", "8.8.4.4:50000", Side::Remote, Evidence::Smb);
    flow.settled = true;
    flow
}

/// The same, of which the sensor saw the packets of these sides: client, server.
fn flow_seen(
    sides: [bool; 2],
    transport: u8,
    local: &str,
    remote: &str,
    opener: Side,
    evidence: Evidence,
) -> Flow {
    let flags = match evidence {
        Evidence::Attempt => [tcp::SYN, 0],
        Evidence::Refused => [tcp::SYN, tcp::RST],
        _ => [tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK],
    };
    let (packets, payload) = match evidence {
        Evidence::Attempt => ([1, 0], [0, 0]),
        Evidence::Refused => ([1, 1], [0, 0]),
        Evidence::Established if transport == UDP => ([1, 1], [50, 50]),
        Evidence::Established => ([2, 1], [0, 0]),
        Evidence::Data => ([4, 3], [700, 300]),
        _ => ([4, 3], [70, 30]),
    };
    let flags = [flags[0] * u8::from(sides[0]), flags[1] * u8::from(sides[1])];
    let turned = |[client, server]: [u64; 2]| {
        let pair = [client * u64::from(sides[0]), server * u64::from(sides[1])];
        if opener == Side::Local { pair } else { [pair[1], pair[0]] }
    };
    let from_local = if opener == Side::Local { mark::FIRST_FROM_LOCAL } else { 0 };
    // Data without messages that were read: the sensor came late.
    let from_start = if evidence == Evidence::Data { 0 } else { mark::OPENED_BY_SYN };
    let smb = if evidence > Evidence::Established && transport == TCP {
        mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE
    } else {
        0
    };
    let observation = Observation {
        key: FlowKey {
            transport,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            ifindex: 2,
        },
        cpu: 0,
        generation: 2,
        marks: from_local | from_start | mark::HOOK_XDP_INGRESS | smb,
        tcp_flags: if opener == Side::Local { flags } else { [flags[1], flags[0]] },
        content: [false; 2],
        counts: Counts {
            packets: turned(packets),
            bytes: [
                turned(packets)[0] * 60 + turned(payload)[0],
                turned(packets)[1] * 60 + turned(payload)[1],
            ],
            payload: turned(payload),
            retransmitted: [0; 2],
        },
        first: 1_000,
        last: 1_250,
        vlan: None,
    };
    let mut tracker = Tracker::new(TrackerOptions {
        services: ServicePorts::default(),
        clock: TickClock::with_tick(4_000_000),
        attempt_settle: 3,
        flow_idle: 60,
        capacity: 8,
        departures: DepartureLimits::default(),
        fingerprint_key: FingerprintKey::new([1; 32]),
    });
    let now = Moment { unix_nanos: 1_700_000_000_000_000_000, ticks: 1_250 };
    let _ = tracker.observe(Some(RecordKind::Opened), &observation, now);
    let flow = tracker.drain().remove(0);
    assert_eq!(flow.evidence, evidence);
    flow
}

/// A TCP conversation of 10.0.0.2 with a server on the Internet.
pub(crate) fn outbound(port: u16, evidence: Evidence) -> Flow {
    flow(TCP, "10.0.0.2:50000", &format!("8.8.4.4:{port}"), Side::Local, evidence)
}

/// A conversation of a stranger with 10.0.0.2.
pub(crate) fn inbound(transport: u8, port: u16, evidence: Evidence) -> Flow {
    flow(transport, &format!("10.0.0.2:{port}"), "8.8.4.4:50000", Side::Remote, evidence)
}

/// A flow whose messages said this.
pub(super) fn knowing(mut flow: Flow, evidence: Evidence, facts: Facts) -> Flow {
    flow.evidence = evidence;
    flow.facts = Some(Arc::new(facts));
    flow
}

/// A flow as the rules see it, of the usual services.
pub(super) fn sight(flow: &Flow) -> Sight<'_> {
    Sight::of(flow, &ServicePorts::default()).unwrap()
}

/// Rules that the flow breaks, if its destination is `new`.
pub(super) fn rules(flow: &Flow, new: bool) -> Vec<&'static str> {
    let Some(sight) = Sight::of(flow, &ServicePorts::default()) else {
        return vec![];
    };
    judge(&sight, &Limits::default(), &mut Always(new), 0)
        .into_iter()
        .map(|finding| finding.rule.id)
        .collect()
}

/// Techniques that the flow shows.
pub(super) fn techniques(flow: &Flow) -> Vec<&'static str> {
    evidenced(&sight(flow)).into_iter().map(|technique| technique.id).collect()
}

/// A configuration that knows a further network as internal.
pub(super) fn ours(network: &str) -> Config {
    Config { internal: vec![network.parse().unwrap()], ..Config::default() }
}

/// A configuration that exempts conversations between these networks.
pub(crate) fn exempt(source: Option<&str>, destination: Option<&str>) -> Config {
    let net = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let exemption = Exemption::between(net(source), net(destination), "known");
    Config { exemptions: vec![exemption], ..Config::default() }
}

/// Holds a rule to a false positive of which its metadata speaks in these words: it alerts on the flows under one
/// configuration, and no more under the other, which has the remedy.
pub(crate) fn assert_known_false_positive(
    rule: &Rule,
    words: &str,
    flows: &[Flow],
    [before, remedied]: [&Config; 2],
) {
    assert!(rule.false_positives.iter().any(|told| told.contains(words)), "{} says no {words:?}", rule.id);
    let told = alerted(flows, before);
    assert!(told.iter().any(|id| id == rule.id), "{} is silent from the start: {told:?}", rule.id);
    let still = alerted(flows, remedied);
    assert!(still.iter().all(|id| id != rule.id), "{} alerts all the same: {still:?}", rule.id);
}

/// Rules that alert on these flows. What does not cross the border of the configuration never comes up from the kernel.
fn alerted(flows: &[Flow], config: &Config) -> Vec<String> {
    let prefixes = plan::prefixes(config);
    let place = |side, flow: &Flow| Place::of(prefixes.lookup(flow.end(side).ip()));
    let crosses = |flow: &&Flow| {
        (place(Side::Local, flow), place(Side::Remote, flow)) == (Place::Internal, Place::External)
    };
    let context = Context::for_tests();
    let mut book = AlertBook::new(config.watched(), config.exemptions.clone(), config.detection.limits)
        .with_profile(config);
    let mut documents = Vec::new();
    for flow in flows.iter().filter(crosses) {
        documents.extend(book.look(flow, &mut Always(true), &context));
    }
    for flow in flows.iter().filter(crosses) {
        documents.extend(book.close(flow, &mut Always(true), &context));
    }
    documents.extend(book.finish(&context));
    documents.iter().map(|one| one["rule"]["id"].as_str().unwrap().to_owned()).collect()
}
