//! `smb-sensor alerts` with and without a running agent.

use std::{
    fs,
    net::SocketAddrV4,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sensor_lab::{RawSocket, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, syn_frame, tells, text};
use sensor_user::journal::Kind;

use super::{converse, journalled, listed};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(Agent::program().unwrap()).arg("alerts").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_journal_is_read_while_the_agent_runs_and_afterwards() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = Agent::on(border.gateway(), "lan0").state_dir(&state).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for(tells("smb-to-internet", "smb")).unwrap();
    let smb = ["--rule", "smb-to-internet", "--source", "10.0.0.0/24", "--evidence", "smb", "--since", "1h"];
    let lines = poll(PATIENCE, || {
        let table = listed(&state, &smb);
        table.contains("10.0.0.2").then_some(table)
    });
    let table = lines.unwrap();
    assert_eq!(table.lines().count(), 2, "a header and one alert: {table}");
    for word in ["smb-to-internet", "8.8.4.4:445", "high"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    for nothing in [["--source", "10.9.0.0/16"], ["--evidence", "data"], ["--since", "2999-01-01T00:00:00Z"]]
    {
        assert!(listed(&state, &nothing).starts_with("no alerts"), "{nothing:?}");
    }
    let ended = agent.stop().unwrap();
    assert_eq!(journalled(&state, &[]), ended.documents, "every document, as it was written");
    assert!(listed(&state, &smb).contains("closed"));
    let flows = journalled(&state, &["--flows"]);
    assert!(!flows.is_empty() && flows.iter().all(|flow| Kind::of(flow) == Kind::Flow));
    assert!(
        ended.documents.iter().all(|document| Kind::of(document) == Kind::Alert),
        "flows are not asked for"
    );
    assert_eq!(text(&flows[0], "/source/ip"), "10.0.0.2");
    for file in fs::read_dir(&state).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o177, 0, "{:?} is for others too: {mode:o}", file.path());
    }
}

#[test]
fn flows_go_to_the_output_where_they_are_wanted() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n").start().unwrap();
    converse(&border).unwrap();
    let ended = agent.stop().unwrap();
    let flows = ended.documents.iter().filter(|document| Kind::of(document) == Kind::Flow);
    assert_eq!(flows.count(), 1, "{:#?}", ended.documents);
}

#[test]
fn idle_connections_and_a_flood_of_packets_do_not_hold_up_a_listing() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = Agent::on(border.gateway(), "lan0").state_dir(&state).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for(tells("smb-to-internet", "smb")).unwrap();
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
        assert!(listing.iter().any(|table| table.contains("smb-to-internet")), "{listing:?}");
    });
}

#[test]
fn stores_that_something_emptied_are_told_and_begun_anew() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    for name in ["journal.redb", "smb-sensor.redb"] {
        fs::write(state.path().join(name), "").unwrap();
    }
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    for name in ["journal.redb", "smb-sensor.redb"] {
        agent.wait_for_log(&format!("{name} is empty (0 bytes)")).unwrap();
    }
    agent.stop().unwrap();
    assert_eq!(run(&["--state-dir", state.path().to_str().unwrap()]).0, Some(0));
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let missing = run(&["--state-dir", "/nonexistent"]);
    assert_eq!(missing.0, Some(1));
    assert!(missing.1.contains("no journal at /nonexistent/journal.redb"), "{missing:?}");
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = folder.path();
    fs::write(path.join("journal.redb"), "not a journal").unwrap();
    let damaged = run(&["--state-dir", path.to_str().unwrap()]);
    assert!(damaged.1.contains("damaged") && damaged.1.contains("mv "), "{damaged:?}");
    for (argument, example) in
        [("--since=noon", "24h"), ("--source=ten", "192.0.2.0/24"), ("--evidence=much", "session")]
    {
        let wrong = run(&[argument]);
        assert_eq!(wrong.0, Some(2));
        assert!(wrong.1.contains(example), "{wrong:?}");
    }
}
