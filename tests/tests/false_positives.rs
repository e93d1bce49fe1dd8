//! The known false positive of each detection, with its remedy: the rule fires on the recorded session,
//! and is silent once the remedy is applied. Everything else about the session stays the same.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{collections::BTreeSet, path::Path};

use sensor_core::rules;
use sensor_tests::{replayed_with, text};
use sensor_user::{
    config::Config,
    exempt::Exemption,
    replay::{EngineChoice, rewrite::Rewrite},
};

const CLIENT: &str = "10.0.0.2/32";
const SERVER: &str = "8.8.4.4/32";

/// Rules that fire on a recorded session.
fn fired(capture: &str, config: &Config, rewrites: &[&str]) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/samba").join(capture);
    let rewrites: Vec<Rewrite> = rewrites.iter().map(|text| text.parse().unwrap()).collect();
    let replayed = replayed_with(&path, EngineChoice::Host, config, &rewrites).unwrap();
    assert!(replayed.damage.is_none());
    let findings =
        replayed.documents.iter().filter_map(|one| one.pointer("/smb_sensor/findings")?.as_array());
    findings.flatten().map(|one| text(one, "/rule").to_owned()).collect()
}

fn exempt(source: Option<&str>, destination: Option<&str>) -> Config {
    let net = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let exemption = Exemption::between(net(source), net(destination), "known");
    Config { exemptions: vec![exemption], ..Config::default() }
}

fn ours(network: &str) -> Config {
    Config { internal: vec![network.parse().unwrap()], ..Config::default() }
}

/// `rule` fires on the session, and no longer with `remedy`.
fn is_silenced(rule: &str, capture: &str, rewrites: &[&str], as_it_was: &Config, remedy: &Config) {
    let mut known = rules::ALL.iter().map(|one| one.meta());
    assert!(known.any(|known| known.id == rule && !known.false_positives.is_empty()), "{rule}");
    let before = fired(capture, as_it_was, rewrites);
    assert!(before.contains(rule), "{rule} is silent from the start: {before:?}");
    let still = fired(capture, remedy, rewrites);
    assert!(!still.contains(rule), "{rule} still fires: {still:?}");
}

#[test]
fn listed_public_addresses_are_internal() {
    for rule in
        ["smb-to-internet", "rare-smb-destination", "ntlm-credential-to-internet", "smb1-across-border"]
    {
        is_silenced(rule, "smb1-ntlmv1.pcap", &[], &Config::default(), &ours("8.8.4.0/24"));
    }
}

#[test]
fn rented_file_service_is_exempt_by_its_server() {
    for rule in ["smb-to-internet", "ntlm-credential-to-internet"] {
        is_silenced(rule, "smb139.pcap", &[], &Config::default(), &exempt(None, Some(SERVER)));
    }
}

#[test]
fn backup_to_a_provider_is_exempt_as_a_pair_only() {
    let mut little = Config::default();
    little.detection.limits.volume.bytes = 64;
    let limits = little.detection.limits;
    let with_limits = |mut config: Config| {
        config.detection.limits = limits;
        config
    };
    let pair = with_limits(exempt(Some(CLIENT), Some(SERVER)));
    is_silenced("data-leaving-over-smb", "smb139.pcap", &[], &little, &pair);
    let another = with_limits(exempt(Some("10.0.0.3/32"), Some(SERVER)));
    assert!(fired("smb139.pcap", &another, &[]).contains("data-leaving-over-smb"), "another client");
}

#[test]
fn inbound_partner_is_exempt_by_its_address() {
    let turned = ["10.0.0.2/32=9.9.9.9/32", "8.8.4.4/32=10.0.0.9/32"];
    let partner = exempt(Some("9.9.9.9/32"), None);
    is_silenced("external-access-windows-networking", "smb139.pcap", &turned, &Config::default(), &partner);
}

#[test]
fn configured_provider_port_is_no_other_port() {
    let mut configured = Config::default();
    configured.services.smb_tcp.push(4445);
    is_silenced("smb-on-another-port", "smb4445.pcap", &[], &Config::default(), &configured);
    assert!(
        fired("smb4445.pcap", &configured, &[]).contains("smb-to-internet"),
        "it is a connection to the Internet all the same"
    );
}
