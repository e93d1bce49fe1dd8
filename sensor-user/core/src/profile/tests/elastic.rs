//! `elastic-v105`, row by row; both Elastic profiles share networks and ports.

use super::*;

const BOTH: [ProfileName; 2] = [ProfileName::ElasticV105, ProfileName::ElasticCurrent];
const OUTBOUND: [&str; 2] = ["smb-to-internet", "rare-smb-destination"];

fn to(client: IpAddr, server: IpAddr) -> Question {
    Question { client, server, ..tcp("10.0.0.1", "8.8.8.8", 445) }
}

#[test]
fn lists_are_those_of_the_rules() {
    for name in BOTH {
        let Networks::Fixed { internal, not_internet } = name.profile().networks else {
            panic!("{name} has lists of its own")
        };
        let same = |list: &[&str], text: &str| {
            let mut ours: Vec<IpNet> = list.iter().map(|net| net.parse().unwrap()).collect();
            let mut theirs = nets(text);
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "{name}");
        };
        same(internal, INTERNAL);
        same(not_internet, NOT_INTERNET);
    }
}

#[test]
fn source_counts_from_first_to_last_internal_address() {
    for name in BOTH {
        for source in all_edges(INTERNAL) {
            let expected: &[_] =
                if nets(INTERNAL).iter().any(|net| net.contains(&source)) { &OUTBOUND } else { &[] };
            let question = to(source, "8.8.8.8".parse().unwrap());
            assert_eq!(fitting(&rulebook(name), &question), expected, "{name}: {source}");
        }
    }
}

#[test]
fn destination_is_excluded_from_first_to_last_listed_address() {
    for name in BOTH {
        let (mut left_out, mut counted) = (0, 0);
        for destination in all_edges(NOT_INTERNET) {
            let excluded = nets(NOT_INTERNET).iter().any(|net| net.contains(&destination));
            let question = to("10.0.0.1".parse().unwrap(), destination);
            let expected: &[_] = if excluded { &[] } else { &OUTBOUND };
            assert_eq!(fitting(&rulebook(name), &question), expected, "{name}: {destination}");
            *(if excluded { &mut left_out } else { &mut counted }) += 1;
        }
        assert!(left_out >= 52 && counted >= 20, "{left_out} {counted}");
    }
}

#[test]
fn unlisted_address_is_on_the_internet() {
    for name in BOTH {
        // Reserved for the sensor, and in none of the lists; the same is true of own public addresses.
        let settings = with_internal("9.0.0.0/8");
        let rulebook = Rulebook::of(name, &settings);
        for destination in ["0.1.2.3", "2001:db8::1", "fc00::1", "64:ff9b::a00:1", "9.1.2.3"] {
            assert_eq!(fitting(&rulebook, &tcp("10.0.0.1", destination, 445)), OUTBOUND, "{destination}");
        }
        assert!(fitting(&rulebook, &tcp("9.1.2.3", "8.8.8.8", 445)).is_empty(), "nor is it internal");
    }
}

#[test]
fn ipv6_source_never_counts() {
    for name in BOTH {
        for source in
            ["fc00::1", "fd00::2", "fe80::1", "2001:4860::1", "2002:a00:1::1", "64:ff9b::a00:1", "::1"]
        {
            let question = tcp(source, "2001:4860:4860::8844", 445);
            assert!(fitting(&rulebook(name), &question).is_empty(), "{name}: {source}");
        }
        let mapped = tcp("::ffff:10.0.0.1", "::ffff:8.8.8.8", 445);
        assert_eq!(fitting(&rulebook(name), &mapped), OUTBOUND, "that is 10.0.0.1 in other words");
    }
}

#[test]
fn matches_tcp_139_and_445_and_smb_on_any_port() {
    for name in BOTH {
        let rulebook = rulebook(name);
        for (port, expected) in [
            (139, &OUTBOUND[..]),
            (445, &OUTBOUND),
            (138, &[]),
            (140, &[]),
            (444, &[]),
            (446, &[]),
            (135, &[]),
            (137, &[]),
            (443, &[]),
        ] {
            assert_eq!(fitting(&rulebook, &tcp("10.0.0.1", "8.8.8.8", port)), expected, "{name}: {port}");
            assert!(
                fitting(&rulebook, &udp("10.0.0.1", "8.8.8.8", port)).is_empty(),
                "{name}: {port} of UDP"
            );
        }
        for port in [1, 135, 4445, 65_535] {
            let spoken = Question { smb: Some(true), ..tcp("10.0.0.1", "8.8.8.8", port) };
            assert_eq!(fitting(&rulebook, &spoken), ["smb-to-internet"], "{name}: SMB on {port}");
            assert!(fitting(&rulebook, &Question { transport: UDP, ..spoken }).is_empty());
        }
    }
}

#[test]
fn version_105_has_no_new_term_and_209_a_destination_new_in_7_days() {
    let terms: Vec<_> = ProfileName::ElasticV105.profile().rules.iter().map(ProfileRule::new_term).collect();
    assert_eq!(terms, [None, Some(NewTerm { field: Field::DestinationIp, days: 7 })]);
}

#[test]
fn process_of_this_machine_is_not_the_windows_kernel() {
    for name in BOTH {
        let question = Question { own_process: true, ..tcp("10.0.0.1", "8.8.8.8", 445) };
        assert_eq!(fitting(&rulebook(name), &question), ["smb-to-internet"]);
        let rare = &rulebook(name).verdict(&question)[1];
        assert_eq!(rare.because, Because::OtherProcess);
        assert_eq!(rare.rule.process, ["host.os.type: windows", "process.pid: 4"]);
    }
}

#[test]
fn version_105_ignores_inbound_connections() {
    for port in [135, 139, 445] {
        assert!(fitting(&rulebook(ProfileName::ElasticV105), &tcp("8.8.8.8", "10.0.0.1", port)).is_empty());
    }
}

#[test]
fn severity_techniques_and_schedule_match_the_rules() {
    let facts = |profile: &Profile| -> Vec<_> {
        let techniques = |rule: &RuleMeta| rule.techniques.iter().map(|one| one.id).collect::<Vec<_>>();
        let rules = profile.rules.iter().map(|one| one.rule);
        rules.map(|rule| (rule.severity.name(), rule.risk_score, techniques(rule))).collect()
    };
    assert_eq!(
        facts(ProfileName::ElasticV105.profile()),
        [("high", 73, vec!["T1190", "T1048"]), ("medium", 47, vec!["T1048"])]
    );
    assert_eq!(
        facts(ProfileName::ElasticCurrent.profile()),
        [
            ("medium", 47, vec!["T1190", "T1048"]),
            ("medium", 47, vec!["T1048", "T1187"]),
            ("high", 73, vec!["T1133", "T1190"]),
        ]
    );
    let schedule = Schedule { every_minutes: 5, look_back_minutes: 9, max_alerts: 100 };
    assert!(BOTH.into_iter().all(|name| name.profile().schedule == Some(schedule)));
}

#[test]
fn watched_ports_match_the_rules() {
    let configured = ServicePorts { smb_tcp: vec![4445], ..ServicePorts::default() };
    let watched = ProfileName::ElasticV105.profile().services(&configured);
    let expected = ServicePorts { smb_tcp: vec![139, 445], smb_any_port: true, ..ServicePorts::none() };
    assert_eq!(watched, expected);
    assert_eq!(ProfileName::Sensor.profile().services(&configured), configured);
}
