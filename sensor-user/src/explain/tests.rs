//! Explanations, by their text.

use super::*;
use crate::{config::Overrides, exempt::Exemption};
use sensor_core::time::Timestamp;

fn query(first: &str, second: &str) -> Query {
    let second = (!second.is_empty()).then(|| second.parse().unwrap());
    Query { first: first.parse().unwrap(), second, udp: false, port: 445 }
}

fn explained(config: &Config, first: &str, second: &str) -> String {
    explain(config, &query(first, second), Timestamp::default()).to_string()
}

/// The verdict of a profile on the first direction: each rule that fires or may.
fn firing(config: &Config, first: &str, second: &str, name: ProfileName) -> Vec<(String, Fires)> {
    let explanation = explain(config, &query(first, second), Timestamp::default());
    let profile = explanation.connections[0].profiles.iter().find(|one| one.profile == name).unwrap();
    let rules = profile.rules.iter().filter(|rule| rule.fires != Fires::No);
    rules.map(|rule| (rule.rule.clone(), rule.fires)).collect()
}

#[test]
fn explains_an_address_by_the_deciding_network() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sensor.toml");
    std::fs::write(&path, "[networks]\ninternal = [\n  \"10.1.0.0/16\",\n]\n").unwrap();
    let overrides = Overrides { internal: vec!["9.0.0.0/8".parse().unwrap()], ..Overrides::default() };
    let config = Config::load(Some(&path), &overrides).unwrap();
    let explanation = explain(&config, &query("10.1.2.3", ""), Timestamp::default());
    let address = &explanation.addresses[0];
    assert_eq!(address.place, "internal");
    let by = address.by.as_ref().unwrap();
    assert_eq!(by.network.to_string(), "10.1.0.0/16");
    assert_eq!(by.source, format!("networks.internal, {}:3", path.display()));
    let beats: Vec<_> =
        address.beats.iter().map(|one| (one.network.to_string(), one.source.clone())).collect();
    assert_eq!(
        beats,
        [
            ("10.0.0.0/8".into(), "Private-Use, RFC 1918; internal by default (networks.defaults)".into()),
            ("10.0.0.0/8".into(), "Private-Use, RFC 1918; IANA special-purpose registry".to_owned()),
        ]
    );
    assert!(explanation.connections.is_empty());
    assert!(explained(&config, "9.1.1.1", "").contains("9.0.0.0/8, --internal on the command line"));
}

#[test]
fn names_a_registry_entry_with_its_standard() {
    let explained = |address| explained(&Config::default(), address, "");
    assert!(
        explained("198.18.0.1")
            .contains("198.18.0.0/15, Benchmarking, RFC 2544; IANA special-purpose registry")
    );
    assert!(explained("192.0.0.9").contains("192.0.0.9/32, Port Control Protocol Anycast, RFC 7723"));
    assert!(explained("192.0.0.9").contains("beats       192.0.0.0/24"), "{}", explained("192.0.0.9"));
    assert!(explained("8.8.8.8").contains("8.8.8.8 is external\n  by          no network"));
}

#[test]
fn unwraps_and_classifies_an_embedded_ipv4_address() {
    for (address, form, place) in [
        ("::ffff:10.0.0.1", "IPv4-mapped, RFC 4291", "internal"),
        ("64:ff9b::808:808", "NAT64, RFC 6052", "external"),
        ("2002:a00:1::1", "6to4, RFC 3056", "internal"),
        ("2001:0:1234::f5ff:fffe", "Teredo client, RFC 4380", "internal"),
    ] {
        let explanation = explain(&Config::default(), &query(address, ""), Timestamp::default());
        let explained = &explanation.addresses[0];
        assert!(explained.embedded.as_ref().unwrap().form.starts_with(form), "{explained:?}");
        assert_eq!(explained.place, place, "{address}");
    }
    assert_eq!(
        explain(&Config::default(), &query("2001:db8::1", ""), Timestamp::default()).addresses[0].embedded,
        None
    );
}

