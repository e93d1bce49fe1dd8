//! A client that goes from SMB to WebDAV, as Windows does: requests over HTTP, and log-ons by NTLM in them.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

mod exposed;
mod nothing;
mod replayed;

use std::{fs, net::Ipv4Addr, process::Command, time::Duration};

use sensor_lab::{
    NtlmRelay, PASSWORD, Smbd, Topology, USER, WebDavServer, WsgiDav, address, allowed_cpus, curl,
    require_lab, scratch_dir, skip, upload_by_webdav,
};
use sensor_tests::{Agent, EvidenceLevel, connect, has_finding, number, reaches, text, texts};
use serde_json::{Value, json};

const RULE: &str = "webdav-to-internet";
const GIVEN_AWAY: &str = "ntlm-credential-to-internet";
const REDIRECTOR: &str = "Microsoft-WebDAV-MiniRedir/10.0.19045";

fn url(server: Ipv4Addr) -> String {
    format!("http://{server}/share/")
}

/// Two CPUs on which programs may run; if there is one only, a record of the skipped test.
fn two_cpus(test: &str) -> Option<[usize; 2]> {
    let two = allowed_cpus().unwrap().first_chunk().copied();
    if two.is_none() {
        skip(test, "one CPU only may be used");
    }
    two
}

/// The arguments of a PROPFIND with a log-on as a user of the domain CORP.
fn with_log_on(url: &str, password: &str) -> Vec<String> {
    let user = format!(r"CORP\{USER}:{password}");
    [
        "--ntlm",
        "--user",
        &user,
        "--request",
        "PROPFIND",
        "--header",
        "Depth: 0",
        "--user-agent",
        REDIRECTOR,
        url,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Sends a PROPFIND as [`USER`] of the domain CORP; gives what curl prints.
fn propfind(border: &Topology, password: &str) -> String {
    let arguments = with_log_on(&url(address::SERVER_V4), password);
    curl(border.client(), &arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().output
}

#[test]
fn accepted_log_on_over_webdav_is_critical() {
    require_lab!(WebDav);
    let border = Topology::border().unwrap();
    let _server = WebDavServer::start(border.server(), 80).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let answer = propfind(&border, PASSWORD);
    assert!(answer.contains("multistatus"), "{answer}");
    agent.wait_for(reaches(GIVEN_AWAY, EvidenceLevel::Session)).unwrap();
    let ended = agent.stop().unwrap();

    assert_eq!(ended.rules(), [GIVEN_AWAY, RULE]);
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "critical");
    assert_eq!(texts(incident, "/threat/technique/id"), ["T1071", "T1187"]);
    assert_eq!(text(incident, "/network/protocol"), "http");
    assert_eq!(number(incident, "/destination/port"), 80);
    let credential = &incident["smb_sensor"]["credentials"][0];
    assert_eq!((text(credential, "/user"), text(credential, "/domain")), (USER, "CORP"));
    assert_eq!((text(credential, "/method"), text(credential, "/outcome")), ("NTLMv2", "accepted"));
    let expected = format!(
        r"{} gave an NTLMv2 credential of CORP\{USER} to {}, which accepted it; {} sent a WebDAV request (PROPFIND by {REDIRECTOR}) to TCP 80",
        address::CLIENT_V4,
        address::SERVER_V4,
        address::CLIENT_V4,
    );
    assert_eq!(text(incident, "/message"), expected);
    assert_eq!(incident["smb_sensor"]["smb"]["complete"], true, "{incident:#}");
}

#[test]
fn refused_log_on_is_high() {
    require_lab!(WebDav);
    let border = Topology::border().unwrap();
    let _server = WebDavServer::start(border.server(), 80).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    propfind(&border, "wrong");
    agent.wait_for(has_finding(GIVEN_AWAY, "credential")).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "high");
    assert_eq!(text(&incident["smb_sensor"]["credentials"][0], "/outcome"), "refused");
}

#[test]
fn relay_over_http_is_found_when_the_response_comes_in_over_smb() {
    require_lab!(WebDav);
    let border = Topology::builder().lan_server().build().unwrap();
    let _smbd = Smbd::start(border.lan_server().unwrap()).unwrap();
    let relay = NtlmRelay::start_http(border.server(), address::LAN_SERVER_V4).unwrap();
    let agent = Agent::on(border.gateway(), "lan0,wan0").start().unwrap();
    propfind(&border, PASSWORD);
    relay.wait_for_log_on(Duration::from_secs(20)).unwrap();
    agent.wait_for(reaches("ntlm-relay", EvidenceLevel::Session)).unwrap();
    let ended = agent.stop().unwrap();
    let out = ended.found(RULE).unwrap();
    assert!(texts(out, "/threat/technique/id").contains(&"T1557"), "{out:#}");
}

#[test]
fn smb_that_is_refused_and_webdav_behind_it_are_one_incident() {
    require_lab!(WebDav);
    let border = Topology::border().unwrap();
    let _server = WebDavServer::start(border.server(), 80).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect(border.client(), (address::SERVER_V4, 445)).unwrap_err();
    agent.wait_for(has_finding("smb-to-internet", "refused")).unwrap();
    propfind(&border, PASSWORD);
    agent.wait_for(reaches(GIVEN_AWAY, EvidenceLevel::Session)).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(ended.rules(), [GIVEN_AWAY, "rare-smb-destination", "smb-to-internet", RULE]);
    assert_eq!(text(incident, "/network/protocol"), "http");
}

#[test]
fn listing_without_a_log_on_is_low_and_that_of_the_redirector_medium() {
    require_lab!(WebDav);
    for (program, severity) in [("gvfs/1.50", "low"), (REDIRECTOR, "medium")] {
        let border = Topology::border().unwrap();
        let _server = WebDavServer::start(border.server(), 8080).unwrap();
        let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
        let url = format!("http://{}:8080/share/", address::SERVER_V4);
        curl(border.client(), &["--request", "PROPFIND", "--user-agent", program, &url]).unwrap();
        agent.wait_for(has_finding(RULE, "connected")).unwrap();
        let ended = agent.stop().unwrap();
        assert_eq!(ended.rules(), [RULE]);
        let incident = ended.only().unwrap();
        assert_eq!(text(incident, "/smb_sensor/incident/severity"), severity);
        assert_eq!(texts(incident, "/threat/technique/id"), ["T1071"]);
    }
}

#[test]
fn upload_of_rclone_to_wsgidav_is_one_low_incident_with_its_bytes() {
    require_lab!(Attackers);
    const UPLOADED: usize = 300_000;
    // Both run on whatever CPU is free, so that each CPU handles a part of the packets.
    let border = Topology::border().unwrap();
    let server = WsgiDav::start(border.server(), 80).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let files = scratch_dir().unwrap();
    fs::write(files.path().join("payroll.bin"), vec![7; UPLOADED]).unwrap();
    let url = format!("http://{}/", address::SERVER_V4);
    let uploaded = upload_by_webdav(border.client(), files.path(), &url).unwrap();
    assert_eq!(fs::read(server.folder().join("payroll.bin")).unwrap().len(), UPLOADED, "{}", uploaded.output);
    agent.wait_for(has_finding(RULE, "connected")).unwrap();
    let ended = agent.stop().unwrap();

    assert_eq!(ended.rules(), [RULE]);
    assert_eq!(ended.number("flow_marks_replaced").unwrap(), 0, "{}", ended.statistics);
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "low");
    let left = number(incident, "/smb_sensor/volume/left_bytes") as usize;
    assert!((UPLOADED..UPLOADED + 10_000).contains(&left), "{left}");
}

