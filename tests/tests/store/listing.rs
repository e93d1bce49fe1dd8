//! `smb-sensor alerts` with and without a running agent.

use std::{
    fs,
    net::SocketAddrV4,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sensor_lab::{RawSocket, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, documents_of, has_finding, syn_frame, text};
use serde_json::Value;

use super::{converse, listed, stored};

/// Makes it keep and write a document for each connection, too.
const FLOWS: &str = "flow_documents = true\n";

fn is_flow(document: &Value) -> bool {
    text(document, "/event/dataset") == "network_traffic.flow"
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(Agent::program().unwrap()).arg("alerts").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn store_is_readable_while_the_agent_runs_and_afterwards() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = Agent::on(border.gateway(), "lan0").config(FLOWS).state_dir(&state).start().unwrap();
    converse(&border).unwrap();
    let document = agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    let id = text(&document, "/smb_sensor/incident/id").to_owned();
    let smb = [
        "--rule",
        "smb-to-internet",
        "--internal",
        "10.0.0.0/24",
        "--external",
        "8.8.4.4",
        "--evidence",
        "smb",
        "--severity",
        "high",
        "--since",
        "1h",
        "--open",
    ];
    // A document is delivered after it is in the store, so no wait is necessary.
    let table = listed(&state, &smb);
    assert_eq!(table.lines().count(), 2, "a header and one incident: {table}");
    for word in ["high", "10.0.0.2", "8.8.4.4", &id[..4]] {
        assert!(table.contains(word), "{word}: {table}");
    }
    for nothing in [
        ["--internal", "10.9.0.0/16"],
        ["--external", "9.9.9.9"],
        ["--evidence", "data"],
        ["--severity", "critical"],
        ["--rule", "ntlm-relay"],
        ["--since", "2999-01-01T00:00:00Z"],
    ] {
        assert_eq!(listed(&state, &nothing), "no incidents\n", "{nothing:?}");
        assert!(stored(&state, &nothing).is_empty(), "{nothing:?}");
    }
    // A connection is summarised when it is over.
    let flows =
        poll(PATIENCE, || Some(stored(&state, &["--flows"])).filter(|flows| !flows.is_empty())).unwrap();
    assert_eq!(flows.len(), 1, "{flows:#?}");
    assert_eq!(text(&flows[0], "/source/ip"), "10.0.0.2");
    assert_eq!(text(&flows[0], "/smb_sensor/incident/id"), id);
    let ended = agent.stop().unwrap();
    let (flows, documents): (Vec<_>, Vec<_>) = ended.documents.into_iter().partition(is_flow);
    assert_eq!(stored(&state, &["--flows"]), flows);
    assert_eq!(stored(&state, &[]), documents, "every document, as it was written");
    assert_eq!(stored(&state, &[&id[..8]]), documents, "by the beginning of its identifier");
    let detail = listed(&state, &[&id]);
    for word in ["10.0.0.2", "8.8.4.4", "smb-to-internet"] {
        assert!(detail.contains(word), "{word}: {detail}");
    }
    for file in fs::read_dir(&state).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o177, 0, "{:?} is for others too: {mode:o}", file.path());
    }
}

#[test]
fn flows_are_neither_kept_nor_reported_when_disabled() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    let ended = agent.stop().unwrap();
    assert!(!ended.documents.iter().any(is_flow), "{:#?}", ended.documents);
    assert!(stored(state.path(), &["--flows"]).is_empty());
    let (code, told) = run(&["--flows", "--state-dir", state.path().to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(told.contains("flow_documents = true"), "it does not say why there are none: {told}");
}

#[test]
fn what_a_killed_agent_left_in_the_log_is_listed_where_nothing_can_be_written() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let (state, copy) = (scratch.path().join("state"), scratch.path().join("copy"));
    let agent = Agent::on(border.gateway(), "lan0").state_dir(&state).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    agent.kill().unwrap();
    // Two of its files, as a backup has them.
    fs::create_dir(&copy).unwrap();
    for name in ["smb-sensor.db", "smb-sensor.db-wal"] {
        assert!(fs::copy(state.join(name), copy.join(name)).unwrap() > 0, "{name}");
    }
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "--", "sh", "-c", script])
        .args([&copy, &Agent::program().unwrap()])
        .args(["alerts", "--json", "--state-dir"])
        .arg(&copy)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed = documents_of(String::from_utf8(output.stdout).unwrap().lines()).unwrap();
    assert!(!listed.is_empty());
    assert_eq!(listed, stored(&state, &[]));
}

