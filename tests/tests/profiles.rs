//! The same packets under different profiles, through the whole sensor on the host.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{fs, process::Command};

use sensor_tests::{Agent, ByteOrder, Frame, Recording, documents_of, link, text};

const START: u64 = 1_700_000_000_000_000_000;
const HOUR: u64 = 3_600_000_000_000;

/// The findings in the incidents of these frames, an hour after each other; sorted by rule within an incident.
fn opened(profile: &str, frames: &[Frame]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.pcap");
    let frames = frames.iter().enumerate().map(|(hour, frame)| (START + hour as u64 * HOUR, frame.build()));
    fs::write(&capture, Recording { frames: frames.collect() }.pcap(ByteOrder::Little, true, link::ETHERNET))
        .unwrap();
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.args(["replay", "--json", "--profile", profile]).arg(&capture).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents = documents_of(str::from_utf8(&output.stdout).unwrap().lines()).unwrap();
    let opened = documents.iter().filter(|one| text(one, "/event/action") == "incident-opened");
    let findings = opened.filter_map(|one| one.pointer("/smb_sensor/findings")?.as_array());
    findings.flatten().map(|one| text(one, "/rule").to_owned()).collect()
}

fn syn(client: &str, server: &str) -> Frame {
    Frame::tcp(client, server)
}

#[test]
fn reserved_destination_alerts_under_elastic_and_not_under_the_sensor() {
    let frames = [syn("10.0.0.1:50000", "0.1.2.3:445")];
    assert!(opened("sensor", &frames).is_empty());
    assert_eq!(
        opened("elastic-v105", &frames),
        ["elastic-v105-rare-smb-destination", "elastic-v105-smb-to-internet"]
    );
    assert_eq!(
        opened("elastic-current", &frames),
        ["elastic-current-rare-smb-destination", "elastic-current-smb-to-internet"]
    );
    assert!(opened("netography", &frames).is_empty());
}

#[test]
fn special_purpose_source_alerts_where_only_own_networks_are_set_apart() {
    let frames = [syn("198.18.0.1:50000", "10.0.0.1:135")];
    assert_eq!(opened("netography", &frames), ["netography-external-access"]);
    for profile in ["sensor", "elastic-v105", "elastic-current"] {
        assert!(opened(profile, &frames).is_empty(), "{profile}");
    }
}

#[test]
fn version_105_reports_every_connection_and_version_112_the_first() {
    let frames = [
        syn("10.0.0.1:50000", "8.8.8.8:445"),
        syn("10.0.0.1:50001", "8.8.8.8:445"),
        syn("10.0.0.1:50002", "9.9.9.9:445"),
    ];
    let count =
        |profile: &str, rule: &str| opened(profile, &frames).iter().filter(|one| *one == rule).count();
    assert_eq!(count("elastic-v105", "elastic-v105-smb-to-internet"), 3);
    assert_eq!(count("elastic-v105", "elastic-v105-rare-smb-destination"), 2);
    assert_eq!(count("elastic-current", "elastic-current-smb-to-internet"), 1);
    assert_eq!(count("elastic-current", "elastic-current-rare-smb-destination"), 2);
}

#[test]
fn sensor_alone_sees_an_ipv6_client() {
    let frames = [syn("[fd00::1]:50000", "[2001:4860:4860::8844]:445")];
    assert!(!opened("sensor", &frames).is_empty());
    for profile in ["elastic-v105", "elastic-current", "netography"] {
        assert!(opened(profile, &frames).is_empty(), "{profile}");
    }
}

#[test]
fn refuses_an_unknown_profile_and_lists_the_known_ones() {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.args(["replay", "--profile", "elastic", "-"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && stderr.contains("elastic-v105, elastic-current, netography"),
        "{stderr}"
    );
}
