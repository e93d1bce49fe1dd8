//! The sensor's rules as data say what the rules themselves do.

use sensor_common::slot::Side;

use super::*;
use crate::{
    detect::{Limits, Sight, fixtures::flow, judge},
    flow::{Evidence, Flow},
    terms::Terms,
};

/// What the rules say of a conversation that shows nothing but that it exists.
fn judged(flow: &Flow) -> Vec<&'static str> {
    let Some(sight) = Sight::of(flow, &ServicePorts::default()) else { return vec![] };
    let findings = judge(&sight, &Limits::default(), &mut Terms::in_memory(&Windows::default()), 0);
    findings.into_iter().map(|finding| finding.rule.id).collect()
}

/// The same out of the table, where it takes no further evidence.
fn in_table(question: &Question) -> Vec<&'static str> {
    let verdicts = rulebook(ProfileName::Sensor).verdict(question);
    let fits = verdicts.iter().filter(|verdict| verdict.fits() && verdict.rule.evidence.is_none());
    fits.map(|verdict| verdict.rule.rule.id).collect()
}

#[test]
fn the_table_agrees_with_the_rules() {
    for (transport, ports) in [(TCP, [135, 139, 445, 443]), (UDP, [137, 138, 445, 53])] {
        for port in ports {
            let (inside, outside) = ("10.0.0.2", "8.8.4.4");
            let question = |client, server| Question { transport, ..tcp(client, server, port) };
            let outbound = flow(
                transport,
                &format!("{inside}:50000"),
                &format!("{outside}:{port}"),
                Side::Local,
                Evidence::Attempt,
            );
            assert_eq!(
                judged(&outbound),
                in_table(&question(inside, outside)),
                "{transport} {port} outbound"
            );
            let inbound = flow(
                transport,
                &format!("{inside}:{port}"),
                &format!("{outside}:50000"),
                Side::Remote,
                Evidence::Attempt,
            );
            assert_eq!(judged(&inbound), in_table(&question(outside, inside)), "{transport} {port} inbound");
        }
    }
}

#[test]
fn every_rule_is_in_the_table() {
    let table: Vec<_> = ProfileName::Sensor.profile().rules.iter().map(|rule| rule.rule.id).collect();
    let rules: Vec<_> = crate::detect::RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(table, rules);
}

#[test]
fn special_purpose_space_is_neither_internal_nor_the_internet() {
    for other in ["0.1.2.3", "198.18.0.1", "2001:db8::1", "169.254.1.1"] {
        assert!(in_table(&tcp("10.0.0.1", other, 445)).is_empty(), "{other}");
        assert!(in_table(&tcp(other, "10.0.0.1", 445)).is_empty(), "{other}");
    }
}

#[test]
fn on_another_port_it_takes_smb() {
    let question = |smb| Question { smb, ..tcp("10.0.0.1", "8.8.8.8", 4445) };
    assert!(in_table(&question(Some(false))).is_empty());
    assert_eq!(in_table(&question(Some(true))), ["smb-to-internet", "rare-smb-destination"]);
    let unknown = &rulebook(ProfileName::Sensor).verdict(&question(None))[0];
    assert!(unknown.fits() && unknown.conditions == [verdict::Condition::SmbRecognised]);
}
