//! Blocks: transfers are cut off by command and automatically, and everything passes again at the end.

use std::{
    fs::{self, Permissions},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use sensor_core::time::Timestamp;
use sensor_lab::{
    Answer, Namespace, Signal, Smbclient, Smbd, TcpListener, Topology, address, comes_within, patience, poll,
    require_lab, stays,
};
use sensor_tests::{Agent, PATIENCE, connect, echo, finds, number, text};
use sensor_user::{
    control::{Request, ask},
    enforcement,
    rfc3339::parse_rfc3339,
};
use serde_json::Value;
use time::OffsetDateTime;

/// Bytes that are to leave: at the speed of the link, ten seconds' worth.
const SENT: usize = 200 << 20;

/// Bytes that may leave before that is critical. The client writes 8 MiB at a time: some of the file has arrived by then.
const LIMIT: usize = 16 << 20;

/// Time after which the lease of blocks is over if nobody renews it, and a connection that then passes is established.
const LEASE_OVER: Duration = Duration::from_secs(enforcement::LEASE + 5);

/// Time after its incident in which a transfer is blocked: by the times of the documents, on every machine.
const BLOCKED_WITHIN: Duration = Duration::from_secs(2);

/// Time for what has passed before a block to be written by the server.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// Less than a lease.
const AT_ONCE: Duration = Duration::from_secs(enforcement::LEASE / 2);

/// Time in which two leases would be over.
const TWO_LEASES: Duration = Duration::from_secs(2 * enforcement::LEASE + 1);

/// Time without progress after which a transfer is over.
const STANDSTILL: Duration = Duration::from_secs(2);

#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn command(state_dir: &Path, request: &Request) -> String {
    let answer = ask(state_dir, request).unwrap();
    assert!(answer.done, "{answer:?}");
    answer.text
}

#[expect(clippy::unwrap_used, reason = "the targets are written here")]
fn block(target: &str, seconds: u64) -> Request {
    Request::Block { target: target.parse().unwrap(), seconds, reason: "a test".into(), who: None }
}

fn pair() -> String {
    format!("{},{}", address::CLIENT_V4, address::SERVER_V4)
}

fn action(action: &'static str) -> impl Fn(&Value) -> bool {
    move |document| text(document, "/event/action") == action
}

/// Limits the client's link to 20 MB in a second.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without a slow link")]
fn slow(client: &Namespace, interface: &str) {
    let limit = [
        "qdisc", "add", "dev", interface, "root", "tbf", "rate", "160mbit", "burst", "256k", "latency",
        "50ms",
    ];
    let status = client.command("tc").args(limit).status().unwrap();
    assert!(status.success(), "{status}");
}

fn now() -> Timestamp {
    Timestamp::from_unix_nanos(OffsetDateTime::now_utc().unix_timestamp_nanos() as i64)
}

/// The largest length of the file that arrives until it no longer grows, and since when it does not.
fn arrived(file: &Path) -> (u64, Timestamp) {
    let (mut length, mut grew, mut stood) = (0, Instant::now(), now());
    while grew.elapsed() < STANDSTILL {
        let is = fs::metadata(file).map_or(0, |file| file.len());
        if is > length {
            (length, grew, stood) = (is, Instant::now(), now());
        }
        thread::sleep(Duration::from_millis(10));
    }
    (length, stood)
}

/// Whether a connection comes about.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn is_let_through(from: &Namespace, to: SocketAddr) -> bool {
    from.run(|| TcpStream::connect_timeout(&to, Duration::from_millis(400))).unwrap().is_ok()
}

#[test]
fn critical_incident_cuts_the_transfer_off_and_a_dry_run_does_not() {
    require_lab!();
    for is_dry in [false, true] {
        let border = Topology::border().unwrap();
        // Without a user who logs on: no credential makes the incident critical, only what leaves does.
        let smbd = Smbd::builder().guest().start(border.server()).unwrap();
        fs::set_permissions(smbd.share_dir(), Permissions::from_mode(0o777)).unwrap();
        slow(border.client(), "eth0");
        let state = tempfile::tempdir().unwrap();
        let config = format!(
            "[detection]\ndata_leaving_bytes = {LIMIT}\ndata_leaving_rate = 1073741824\n\
             [response]\nauto_block = \"critical\"\ndry_run = {is_dry}\n"
        );
        let agent =
            Agent::on(border.gateway(), "lan0").config(&config).state_dir(state.path()).start().unwrap();
        let client = Smbclient::new(border.client(), address::SERVER_V4).anonymous();
        let client = client.time_limit(Duration::from_secs(180));
        let file = smbd.share_dir().join("all.bin");
        thread::scope(|scope| {
            let transfer = scope.spawn(|| client.put("all.bin", &vec![0x5A; SENT]));
            let critical = agent.wait_for(|document| number(document, "/event/severity") == 99).unwrap();
            let (length, stood) = arrived(&file);
            assert!(finds(&critical, "data-leaving-over-smb"), "{critical:#}");
            assert!(!finds(&critical, "ntlm-credential-to-internet"), "{critical:#}");
            assert!(length > 1 << 20, "{length} bytes arrived: nothing that was cut off");
            let started = agent.wait_for(action("block-started")).unwrap();
            assert_eq!(text(&started, "/smb_sensor/response/target"), pair());
            let at = |document: &Value, field| parse_rfc3339(text(document, field)).unwrap();
            let blocked = at(&started, "/@timestamp");
            let after = blocked.since(at(&critical, "/event/created"));
            assert!(after < BLOCKED_WITHIN, "blocked {after:?} after the incident");
            let list = command(state.path(), &Request::Blocks);
            if is_dry {
                assert_eq!(length, SENT as u64, "{list}");
                assert!(list.contains("would have been dropped (dry run)"), "{list}");
                assert!(transfer.join().unwrap().unwrap().success());
            } else {
                assert!(length < SENT as u64 / 2, "{length} bytes arrived");
                let after = stood.since(blocked);
                assert!(after < patience(WRITTEN_WITHIN), "it arrived until {after:?} after the block");
                assert!(!list.contains(": 0 packets"), "{list}");
                command(state.path(), &Request::Unblock { target: pair().parse().unwrap(), who: None });
                let ended = agent.wait_for(action("block-ended")).unwrap();
                assert!(number(&ended, "/smb_sensor/response/packets") > 0, "{ended:#}");
                assert_eq!(text(&ended, "/user/id"), nix::unistd::geteuid().to_string());
                let _ = transfer.join().unwrap();
            }
        });
        let ended = agent.stop().unwrap();
        let (would, dropped) =
            (ended.number("would_drop_block").unwrap(), ended.number("dropped_block").unwrap());
        assert!(would > 0 && (dropped > 0) != is_dry, "{}", ended.statistics);
    }
}

