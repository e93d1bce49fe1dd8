//! The sensor's rules as data agree with the rules themselves.

use super::*;
use crate::rules::fixtures::{HistoryFixture, fired};

/// Rules of the table that match and need no further evidence.
fn in_table(question: &Question) -> Vec<&'static str> {
    let verdicts = rulebook(ProfileName::Sensor).verdict(question);
    let fits = verdicts.iter().filter(|verdict| verdict.fits() && verdict.rule.evidence().is_none());
    fits.map(|verdict| verdict.rule.rule.id).collect()
}

#[test]
fn table_agrees_with_the_rules() {
    let past = HistoryFixture::new_destination();
    for (transport, ports) in [(TCP, [135, 139, 445]), (UDP, [137, 138, 137])] {
        for port in ports {
            let question = |client, server| Question { transport, ..tcp(client, server, port) };
            let outbound = FlowFixture::outbound().on(transport, port);
            let table = in_table(&question("10.0.0.2", "8.8.4.4"));
            assert_eq!(fired(&outbound, &past), table, "{transport} {port} outbound");
            let inbound = FlowFixture::inbound().on(transport, port);
            let table = in_table(&question("8.8.4.4", "10.0.1.2"));
            assert_eq!(fired(&inbound, &past), table, "{transport} {port} inbound");
        }
    }
}

#[test]
fn table_lists_the_registry() {
    let table: Vec<_> = ProfileName::Sensor.profile().rules.iter().map(|rule| rule.rule.id).collect();
    let registry: Vec<_> = rules::ALL.iter().map(|rule| rule.meta().id).collect();
    assert_eq!(table, registry);
}

#[test]
fn profile_sensor_evaluates_the_registry_without_terms() {
    let (flow, past) = (FlowFixture::outbound(), HistoryFixture::new_destination());
    let mut asked = false;
    let findings = rulebook(ProfileName::Sensor).evaluate(&flow.view(), &past.history(), &mut |_| {
        asked = true;
        false
    });
    let ids: Vec<_> = findings.iter().map(|finding| finding.rule.id).collect();
    assert_eq!((ids, asked), (fired(&flow, &past), false));
}

#[test]
fn special_purpose_addresses_are_neither_internal_nor_internet() {
    for other in ["0.1.2.3", "198.18.0.1", "2001:db8::1", "169.254.1.1"] {
        assert!(in_table(&tcp("10.0.0.1", other, 445)).is_empty(), "{other}");
        assert!(in_table(&tcp(other, "10.0.0.1", 445)).is_empty(), "{other}");
    }
}

#[test]
fn matches_smb_on_another_port() {
    let question = |smb| Question { smb, ..tcp("10.0.0.1", "8.8.8.8", 4445) };
    assert!(in_table(&question(Some(false))).is_empty());
    assert_eq!(in_table(&question(Some(true))), ["smb-to-internet", "rare-smb-destination"]);
    let unknown = &rulebook(ProfileName::Sensor).verdict(&question(None))[0];
    assert!(unknown.fits() && unknown.conditions == [verdict::Condition::SmbRecognised]);
}

#[test]
fn matches_smb_over_quic_on_its_ports_alone() {
    let matching = |transport, port| {
        let question = Question { transport, ..tcp("10.0.0.1", "8.8.8.8", port) };
        let verdicts = rulebook(ProfileName::Sensor).verdict(&question);
        let over_quic = verdicts.into_iter().find(|verdict| verdict.rule.rule.id == "smb-over-quic").unwrap();
        over_quic.fits().then_some(over_quic.conditions)
    };
    let evidence = rules::smb_over_quic::META.scope.evidence.unwrap();
    assert_eq!(matching(UDP, 443), Some(vec![verdict::Condition::Evidence(evidence)]));
    for (transport, port) in [(UDP, 444), (UDP, 137), (TCP, 443), (TCP, 445)] {
        assert_eq!(matching(transport, port), None, "{transport} {port}");
    }
}

#[test]
fn webdav_has_no_port_of_its_own() {
    let verdicts = |port| rulebook(ProfileName::Sensor).verdict(&tcp("10.0.0.1", "8.8.8.8", port));
    let of_webdav = |port| {
        let all = verdicts(port);
        all.into_iter().find(|verdict| verdict.rule.rule.id == rules::webdav::META.id).unwrap()
    };
    for port in [80, 445] {
        let verdict = of_webdav(port);
        assert!(verdict.fits(), "{port}");
        assert!(matches!(verdict.conditions[..], [verdict::Condition::Evidence(_)]), "{port}");
    }
}
