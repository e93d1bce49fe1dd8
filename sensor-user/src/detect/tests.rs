//! The rules on flows that are made of observations, as the tracker makes them.

use std::{net::IpAddr, sync::Arc};

use sensor_common::slot::{RecordKind, TCP, UDP, mark, tcp};
use uuid::Uuid;

use super::*;
use crate::{
    decode::{Counts, FlowKey, Observation},
    dissect::{
        Facts, FingerprintKey,
        facts::{Credential, Dialect, Interface, Method, Outcome},
        ntlmssp::ResponseKind,
        status::Status,
    },
    flow::{Evidence, Tracker, TrackerOptions},
    kernel::ticks::{Moment, TickClock},
};

/// Every destination is new, or none is.
struct Always(bool);

impl KnownDestinations for Always {
    fn is_new(&mut self, _: IpAddr, _: i128) -> bool {
        self.0
    }

    fn learning_until(&mut self, _: i128) -> Option<i128> {
        None
    }
}

/// A flow between `local` and `remote`, opened by `opener`, that got as far as `evidence`.
pub(crate) fn flow(transport: u8, local: &str, remote: &str, opener: Side, evidence: Evidence) -> Flow {
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
    let turned = |pair: [u64; 2]| {
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
        counts: Counts {
            packets: turned(packets),
            bytes: [
                turned(packets)[0] * 60 + turned(payload)[0],
                turned(packets)[1] * 60 + turned(payload)[1],
            ],
            payload: turned(payload),
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

const CLIENT: &str = "10.0.0.2:50000";

fn outbound(port: u16, evidence: Evidence) -> Flow {
    flow(TCP, CLIENT, &format!("8.8.4.4:{port}"), Side::Local, evidence)
}

fn inbound(transport: u8, port: u16, evidence: Evidence) -> Flow {
    flow(transport, &format!("10.0.0.2:{port}"), "8.8.4.4:50000", Side::Remote, evidence)
}

fn rules(flow: &Flow, new: bool) -> Vec<&'static str> {
    let Some(sight) = Sight::of(flow, &ServicePorts::default()) else {
        return vec![];
    };
    judge(&sight, &Limits::default(), &mut Always(new), 0)
        .into_iter()
        .map(|finding| finding.rule.id)
        .collect()
}

fn techniques(flow: &Flow) -> Vec<&'static str> {
    let sight = Sight::of(flow, &ServicePorts::default()).unwrap();
    evidenced(&sight).into_iter().map(|technique| technique.id).collect()
}

#[test]
fn smb_to_the_internet_fires_on_both_smb_ports_outbound() {
    for port in [139, 445] {
        assert_eq!(rules(&outbound(port, Evidence::Established), false), ["smb-to-internet"], "{port}");
    }
}

#[test]
fn an_outbound_endpoint_mapper_call_is_not_smb() {
    assert!(rules(&outbound(135, Evidence::Data), true).is_empty());
}

#[test]
fn a_new_destination_is_rare_and_a_known_one_is_not() {
    assert_eq!(rules(&outbound(445, Evidence::Data), true), ["smb-to-internet", "rare-smb-destination"]);
    assert_eq!(rules(&outbound(445, Evidence::Data), false), ["smb-to-internet"]);
}

#[test]
fn external_access_fires_on_the_whole_service_set_inbound() {
    for (transport, port) in [(TCP, 135), (TCP, 139), (TCP, 445), (UDP, 137), (UDP, 138)] {
        let flow = inbound(transport, port, Evidence::Established);
        assert_eq!(rules(&flow, true), ["external-access-windows-networking"], "{port}");
    }
}

#[test]
fn a_conversation_that_only_comes_from_a_service_port_is_none_of_ours() {
    let flow = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Remote, Evidence::Attempt);
    assert!(Sight::of(&flow, &ServicePorts::default()).is_none());
}

#[test]
fn smb_recognised_on_another_port_is_smb_and_shows_a_non_standard_port() {
    let mut flow = outbound(4445, Evidence::Data);
    assert!(Sight::of(&flow, &ServicePorts::default()).is_none(), "not recognised, not ours");
    flow.marks |= mark::SERVER_IS_REMOTE;
    assert_eq!(rules(&flow, true), ["smb-to-internet", "rare-smb-destination", "smb-on-another-port"]);
    assert_eq!(techniques(&flow), ["T1048", "T1571"]);
    let mut inbound = inbound(TCP, 4445, Evidence::Smb);
    inbound.marks |= mark::SERVER_IS_LOCAL;
    assert_eq!(rules(&inbound, true), ["external-access-windows-networking", "smb-on-another-port"]);
}

#[test]
fn a_port_that_is_said_to_be_one_of_smb_is_no_other_port() {
    let services = ServicePorts { smb_tcp: vec![445, 4445], ..ServicePorts::default() };
    let mut flow = outbound(4445, Evidence::Data);
    flow.marks |= mark::SERVER_IS_REMOTE;
    let sight = Sight::of(&flow, &services).unwrap();
    assert!(!another_port::fires(&sight), "a provider whose port is configured");
}

#[test]
fn an_attempt_shows_no_technique() {
    assert!(techniques(&outbound(445, Evidence::Attempt)).is_empty());
    assert!(techniques(&inbound(TCP, 445, Evidence::Refused)).is_empty());
}