#[test]
fn each_profile_classifies_a_reserved_destination() {
    let firing = |name| firing(&Config::default(), "10.0.0.1", "0.1.2.3", name);
    assert!(firing(ProfileName::Sensor).is_empty());
    assert_eq!(
        firing(ProfileName::ElasticV105),
        [
            ("elastic-v105-smb-to-internet".to_owned(), Fires::Yes),
            ("elastic-v105-rare-smb-destination".to_owned(), Fires::If)
        ]
    );
    assert!(firing(ProfileName::ElasticCurrent).iter().all(|(_, fires)| *fires == Fires::If));
    assert!(firing(ProfileName::Netography).is_empty());
    let text = explained(&Config::default(), "10.0.0.1", "0.1.2.3");
    assert!(
        text.contains("* sensor          no     the server is not on the Internet; the server is not internal\n                  why    client internal by 10.0.0.0/8, server reserved by 0.0.0.0/8"),
        "{text}"
    );
    assert!(text.contains("0.1.2.3 to 10.0.0.1, TCP 445"), "{text}");
    assert!(text.contains("  netography      fires  netography-external-access"), "{text}");
}

#[test]
fn names_an_exemption_of_both_ends_for_every_profile() {
    let exemption =
        Exemption::between("10.0.0.0/24".parse().ok(), "8.8.4.4/32".parse().ok(), "copies\u{1b}[2J");
    let config = Config { exemptions: vec![exemption], ..Config::default() };
    let explanation = explain(&config, &query("10.0.0.1", "8.8.4.4"), Timestamp::default());
    assert!(explanation.addresses.iter().all(|address| address.matching.entries.len() == 1));
    let [there, back] = &explanation.connections[..] else { panic!("two directions") };
    assert!(there.exempt.entries.len() == 1 && back.exempt.entries.is_empty());
    for profile in &there.profiles {
        assert!(profile.rules.iter().all(|rule| rule.fires == Fires::No), "{profile:?}");
    }
    let text = explanation.to_string();
    assert!(text.contains("exempt from every rule, 10.0.0.0/24 -> 8.8.4.4/32: copies"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn names_the_dns_name_by_which_an_address_is_in_an_exemption_or_in_its_list() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sensor.toml");
    let text = "[lists]\nprovider = [\"other.example\", \"Files.example\", \"8.8.4.9\"]\n\
                [[exempt]]\nid = \"a\"\nsource = \"laptop.example\"\ndestination = \"provider\"\nreason = \"copies\"\n\
                [[exempt]]\nid = \"b\"\ndestination = [\"8.8.4.0/28\", \"backup.example\"]\nreason = \"x\"\n";
    std::fs::write(&path, text).unwrap();
    let mut resolved = crate::names::ResolvedNames::default();
    for (name, address) in [
        ("files.example", "8.8.4.4"),
        ("other.example", "8.8.4.5"),
        ("backup.example", "8.8.4.4"),
        ("laptop.example", "10.0.0.1"),
    ] {
        resolved.learn(name, &[address.parse().unwrap()], std::time::Duration::ZERO, Timestamp::default());
    }
    resolved.write(directory.path()).unwrap();
    let state_dir = Some(directory.path().to_owned());
    let config = Config::load(Some(&path), &Overrides { state_dir, ..Overrides::default() }).unwrap();

    let shown = explained(&config, "8.8.4.4", "");
    let [a, b] = [3, 8].map(|line| format!("({}:{line})", path.display()));
    let files = "              files.example (DNS name in list provider) has the address 8.8.4.4\n";
    let backup = "              backup.example (DNS name in exemption b) has the address 8.8.4.4\n";
    let expected = format!(
        "  exemption   laptop.example -> provider: copies {a}\n{files}\
         \x20 exemption   any -> 8.8.4.0/28, backup.example: x {b}\n{backup}"
    );
    let at = shown.find("  exemption").unwrap_or(shown.len());
    assert_eq!(shown[at..], expected);
    assert!(
        explained(&config, "::ffff:8.8.4.5", "").contains("other.example (DNS name in list provider) has")
    );
    let by_network = explained(&config, "8.8.4.9", "");
    assert!(by_network.contains("provider: copies") && !by_network.contains("DNS name"), "{by_network}");

    let connection = explained(&config, "10.0.0.1", "8.8.4.4");
    let client = "              laptop.example (DNS name in exemption a) has the address 10.0.0.1\n";
    let both = format!("  exempt from every rule, laptop.example -> provider: copies {a}\n{client}{files}");
    assert!(connection.contains(&both), "{connection}");
}

#[test]
fn active_profile_classifies() {
    let config = Config { profile: ProfileName::ElasticV105, ..Config::default() };
    assert!(explained(&config, "0.1.2.3", "").contains("0.1.2.3 is external"));
    let text = explained(&config, "192.0.2.1", "");
    assert!(text.contains("  blind to    clients with IPv6 addresses\n"), "{text}");
    assert!(text.contains("every 5 minutes over the last 9, 100 alerts at most"), "{text}");
    assert!(text.contains("192.0.2.0/24, list NOT-INTERNET of elastic-v105"), "{text}");
}

#[test]
fn explanation_survives_the_socket() {
    let explanation = explain(&Config::default(), &query("10.0.0.1", "2001:4860::1"), Timestamp::default());
    let text = serde_json::to_string(&explanation).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), explanation);
}

