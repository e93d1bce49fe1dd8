//! `--record FILE` keeps the packets of alerted flows, and those alone, for a packet analyser.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use sensor_lab::{Answer, Smbd, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, EvidenceLevel, connect, echo, reaches, smb_session, text};
use sensor_user::capture;

const RULE: &str = "external-access-windows-networking";

/// A field of each packet from tshark, or `None` without tshark.
fn by_tshark(file: &Path, field: &str) -> Option<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-T", "fields", "-e", field]);
    let output = tshark.output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn alert_can_be_opened_in_wireshark_by_its_id() {
    require_lab!();
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = scratch.path().join("alerts.pcapng");
    let _smbd = Smbd::start(border.client()).unwrap();
    let https = TcpListener::start(border.server(), (address::SERVER_V4, 443), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--record", &file.display().to_string()]);
    let agent = agent.start().unwrap();
    // No alert is about this.
    echo(&mut connect(border.client(), https.address()).unwrap(), &[7; 100]).unwrap();
    smb_session(border.server(), address::CLIENT_V4).unwrap();
    agent.wait_for(reaches(RULE, EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    let alert = text(ended.found(RULE).unwrap(), "/smb_sensor/incident/id").to_owned();

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut frames = Vec::new();
    capture::frames(&file, |frame| frames.push((frame.nanoseconds, frame.bytes.to_vec()))).unwrap();
    assert!(frames.len() > 10, "{} packets", frames.len());
    assert!(frames.iter().all(|(_, bytes)| bytes.len() <= 512));
    // The first is the SYN, which came before the alert.
    assert_eq!(frames[0].1[47] & 0x12, 2, "{:02x?}", frames[0].1);

    let Some(comments) = by_tshark(&file, "frame.comment") else {
        sensor_lab::skip("alert_can_be_opened_in_wireshark_by_its_id", "tshark is not installed");
        return;
    };
    // The rule is the one that led when the connection joined the incident.
    let expected = format!("smb-sensor incident {alert}, rule windows-networking-exposed");
    assert_eq!(comments.len(), frames.len());
    assert!(comments.iter().all(|comment| *comment == expected), "{expected}\n{comments:#?}");
    let streams = by_tshark(&file, "tcp.stream").unwrap();
    assert!(streams.iter().all(|stream| stream == "0"), "{streams:?}");
    let commands = by_tshark(&file, "smb2.cmd").unwrap();
    assert!(commands.iter().filter(|command| !command.is_empty()).count() > 4, "{commands:?}");
}

#[test]
fn recording_continues_after_the_last_one_and_keeps_its_length() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = scratch.path().join("alerts.pcapng");
    let server = TcpListener::start(border.client(), (address::CLIENT_V4, 445), Answer::Echo).unwrap();
    let config = format!("[record]\nfile = \"{}\"\nsnap_length = 80\nmax_mib = 1\n", file.display());
    let mut counts = Vec::new();
    for _ in 0..2 {
        let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
        let mut stream = connect(border.server(), server.address()).unwrap();
        echo(&mut stream, &[7; 400]).unwrap();
        agent.wait_for(reaches(RULE, EvidenceLevel::Connected)).unwrap();
        agent.stop().unwrap();
        let mut count = 0;
        capture::frames(&file, |frame| {
            count += 1;
            assert!(frame.bytes.len() <= 80);
        })
        .unwrap();
        counts.push(count);
        // Like after a full disk: the last packet is torn.
        let torn = fs::OpenOptions::new().write(true).open(&file).unwrap();
        torn.set_len(torn.metadata().unwrap().len() - 7).unwrap();
    }
    assert!(counts[0] >= 5 && counts[1] >= counts[0] + 4, "{counts:?}");
}

#[test]
fn records_a_connection_that_ends_before_its_incident_opens() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = scratch.path().join("alerts.pcapng");
    let server = TcpListener::start(border.client(), (address::CLIENT_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--record", &file.display().to_string()]);
    let agent = agent.start().unwrap();
    let mut stream = connect(border.server(), server.address()).unwrap();
    echo(&mut stream, &[7; 400]).unwrap();
    drop(stream);
    agent.wait_for(reaches(RULE, EvidenceLevel::Connected)).unwrap();
    agent.stop().unwrap();
    let mut count = 0;
    capture::frames(&file, |_| count += 1).unwrap();
    assert!(count >= 5, "{count} packets");
}