#[test]
fn evidence_names_the_technique() {
    assert!(techniques(&outbound(445, Evidence::Established)).is_empty(), "no byte left yet");
    assert_eq!(techniques(&outbound(445, Evidence::Data)), ["T1048"]);
    assert_eq!(techniques(&inbound(TCP, 445, Evidence::Established)), ["T1133"]);
    assert_eq!(techniques(&inbound(TCP, 445, Evidence::Data)), ["T1133", "T1190"]);
    assert!(
        techniques(&inbound(UDP, 137, Evidence::Established)).is_empty(),
        "an answer is no remote service"
    );
}

#[test]
fn the_rules_carry_the_scores_and_techniques_of_their_sources() {
    let facts: Vec<_> = RULES
        .iter()
        .map(|rule| {
            (
                rule.id,
                rule.severity.name(),
                rule.risk_score,
                rule.techniques.iter().map(|t| t.id).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        facts[..3],
        [
            ("smb-to-internet", "high", 73, vec!["T1190", "T1048"]),
            ("rare-smb-destination", "medium", 47, vec!["T1048"]),
            ("external-access-windows-networking", "high", 73, vec!["T1046", "T1048", "T1133", "T1135"]),
        ]
    );
}

/// A flow whose messages said this.
fn knowing(mut flow: Flow, evidence: Evidence, facts: Facts) -> Flow {
    flow.evidence = evidence;
    flow.facts = Some(Arc::new(facts));
    flow
}

fn facts_of(kind: ResponseKind, outcome: Option<Outcome>) -> Facts {
    let credential = Credential {
        method: Method::Ntlm(kind),
        user: Some("eve".into()),
        domain: Some("CORP".into()),
        workstation: None,
        target: None,
        fingerprint: None,
        outcome,
    };
    Facts { smb2: true, credentials: vec![credential], ..Facts::default() }
}

#[test]
fn a_credential_that_goes_out_is_an_alert_of_its_own_and_the_worse_the_more_it_gives_away() {
    let refused = Some(Outcome::Refused(Status::Nt(0xC000_006D)));
    let sent = |kind, outcome| {
        knowing(outbound(445, Evidence::Smb), Evidence::AuthenticatedAttempt, facts_of(kind, outcome))
    };
    let weight = |flow: &Flow| {
        let sight = Sight::of(flow, &ServicePorts::default()).unwrap();
        credential::RULE.weight(&sight)
    };
    let usual = sent(ResponseKind::V2, refused);
    assert_eq!(rules(&usual, false), ["smb-to-internet", "ntlm-credential-to-internet"]);
    assert_eq!(techniques(&usual), ["T1187"]);
    assert_eq!(weight(&usual), (Severity::High, 86));
    assert_eq!(weight(&sent(ResponseKind::V1, refused)), (Severity::Critical, 99));
    assert_eq!(weight(&sent(ResponseKind::V2, Some(Outcome::Accepted))), (Severity::Critical, 99));
}

#[test]
fn an_anonymous_session_gives_nothing_away_and_neither_does_a_stranger() {
    let anonymous =
        knowing(outbound(445, Evidence::Smb), Evidence::Session, facts_of(ResponseKind::Anonymous, None));
    assert_eq!(rules(&anonymous, false), ["smb-to-internet"]);
    let stranger = knowing(
        inbound(TCP, 445, Evidence::Smb),
        Evidence::AuthenticatedAttempt,
        facts_of(ResponseKind::V2, None),
    );
    assert_eq!(rules(&stranger, false), ["external-access-windows-networking"]);
    assert!(!techniques(&stranger).contains(&"T1187"));
}

#[test]
fn smb1_is_an_alert_only_once_the_server_chose_it() {
    let offered = Facts { smb1: true, ..Facts::default() };
    let chosen = Facts { dialect: Some(Dialect::Smb1("NT LM 0.12".into())), ..offered.clone() };
    let of = |facts| rules(&knowing(inbound(TCP, 445, Evidence::Smb), Evidence::Smb, facts), false);
    assert_eq!(of(offered), ["external-access-windows-networking"]);
    assert_eq!(of(chosen), ["external-access-windows-networking", "smb1-across-border"]);
}

#[test]
fn data_leaves_when_more_than_the_limit_went_from_the_inside() {
    let limits = |bytes| Limits {
        departures: DepartureLimits { bytes, ..DepartureLimits::default() },
        ..Limits::default()
    };
    let fires = |flow: &Flow, bytes| {
        data_leaving::fires(&Sight::of(flow, &ServicePorts::default()).unwrap(), &limits(bytes))
    };
    let flow = outbound(445, Evidence::Data);
    assert!(fires(&flow, 700) && !fires(&flow, 701));
    let served = inbound(TCP, 445, Evidence::Data);
    assert!(fires(&served, 300) && !fires(&served, 301), "what a stranger fetches leaves as well");
    assert!(!fires(&inbound(TCP, 135, Evidence::Data), 1));
}

#[test]
fn whoever_lists_shares_looks_for_them() {
    let listed = Interface {
        uuid: Uuid::from_u128(0x4B32_4FC8_1670_01D3_1278_5A47_BF6E_E188),
        version: (3, 0),
        name: Some("srvsvc"),
        operations: vec![15],
    };
    let facts = Facts { smb2: true, interfaces: vec![listed], ..Facts::default() };
    let flow = knowing(inbound(TCP, 445, Evidence::Smb), Evidence::Share, facts);
    assert_eq!(techniques(&flow), ["T1133", "T1190", "T1135"]);
}
