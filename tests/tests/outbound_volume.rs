//! Data that leaves in many small sessions is noticed like data that leaves in one, and data that leaves while the sensor starts.

use std::{fs, thread, time::Duration};

use sensor_lab::{PythonClient, Smbclient, Smbd, Topology, address, allowed_cpus, poll, require_lab};
use sensor_tests::{Agent, PATIENCE, finds, number, text, texts};
use serde_json::Value;

const RULE: &str = "data-leaving-over-smb";
/// Bytes that each session sends.
const SENT: usize = 300 << 10;

#[test]
fn many_small_sessions_over_the_limit_are_one_alert() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = "[detection]\ndata_leaving_bytes = 1048576\ndata_leaving_rate = 1099511627776\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    let client = Smbclient::new(border.client(), address::SERVER_V4);
    for number in 0..4 {
        assert!(client.put(&format!("{number}.bin"), &vec![0x5A; SENT]).unwrap().success());
    }
    agent.wait_for(|document| finds(document, RULE)).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert!(number(incident, "/smb_sensor/volume/left_bytes") >= 1 << 20, "{incident:#}");
    let connections = incident["smb_sensor"]["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 4, "{incident:#}");
    for connection in connections {
        assert!(number(connection, "/left_bytes") < 1 << 20, "none carried enough by itself: {connection:#}");
    }
    assert!(texts(incident, "/threat/technique/id").contains(&"T1048"), "{incident:#}");
}

#[test]
fn fast_outbound_volume_alerts_early() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = "[detection]\ndata_leaving_rate = 16384\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    let client = Smbclient::new(border.client(), address::SERVER_V4);
    assert!(client.put("fast.bin", &vec![0x5A; SENT]).unwrap().success());
    let alert = agent.wait_for(|document| finds(document, RULE)).unwrap();
    // Far below the limit of a single session.
    assert!(number(&alert, "/smb_sensor/volume/left_bytes") < 1 << 20, "{alert:#}");
    assert!(texts(&alert, "/threat/technique/id").contains(&"T1048"), "{alert:#}");
}

#[test]
fn small_files_in_compounds_are_content() {
    require_lab!(Python);
    let border = Topology::border().unwrap();
    // Each CPU counts the packets that it sees: what is sent again is not recognised on another one.
    border.client().keep_to_cpu(allowed_cpus().unwrap()[0]);
    let smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let client = PythonClient::smbprotocol(border.client(), address::SERVER_V4);
    let outcome = client.run(&["compounds:1000:200"]).unwrap();
    assert!(outcome.success(), "{outcome:?}");
    let stored = fs::read_dir(smbd.share_dir()).unwrap().filter(|file| {
        let file = file.as_ref().unwrap();
        file.file_name().to_string_lossy().ends_with(".bin") && file.metadata().unwrap().len() == 200
    });
    assert_eq!(stored.count(), 1_000);
    let sent = outcome.output.lines().find_map(|line| line.strip_prefix("sent ")).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(number(incident, "/smb_sensor/volume/left_bytes"), sent.parse::<u64>().unwrap());
    assert!(texts(incident, "/threat/technique/id").contains(&"T1048"), "{incident:#}");
}

/// Bytes that are written while the sensor starts: five seconds' worth.
const WRITTEN: usize = 100 << 20;

#[test]
fn session_that_was_there_before_the_sensor_is_said_to_be() {
    require_lab!();
    let border = Topology::border().unwrap();
    let smbd = Smbd::start(border.server()).unwrap();
    let slow = ["qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "160mbit", "burst", "256k"];
    let slow = border.client().command("tc").args(slow).args(["latency", "50ms"]).status().unwrap();
    assert!(slow.success());
    let file = smbd.share_dir().join("all.bin");
    let client = Smbclient::new(border.client(), address::SERVER_V4).time_limit(Duration::from_secs(120));
    thread::scope(|scope| {
        let transfer = scope.spawn(|| client.put("all.bin", &vec![0x5A; WRITTEN]));
        let is_written = || fs::metadata(&file).is_ok_and(|file| file.len() > 0).then_some(());
        poll(PATIENCE, is_written).unwrap();
        let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
        let is_of_session =
            |document: &Value| text(document, "/message").contains("; joined late: the log-on was before ");
        let incident = agent.wait_for(is_of_session).unwrap();
        let message = text(&incident, "/message");
        assert!(message.contains(" UTC, when the sensor started"), "{message}");
        agent.stop().unwrap();
        assert!(transfer.join().unwrap().unwrap().success());
    });
}
