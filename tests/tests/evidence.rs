//! What real sessions say is read: who logged on, how, to which share, and what came of it.

use anyhow::Result;
use sensor_lab::{PASSWORD, SHARE, Smbclient, Smbd, Topology, USER, address, require_lab};
use sensor_tests::{Agent, Ended, number, smb_session, tells, text, texts};
use serde_json::Value;

const OUTBOUND: &str = "smb-to-internet";
const CREDENTIAL: &str = "ntlm-credential-to-internet";

/// A gateway between a client and a real server, and what a session of the client brought about.
fn of_session(
    smbd: impl FnOnce() -> sensor_lab::SmbdBuilder,
    session: impl FnOnce(Smbclient<'_>),
    level: &str,
) -> Result<Ended> {
    let border = Topology::border()?;
    let _smbd = smbd().start(border.server())?;
    let agent = Agent::on(border.gateway(), "lan0").start()?;
    session(Smbclient::new(border.client(), address::SERVER_V4));
    agent.wait_for(tells(OUTBOUND, level))?;
    agent.stop()
}

fn credential(alert: &Value) -> &Value {
    &alert["smb_sensor"]["credentials"][0]
}

/// What was told must not hold the password, nor anything that looks like a response.
fn keeps_secrets(ended: &Ended) {
    for document in &ended.documents {
        assert!(!document.to_string().contains(PASSWORD), "{document:#}");
    }
}

#[test]
fn a_session_names_user_dialect_and_share_and_its_alerts_are_worth_more() {
    require_lab!();
    let ended =
        of_session(Smbd::builder, |client| assert!(client.get("hello.txt").unwrap().success()), "data")
            .unwrap();
    let alert = ended.closed(CREDENTIAL).unwrap();
    assert_eq!(text(alert, "/smb_sensor/alert/severity"), "critical", "it was accepted");
    assert_eq!(number(alert, "/event/risk_score"), 99);
    assert_eq!(texts(alert, "/threat/technique/id"), ["T1048", "T1187"]);
    assert_eq!(text(alert, "/source/user/name"), USER);
    assert_eq!(text(credential(alert), "/method"), "NTLMv2");
    assert_eq!(text(credential(alert), "/outcome"), "accepted");
    assert_eq!(text(credential(alert), "/fingerprint").len(), 32);
    assert_eq!(text(alert, "/smb_sensor/smb/dialect"), "3.1.1");
    let shares: Vec<_> = alert["smb_sensor"]["smb"]["shares"].as_array().unwrap().iter().collect();
    assert!(
        shares.iter().any(|share| text(share, "/path").ends_with(&format!("\\{SHARE}"))
            && text(share, "/outcome") == "accepted"),
        "{shares:?}"
    );
    assert!(text(alert, "/message").contains("credential of "), "{alert:#}");
    keeps_secrets(&ended);
}

#[test]
fn a_wrong_password_is_an_attempt_that_gave_its_credential_away() {
    require_lab!();
    let ended = of_session(
        Smbd::builder,
        |client| assert!(!client.user(USER, "wrong").get("hello.txt").unwrap().success()),
        "authenticated-attempt",
    )
    .unwrap();
    let alert = ended.closed(CREDENTIAL).unwrap();
    assert_eq!(text(alert, "/smb_sensor/evidence/level"), "authenticated-attempt");
    assert_eq!(text(alert, "/smb_sensor/alert/severity"), "high");
    assert_eq!(text(credential(alert), "/outcome"), "refused");
    assert_eq!(text(credential(alert), "/status"), "STATUS_LOGON_FAILURE");
    assert_eq!(texts(alert, "/threat/technique/id"), ["T1187"]);
}

#[test]
fn ntlm_version_1_is_critical_whatever_came_of_it() {
    require_lab!();
    let ended = of_session(
        || Smbd::builder().ntlmv1(),
        |client| {
            let client = client.protocol("NT1").option("--option=client ntlmv2 auth = no");
            let _ = client
                .option("--option=client use spnego = no")
                .user(USER, "wrong")
                .get("hello.txt")
                .unwrap();
        },
        "authenticated-attempt",
    )
    .unwrap();
    let alert = ended.closed(CREDENTIAL).unwrap();
    assert_eq!(text(credential(alert), "/method"), "NTLMv1");
    assert_eq!(text(alert, "/smb_sensor/alert/severity"), "critical");
    assert!(ended.rules().contains(&"smb1-across-border".to_owned()), "{:?}", ended.rules());
}

#[test]
fn an_anonymous_session_is_a_session_and_no_credential() {
    require_lab!();
    let ended = of_session(
        || Smbd::builder().guest(),
        |client| {
            let _ = client.anonymous().list_shares().unwrap();
        },
        "data",
    )
    .unwrap();
    assert_eq!(ended.rules(), ["rare-smb-destination", OUTBOUND]);
    let alert = ended.closed(OUTBOUND).unwrap();
    assert_eq!(text(credential(alert), "/method"), "anonymous");
    assert!(alert["source"].get("user").is_none());
    assert!(texts(alert, "/threat/technique/id").contains(&"T1135"), "{alert:#}");
    let rpc = &alert["smb_sensor"]["rpc"][0];
    assert_eq!(text(rpc, "/interface"), "srvsvc");
}

#[test]
fn behind_encryption_the_session_is_known_and_what_was_said_before() {
    require_lab!();
    let ended = of_session(
        Smbd::builder,
        |client| {
            let client = client.option("--client-protection=encrypt");
            assert!(client.get("hello.txt").unwrap().success());
        },
        "session",
    )
    .unwrap();
    let alert = ended.closed(CREDENTIAL).unwrap();
    assert_eq!(alert["smb_sensor"]["smb"]["encrypted"], true);
    assert_eq!(text(alert, "/source/user/name"), USER);
    assert!(alert["smb_sensor"]["smb"].get("shares").is_none(), "shares are hidden");
}

#[test]
fn messages_split_over_segments_of_a_few_bytes_are_joined() {
    require_lab!();
    let border = Topology::border().unwrap();
    // Each end is told to send segments of 88 bytes at most. The native XDP program keeps the sender from handing over
    // larger ones for the driver to cut.
    border.server().ip("route change default via 8.8.4.1 advmss 88").unwrap();
    border.client().ip("route change default via 10.0.0.1 advmss 88").unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--ingress", "xdp-native"]).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.wait_for(tells(CREDENTIAL, "data")).unwrap();
    let ended = agent.stop().unwrap();
    let alert = ended.closed(CREDENTIAL).unwrap();
    let (bytes, packets) = (number(alert, "/source/bytes"), number(alert, "/source/packets"));
    assert!(bytes / packets <= 52 + 88, "segments were not split: {bytes} bytes in {packets} packets");
    assert!(ended.number("payload").unwrap() > 20, "messages in pieces: {}", ended.statistics);
    assert_eq!(text(alert, "/source/user/name"), USER);
    assert_eq!(text(credential(alert), "/outcome"), "accepted");
    let shares = alert["smb_sensor"]["smb"]["shares"].as_array().unwrap();
    assert!(shares.iter().any(|share| text(share, "/path").ends_with(&format!("\\{SHARE}"))), "{shares:?}");
}

#[test]
fn through_tc_large_sends_come_in_one_piece_and_are_counted_and_read_all_the_same() {
    require_lab!();
    const SENT: usize = 5 << 20;
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = "[detection]\ndata_leaving_bytes = 1048576\n";
    let agent =
        Agent::on(border.client(), "eth0").config(config).arguments(&["--ingress", "tc"]).start().unwrap();
    let client = Smbclient::new(border.client(), address::SERVER_V4);
    assert!(client.put("large.bin", &vec![0x5A; SENT]).unwrap().success());
    agent.wait_for(tells("data-leaving-over-smb", "data")).unwrap();
    let ended = agent.stop().unwrap();
    let alert = ended.closed("data-leaving-over-smb").unwrap();
    let (bytes, packets) = (number(alert, "/source/bytes"), number(alert, "/source/packets"));
    assert!(
        bytes / packets > 3_000,
        "no segment was larger than the MTU: {bytes} bytes in {packets} packets"
    );
    let left = number(alert, "/smb_sensor/evidence/bytes_left_network");
    // What is sent again counts again: it left.
    assert!(left > SENT as u64 && left < 2 * SENT as u64, "{left}");
    assert_eq!(text(alert, "/source/user/name"), USER);
    assert!(texts(alert, "/threat/technique/id").contains(&"T1048"));
    assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
}

#[test]
fn the_internal_twin_of_a_session_says_nothing() {
    require_lab!();
    let border = Topology::builder().lan_server().build().unwrap();
    let _smbd = Smbd::start(border.lan_server().unwrap()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    smb_session(border.client(), address::LAN_SERVER_V4).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("payload").unwrap(), 0, "nor is any of it read: {}", ended.statistics);
}
