//! Alerts that were open when the agent was killed.

use std::{
    collections::BTreeMap,
    env,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use sensor_lab::{Answer, RawSocket, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, number, syn_frame, tells, text};
use sensor_user::journal::{Bounds, Journal};
use serde_json::{Value, json};

use super::journalled;

/// Names the state directory to the child process that is killed while it closes alerts.
const CHILD: &str = "SMB_SENSOR_TEST_LEFT_OPEN";

/// Alerts that it has to close.
const ALERTS: u64 = 3_000;

const REASON: &str = "the sensor ended before the conversation did";

/// The documents of each alert, in order.
fn lives(documents: Vec<Value>) -> BTreeMap<String, Vec<Value>> {
    let mut lives: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for document in documents {
        lives.entry(text(&document, "/event/id").to_owned()).or_default().push(document);
    }
    lives
}

fn status(document: &Value) -> &str {
    text(document, "/smb_sensor/alert/status")
}

#[test]
fn what_a_killed_agent_left_open_is_closed_once_by_the_next_with_the_reason() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = || Agent::on(border.gateway(), "lan0").state_dir(&state).start().unwrap();
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    let mut connections = Vec::new();
    for sweeper in [77, 78] {
        let agent = agent();
        let mut connection = connect(border.client(), server.address()).unwrap();
        echo(&mut connection, &SMB2_MESSAGE).unwrap();
        let port = u64::from(connection.local_addr().unwrap().port());
        connections.push(connection);
        let sweeper = Ipv4Addr::new(10, 0, 0, sweeper);
        for target in 0..30 {
            let to = SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, target), 445);
            socket.send(&syn_frame(macs, SocketAddrV4::new(sweeper, 40_000), to)).unwrap();
        }
        // What the last one told may be told again first.
        let smb = tells("smb-to-internet", "smb");
        agent.wait_for(|document| smb(document) && document["source"]["port"] == port).unwrap();
        let sweep = |document: &Value| text(document, "/rule/id") == "smb-sweep";
        agent
            .wait_for(|document| sweep(document) && document["source"]["ip"] == sweeper.to_string())
            .unwrap();
        agent.kill().unwrap();
    }
    for _ in 0..2 {
        assert_eq!(agent().stop().unwrap().code, Some(0));
    }
    let lives = lives(journalled(&state, &[]));
    let mut for_the_sensor = BTreeMap::new();
    for (id, life) in &lives {
        let sequences: Vec<_> = life.iter().map(|document| number(document, "/event/sequence")).collect();
        assert_eq!(sequences, (0..life.len() as u64).collect::<Vec<_>>(), "{id}");
        let last = life.last().unwrap();
        assert_eq!(
            (status(last), life.iter().filter(|one| status(one) == "closed").count()),
            ("closed", 1),
            "{id}"
        );
        if last["smb_sensor"]["alert"]["reason"] == REASON {
            *for_the_sensor.entry(text(last, "/rule/id").to_owned()).or_insert(0) += 1;
            let before = &life[life.len() - 2];
            assert_eq!(
                (&last["source"], &last["event"]["end"]),
                (&before["source"], &before["event"]["end"]),
                "{id}"
            );
        }
    }
    assert_eq!(
        (for_the_sensor["smb-to-internet"], for_the_sensor["smb-sweep"]),
        (2, 2),
        "{for_the_sensor:?}"
    );
}

/// Not a test of its own: the process that [`a_start_that_is_killed_while_it_closes_alerts_leaves_the_rest_to_the_next`] kills.
#[test]
fn child_that_closes_alerts_until_it_is_killed() {
    let Some(directory) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let _journal = Journal::open(&directory, Bounds::default(), false).unwrap();
    println!("closed");
}

#[test]
fn a_start_that_is_killed_while_it_closes_alerts_leaves_the_rest_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Journal::open(directory.path(), Bounds::default(), false).unwrap();
    let document = |id: u64| {
        json!({ "event": { "kind": "alert", "id": id.to_string(), "sequence": 0, "type": ["info"] },
                "smb_sensor": { "alert": { "status": "opened", "severity": "high" } } })
    };
    open().push(&(0..ALERTS).map(document).collect::<Vec<_>>());
    for round in 0..20 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "left_open::child_that_closes_alerts_until_it_is_killed", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // At whatever it is doing then.
        let _ = sensor_lab::poll(Duration::from_millis(10 * round), || child.try_wait().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(open());
    let every = sensor_user::journal::Query { every: true, ..Default::default() };
    let mut documents = Vec::new();
    sensor_user::journal::query::run(
        &sensor_user::journal::read(directory.path()).unwrap(),
        &every,
        |text| {
            documents.push(serde_json::from_str(&text).unwrap());
            true
        },
    )
    .unwrap();
    let lives = lives(documents);
    assert_eq!(lives.len() as u64, ALERTS);
    for (id, life) in &lives {
        assert_eq!(life.iter().map(status).collect::<Vec<_>>(), ["opened", "closed"], "{id}");
    }
}