#[test]
fn idle_connections_and_a_flood_do_not_delay_a_listing() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = Agent::on(border.gateway(), "lan0").state_dir(&state).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    let _idle: Vec<_> = (0..20).map(|_| UnixStream::connect(state.join("control.sock")).unwrap()).collect();
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200_000_u32 {
                if enough.load(Ordering::Relaxed) {
                    return;
                }
                let from = SocketAddrV4::new(address::CLIENT_V4, 1_024 + (number % 60_000) as u16);
                // A queue that is full takes the next one.
                let _ = socket.send(&syn_frame(macs, from, SocketAddrV4::new(address::SERVER_V4, 445)));
            }
        });
        let listing = (0..3).map(|_| listed(&state, &["--evidence", "smb"])).collect::<Vec<_>>();
        enough.store(true, Ordering::Relaxed);
        assert!(listing.iter().all(|table| table.contains("8.8.4.4")), "{listing:?}");
    });
}

#[test]
fn damaged_database_is_moved_aside_and_an_empty_one_is_started() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    for (content, is_damage) in [("", false), ("not a database, whatever it was before", true)] {
        let state = scratch_dir().unwrap();
        fs::write(state.path().join("smb-sensor.db"), content.repeat(100)).unwrap();
        let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
        converse(&border).unwrap();
        agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
        let ended = agent.stop().unwrap();
        assert_eq!(ended.log.contains("a new one begins"), is_damage, "{}", ended.log);
        let aside = state.path().join("smb-sensor.db.damaged-0");
        let kept = fs::read_to_string(aside).ok();
        assert_eq!(kept, is_damage.then(|| content.repeat(100)));
        assert_eq!(stored(state.path(), &[]), ended.documents);
    }
}

#[test]
fn reports_mistakes_with_advice() {
    let missing = run(&["--state-dir", "/nonexistent"]);
    assert_eq!(missing.0, Some(1));
    assert!(missing.1.contains("no agent has run with this --state-dir yet"), "{missing:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("smb-sensor.db"), "not a database, whatever it was before".repeat(100)).unwrap();
    let damaged = run(&["--state-dir", path.to_str().unwrap()]);
    assert_eq!(damaged.0, Some(1));
    assert!(damaged.1.contains("smb-sensor.db") && damaged.1.contains("not a database"), "{damaged:?}");
    let other = tempfile::tempdir().unwrap();
    let empty = other.path().join("smb-sensor.db");
    fs::write(&empty, "").unwrap();
    let told = run(&["--state-dir", other.path().to_str().unwrap()]);
    assert_eq!(told.0, Some(1));
    assert!(told.1.contains("smb-sensor.db is empty: no agent has written to it yet"), "{told:?}");
    for (argument, example) in
        [("--since=noon", "24h"), ("--internal=ten", "192.0.2.0/24"), ("--evidence=much", "session")]
    {
        let wrong = run(&[argument]);
        assert_eq!(wrong.0, Some(2));
        assert!(wrong.1.contains(example), "{wrong:?}");
    }
}

#[test]
fn names_an_unknown_identifier() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap().stop().unwrap();
    let unknown = run(&["--state-dir", state.path().to_str().unwrap(), "abcd"]);
    assert_eq!(unknown.0, Some(1));
    assert!(unknown.1.contains("there is no incident abcd"), "{unknown:?}");
}
