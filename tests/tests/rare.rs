//! A destination is rare once: it is known from then on, even after a restart.

use std::net::Ipv4Addr;

use sensor_core::time::Timestamp;
use sensor_lab::{Answer, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, Ended, SMB2_MESSAGE, connect, echo, finds, text};
use sensor_user::rfc3339::rfc3339;
use serde_json::Value;
use time::OffsetDateTime;

const RARE: &str = "rare-smb-destination";
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

#[test]
fn destination_is_rare_once_and_again_without_the_store() {
    require_lab!(Network);
    let border = Topology::builder().server_address(OTHER_SERVER).build().unwrap();
    let _server = TcpListener::start(border.server(), (Ipv4Addr::UNSPECIFIED, 445), Answer::Echo).unwrap();
    let store = scratch_dir().unwrap();
    let run = |state_dir: Option<&std::path::Path>, servers: &[Ipv4Addr]| {
        let mut agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n");
        if let Some(path) = state_dir {
            agent = agent.state_dir(path);
        }
        let began = now();
        let agent = agent.start().unwrap();
        for (already, server) in servers.iter().enumerate() {
            let mut stream = connect(border.client(), (*server, 445)).unwrap();
            echo(&mut stream, &SMB2_MESSAGE).unwrap();
            drop(stream);
            let ended = || agent.documents().iter().filter(|one| is_flow(one)).count();
            agent.wait_for(|_| ended() > already).unwrap();
        }
        let ended = agent.stop().unwrap();
        assert!(!ended.incidents().is_empty(), "{}", ended.log);
        (rare_since(&ended, &began), ended.log)
    };
    let (first, second) = (address::SERVER_V4, OTHER_SERVER);

    let (rare, _) = run(Some(store.path()), &[first, first, first]);
    assert_eq!(rare, [first.to_string()]);
    let (rare, log) = run(Some(store.path()), &[first, second, first]);
    assert_eq!(rare, [second.to_string()], "the first is known, the second is new");
    assert!(log.contains("1 destinations known"), "{log}");
    assert_eq!(run(Some(store.path()), &[first, second]).0, [""; 0], "both are known");
    assert_eq!(run(None, &[first]).0, [first.to_string()], "an empty store knows nothing");
}

/// Now, in the form of documents.
fn now() -> String {
    rfc3339(Timestamp::from_unix_nanos(OffsetDateTime::now_utc().unix_timestamp_nanos() as i64))
}

/// Rare destinations since a time, as the facts of the findings name them. An incident that continues
/// after a restart has its earlier findings too.
#[expect(clippy::unwrap_used, reason = "a fact without its address fails the test")]
fn rare_since(ended: &Ended, began: &str) -> Vec<String> {
    let mut rare = Vec::new();
    for document in &ended.documents {
        let findings = document.pointer("/smb_sensor/findings").and_then(Value::as_array);
        let is_new = |one: &&Value| text(one, "/rule") == RARE && text(one, "/first") >= began;
        for finding in findings.into_iter().flatten().filter(is_new) {
            let (_, after) = text(finding, "/fact").rsplit_once("connection with ").unwrap();
            let address = after.split(' ').next().unwrap().to_owned();
            if !rare.contains(&address) {
                rare.push(address);
            }
        }
    }
    rare
}

fn is_flow(document: &Value) -> bool {
    text(document, "/event/action") == "network_flow"
}

#[test]
fn learns_without_reporting_and_remembers_after_a_restart() {
    require_lab!(Network);
    let border = Topology::builder().server_address(OTHER_SERVER).build().unwrap();
    let _server = TcpListener::start(border.server(), (Ipv4Addr::UNSPECIFIED, 445), Answer::Echo).unwrap();
    let speak = |server: Ipv4Addr| {
        echo(&mut connect(border.client(), (server, 445)).unwrap(), &SMB2_MESSAGE).unwrap();
    };
    let store = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").learning().state_dir(store.path()).start().unwrap();
    speak(address::SERVER_V4);
    agent.wait_for(|document| finds(document, "smb-to-internet")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), ["smb-to-internet"]);
    let learnt = ended.found("smb-to-internet").unwrap();
    let until = text(learnt, "/smb_sensor/learning_until");
    assert!(ended.log.contains(&format!("learning until {until}")), "{}", ended.log);

    let agent = Agent::on(border.gateway(), "lan0").state_dir(store.path()).start().unwrap();
    speak(address::SERVER_V4);
    speak(OTHER_SERVER);
    agent.wait_for(|document| finds(document, RARE)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), [RARE, "smb-to-internet", "smb-to-internet"]);
    let id = |incident| text(incident, "/smb_sensor/incident/id");
    let incidents = ended.incidents();
    let (known, new): (Vec<&Value>, Vec<_>) = incidents.into_iter().partition(|one| id(one) == id(learnt));
    let ([known], [new]) = (known.as_slice(), new.as_slice()) else { panic!("{:#?}", ended.documents) };
    assert!(!finds(known, RARE), "learnt before: {known:#}");
    assert_eq!(known["smb_sensor"]["incident"]["restarted"], true, "it goes on");
    assert_eq!(text(known, "/smb_sensor/learning_until"), until, "it was opened while the agent learnt");
    assert_eq!(text(new, "/destination/ip"), OTHER_SERVER.to_string());
    assert!(new.pointer("/smb_sensor/learning_until").is_none(), "{new:#}");
}