#[test]
fn counts_many_exemptions_and_still_fits_the_socket() {
    let exemption =
        Exemption::between("10.0.0.0/24".parse().ok(), "8.8.4.4/32".parse().ok(), &"long ".repeat(1_000));
    let config = Config { exemptions: vec![exemption; 120], ..Config::default() };
    let explanation = explain(&config, &query("10.0.0.1", "8.8.4.4"), Timestamp::default());
    assert_eq!(explanation.connections[0].exempt.further, 100);
    assert!(explanation.to_string().contains("and 100 further ones"));
    let length = serde_json::to_string(&explanation).unwrap().len();
    assert!(length < 48 * 1024, "{length} bytes of 64 KiB, and quotes are escaped once more");
}

#[test]
fn names_the_threat_list_file_and_line_of_an_address() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sensor.toml");
    std::fs::write(directory.path().join("feed"), "# ours\n198.18.0.0/15\n8.8.4.0/24 # scanners\n").unwrap();
    std::fs::write(&path, "[[threat_list]]\nname = \"feed\"\nfile = \"feed\"\n").unwrap();
    let config = Config::load(Some(&path), &Overrides::default()).unwrap();
    let listed = &explain(&config, &query("8.8.4.4", ""), Timestamp::default()).addresses[0].matching.entries;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].kind.as_str(), listed[0].reason.as_str()), ("threat list", "scanners"));
    assert_eq!(listed[0].what, "8.8.4.0/24 on feed");
    assert!(listed[0].written.ends_with("feed:3"), "{}", listed[0].written);
    assert!(explained(&config, "8.8.4.4", "").contains("threat list 8.8.4.0/24 on feed: scanners"));
    assert!(
        explain(&config, &query("9.9.9.9", ""), Timestamp::default()).addresses[0]
            .matching
            .entries
            .is_empty()
    );
}

#[test]
fn expired_exemption_covers_nothing() {
    let over = Exemption {
        expires: Some(Timestamp::from_unix_nanos(1_000)),
        ..Exemption::between("10.0.0.0/24".parse().ok(), None, "until then")
    };
    let config = Config { exemptions: vec![over], ..Config::default() };
    let matching =
        |now| explain(&config, &query("10.0.0.1", "8.8.4.4"), now).addresses[0].matching.entries.len();
    let at = Timestamp::from_unix_nanos;
    assert_eq!((matching(at(999)), matching(at(1_000))), (1, 0));
}