#[test]
fn block_survives_a_restart_and_ends_with_a_killed_agent() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let state = tempfile::tempdir().unwrap();
    let start = || Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let passes = || is_let_through(border.client(), outside.address());
    let agent = start();
    let mut established = connect(border.client(), outside.address()).unwrap();
    echo(&mut established, &[7; 500]).unwrap();
    let text = command(state.path(), &block(&pair(), 600));
    assert!(text.contains("blocked 10.") && text.contains("by root (uid 0), a test"), "{text}");
    established.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    assert!(echo(&mut established, &[7; 500]).is_err(), "an established connection is cut");
    assert!(!passes());
    agent.stop().unwrap();
    assert!(comes_within(AT_ONCE, passes), "without an agent everything passes, before its lease is over");

    let agent = start();
    assert!(!passes(), "the block is in force again");
    let list = command(state.path(), &Request::Blocks);
    let packets: u64 =
        list.split(" packets").next().and_then(|text| text.rsplit(' ').next()).unwrap().parse().unwrap();
    assert!(packets > 2, "those of the run before count too: {list}");
    agent.kill().unwrap();
    assert!(comes_within(LEASE_OVER, passes), "the lease is over");
    let agent = start();
    let list = command(state.path(), &Request::Blocks);
    assert!(list.contains(&pair()), "{list}");
    command(state.path(), &Request::Unblock { target: pair().parse().unwrap(), who: None });
    poll(PATIENCE, || passes().then_some(())).expect("nothing is blocked");
    agent.stop().unwrap();
}

#[test]
fn block_is_renewed_by_a_living_agent_and_ends_with_the_lease_of_a_frozen_one() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let passes = || is_let_through(border.client(), outside.address());
    command(state.path(), &block(&pair(), 600));
    assert!(stays(TWO_LEASES, || !passes()), "the agent renews the lease");
    agent.signal(Signal::SIGSTOP).unwrap();
    assert!(!passes(), "the lease is not over yet");
    assert!(comes_within(LEASE_OVER, passes), "nobody renews the lease");
    agent.signal(Signal::SIGCONT).unwrap();
    poll(PATIENCE, || (!passes()).then_some(())).expect("the block is in force again");
    agent.stop().unwrap();
}

#[test]
fn block_ends_by_itself_and_respects_the_list() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let state = tempfile::tempdir().unwrap();
    let config = "[response]\nnever_block = [\"9.9.9.9\"]\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).state_dir(state.path()).start().unwrap();
    let refused = ask(state.path(), &block("9.9.9.0/24", 60)).unwrap();
    assert!(!refused.done && refused.text.contains("never_block lists 9.9.9.9/32"), "{refused:?}");
    command(state.path(), &block(&address::SERVER_V4.to_string(), 2));
    let expired = agent.wait_for(action("block-expired")).unwrap();
    assert_eq!(text(&expired, "/smb_sensor/response/reason"), "a test");
    connect(border.client(), outside.address()).unwrap();
    agent.stop().unwrap();
}

#[test]
fn commands_block_list_and_unblock() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(Agent::program().unwrap());
        let output = command.args(arguments).arg("--state-dir").arg(state.path()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["block", "--list"]), (true, "nothing is blocked\n".into()));
    let (done, text) = run(&["block", "8.8.4.0/24", "--for", "1h", "--reason", "a test"]);
    assert!(done && text.starts_with("blocked 8.8.4.0/24 until "), "{text}");
    let (done, text) = run(&["unblock", "8.8.4.4"]);
    assert!(!done && text.contains("8.8.4.4 is not blocked"), "{text}");
    assert!(run(&["unblock", "8.8.4.0/24"]).0);
    let (done, text) = run(&["block", "10.0.0.2", "8.8.4.4", "--for", "1h", "--reason", "a test"]);
    assert!(done && text.starts_with("blocked 10.0.0.2,8.8.4.4 until "), "{text}");
    assert!(run(&["unblock", "10.0.0.2", "8.8.4.4"]).0);
    assert!(!run(&["block", "8.8.4.0/24", "10.0.0.0/24", "--for", "1h", "--reason", "a test"]).0);
    assert!(!run(&["block", "8.8.4.4", "--reason", "a test"]).0, "without a time");
    agent.stop().unwrap();
}
