//! The output of documents: a file that is appended to, and what happens when it accepts no more.

use std::{fs, net::Ipv4Addr, path::Path, time::Duration};

use anyhow::Result;
use sensor_lab::{Answer, Signal, Smbd, TcpListener, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, EvidenceLevel, PATIENCE, connect, documents_of, echo, reaches, smb_session};

/// One connection of the client with the server.
fn converse(border: &Topology) -> Result<()> {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo)?;
    let mut stream = connect(border.client(), server.address())?;
    echo(&mut stream, &[7; 100])
}

#[test]
fn output_file_is_appended_line_by_line() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let path = scratch.path().join("alerts.json");
    let mut before = Vec::new();
    for run in 1..=2 {
        let agent = Agent::on(border.gateway(), "lan0")
            .arguments(&["--output", path.to_str().unwrap()])
            .start()
            .unwrap();
        converse(&border).unwrap();
        let logged = |text: &str| {
            documents_of(text.lines())
                .is_ok_and(|all| all.iter().any(reaches("smb-to-internet", EvidenceLevel::Connected)))
        };
        poll(PATIENCE, || {
            // The last line may be half written at this moment.
            let text = fs::read_to_string(&path).unwrap_or_default();
            let text =
                &text[text.len().min(before.len())..=text.rfind('\n').filter(|at| *at >= before.len())?];
            logged(text).then_some(())
        })
        .unwrap_or_else(|| panic!("run {run}: no alert in the file: {}", agent.log()));
        let ended = agent.stop().unwrap();
        assert!(ended.documents.is_empty(), "nothing on standard output");
        let now = fs::read(&path).unwrap();
        assert!(now.starts_with(&before), "run {run} keeps what was there");
        let added = std::str::from_utf8(&now[before.len()..]).unwrap();
        assert!(added.ends_with('\n'));
        let documents = documents_of(added.lines()).unwrap();
        assert_eq!(ended.number("written").unwrap(), documents.len() as u64);
        before = now;
    }
}

#[test]
fn reports_a_full_output_once_and_counts_unwritten_documents() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--output", "/dev/full"]).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for_log("the output does not accept documents").unwrap();
    // It still watches: it sees a second connection.
    converse(&border).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let waiting = ended.number("waiting").unwrap();
    assert_eq!(ended.number("opened").unwrap(), 1, "two connections of one pair");
    assert!(waiting >= 2, "opened and updated: {}", ended.statistics);
    assert_eq!(ended.number("written").unwrap(), 0);
    let line = format!("smb-sensor: {waiting} documents could not be written; the output did not take them");
    assert!(ended.log.lines().any(|logged| logged.starts_with(&line)), "{}", ended.log);
    assert_eq!(ended.log.matches("the output does not accept documents").count(), 1, "{}", ended.log);
}

#[test]
fn renamed_output_file_is_left_for_a_new_one_with_and_without_hangup() {
    require_lab!();
    let [second_server, third_server] = [Ipv4Addr::new(8, 8, 4, 5), Ipv4Addr::new(8, 8, 4, 6)];
    let topology = Topology::builder().server_address(second_server).server_address(third_server);
    let border = topology.build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let scratch = scratch_dir().unwrap();
    let path = scratch.path().join("alerts.json");
    let mut agent =
        Agent::on(border.gateway(), "lan0").arguments(&["--output", path.to_str().unwrap()]).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    await_lines(&path, &agent);
    let first = scratch.path().join("alerts.json.1");
    fs::rename(&path, &first).unwrap();
    let written = fs::read(&first).unwrap();

    agent.signal(Signal::SIGHUP).unwrap();
    poll(PATIENCE, || path.exists().then_some(())).expect("the file is there at once");
    agent.wait_for_log("reloaded:").unwrap();
    smb_session(border.client(), second_server).unwrap();
    await_lines(&path, &agent);

    let second = scratch.path().join("alerts.json.2");
    fs::rename(&path, &second).unwrap();
    smb_session(border.client(), third_server).unwrap();
    await_lines(&path, &agent);
    let ended = agent.stop().unwrap();
    assert_eq!(fs::read(&first).unwrap(), written, "nothing more in the file that was put aside");
    let lines = [&first, &second, &path].map(|file| {
        let text = fs::read_to_string(file).unwrap();
        documents_of(text.lines()).unwrap().len() as u64
    });
    assert_eq!(lines.iter().sum::<u64>(), ended.number("written").unwrap(), "{lines:?}");
}

/// Time without a document after which a session has no more: each comes two seconds after the one before at the latest.
const QUIET: Duration = Duration::from_secs(5);

/// Waits until the file has whole lines, and all of the session that is over.
fn await_lines(path: &Path, agent: &Agent) {
    let is_quiet = || {
        let written = fs::metadata(path).and_then(|file| file.modified()).ok()?;
        let is_whole = fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'));
        (is_whole && written.elapsed().is_ok_and(|since| since >= QUIET)).then_some(())
    };
    poll(PATIENCE, is_quiet).unwrap_or_else(|| panic!("{} has no line: {}", path.display(), agent.log()));
}