#[test]
fn answers_that_another_cpu_handles_are_counted_with_their_bytes() {
    require_lab!(WebDav);
    const FETCHED: usize = 300_000;
    let test = "webdav::answers_that_another_cpu_handles_are_counted_with_their_bytes";
    let Some([first, second]) = two_cpus(test) else { return };
    let border = Topology::border().unwrap();
    border.client().keep_to_cpu(first);
    border.server().keep_to_cpu(second);
    let server = WsgiDav::start(border.server(), 80).unwrap();
    fs::write(server.folder().join("tools.bin"), vec![7; FETCHED]).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    // Two requests in one connection, whose answers are like those of any web server.
    let (share, file) =
        (format!("http://{}/", address::SERVER_V4), format!("http://{}/tools.bin", address::SERVER_V4));
    let asked = ["--user-agent", REDIRECTOR, "--request", "OPTIONS", &share, "--next", "--silent"];
    let fetched =
        ["--user-agent", REDIRECTOR, "--output", "/dev/null", "--write-out", "%{size_download}", &file];
    let output = curl(border.client(), &[&asked[..], &fetched].concat()).unwrap().output;
    assert!(output.contains(&FETCHED.to_string()), "{output}");
    agent.wait_for(has_finding(RULE, "connected")).unwrap();
    let ended = agent.stop().unwrap();

    assert_eq!(ended.rules(), [RULE]);
    let incident = ended.only().unwrap();
    assert_eq!(incident["smb_sensor"]["smb"]["complete"], true, "{incident:#}");
    let came = number(incident, "/smb_sensor/volume/came_bytes") as usize;
    assert!((FETCHED..FETCHED + 10_000).contains(&came), "{came}");
}

#[test]
fn log_on_from_the_internet_is_an_external_one() {
    require_lab!(WebDav);
    let border = Topology::border().unwrap();
    let _server = WebDavServer::start(border.client(), 80).unwrap();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let arguments = with_log_on(&url(address::CLIENT_V4), PASSWORD);
    curl(border.server(), &arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    agent.wait_for(reaches("external-logon-accepted", EvidenceLevel::Session)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(text(ended.only().unwrap(), "/smb_sensor/incident/severity"), "critical");

    let mut exposure = Command::new(Agent::program().unwrap());
    let listed = exposure.args(["exposure", "--json", "--state-dir"]).arg(state.path()).output().unwrap();
    let host: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(host["host"], address::CLIENT_V4.to_string());
    assert_eq!((&host["ports"], &host["anonymous"]), (&json!(["80/tcp"]), &json!(false)));
}
