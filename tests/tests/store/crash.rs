//! Killed at any moment, again and again.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use sensor_core::level::Severity;
use sensor_lab::{Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, text};
use sensor_user::storage::{Bounds, DocumentKind, DocumentQuery, NewDocument, Reader, RowBatch, Writer};
use serde_json::Value;

use super::{SOON, Strangers, identifiers, stored};

/// Names the state directory to the child process that writes until it is killed.
const CHILD: &str = "SMB_SENSOR_TEST_STORE";

/// Most batches of the child, so that it ends in any case.
const MAX_BATCHES: u64 = 200_000;

/// Names the number of times that the whole agent is killed, where the default of a test run is not enough.
const KILLS: &str = "SMB_SENSOR_KILLS";

/// Times that the whole agent is killed by default.
const DEFAULT_KILLS: u64 = 4;

/// Documents of one batch: all of them are kept, or none.
const TOGETHER: u64 = 2;

/// Not a test of its own: the process that [`killed_process_loses_nothing_committed`] kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let opened = Writer::open(&directory, Bounds::default(), 0).unwrap();
    let (writer, handle) = (opened.writer, opened.handle);
    let writing = thread::spawn(move || writer.run());
    let run = std::process::id();
    for number in 0..MAX_BATCHES {
        let document = |part| NewDocument {
            id: format!("{run}/{number}/{part}"),
            kind: DocumentKind::Incident,
            incident: None,
            severity: Some(Severity::Low),
            at: i64::MAX,
            body: "x".repeat(700),
            brief: Vec::new(),
        };
        let batch = RowBatch { documents: (0..TOGETHER).map(document).collect(), ..RowBatch::default() };
        handle.submit(batch).unwrap();
        assert!(handle.flush(Duration::from_secs(30)));
        eprintln!("{run}/{number}");
    }
    drop(handle);
    writing.join().unwrap().unwrap();
}

/// Lets the child write and kills it after this many batches; returns the number that it reported as committed.
fn run_and_kill(directory: &Path, batches: usize) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    for _ in 0..batches {
        output.read_line(&mut text).unwrap();
    }
    child.kill().unwrap();
    // Its reports before it was gone count too.
    while output.read_line(&mut text).unwrap_or(0) > 0 {}
    child.wait().unwrap();
    let complete: Vec<_> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
    let start = format!("{}/", child.id());
    assert!(complete.iter().all(|line| line.starts_with(&start)), "{text}");
    complete.len() as u64
}

#[test]
fn killed_process_loses_nothing_committed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut reported, mut kept) = (0, 0);
    let mut seed = 7_u64;
    for round in 0..25 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        reported += run_and_kill(directory.path(), (seed >> 33) as usize % 60 + 1);
        let before = std::mem::take(&mut kept);
        let mut last = 0;
        let reader = Reader::open(directory.path()).unwrap();
        reader
            .documents(&DocumentQuery::default(), |document| {
                assert!(document.sequence > last, "places only rise");
                assert_eq!(document.body, "x".repeat(700));
                last = document.sequence;
                kept += 1;
                true
            })
            .unwrap();
        assert_eq!(kept % TOGETHER, 0, "round {round}: half of a batch is there");
        assert!(kept > before, "round {round}");
        // In each run, at most one batch was committed without a report.
        let batches = kept / TOGETHER;
        assert!(
            (reported..=reported + round + 1).contains(&batches),
            "round {round}: {reported} reported, {batches} kept"
        );
    }
    assert!(reported > 100, "{reported} batches reported");
}

#[test]
fn repeatedly_killed_agent_keeps_every_document_in_store_and_file() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let (state, file) = (scratch.path().join("state"), scratch.path().join("alerts.json"));
    let kills = env::var(KILLS).map_or(DEFAULT_KILLS, |number| number.parse().unwrap());
    // The quota must not hold back the last of many attempts.
    let config = format!("{SOON}incidents_per_window = {}\n", 4 * kills.max(100));
    let agent = || {
        let output = ["--output", file.to_str().unwrap()];
        Agent::on(border.gateway(), "lan0")
            .config(&config)
            .state_dir(&state)
            .arguments(&output)
            .start()
            .unwrap()
    };
    // Whole lines: the last may be torn, and is then written again.
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    // A file may have a document twice after a crash.
    let reported = || -> BTreeSet<String> {
        lines().iter().map(|document| text(document, "/event/id").to_owned()).collect()
    };
    let mut strangers = Strangers::on(&border);
    let mut sent = BTreeSet::new();
    let of = |documents: &[Value]| -> BTreeSet<String> {
        // A campaign is about several of them.
        let incidents = documents.iter().filter(|one| one.pointer("/smb_sensor/incident").is_some());
        incidents.map(|document| text(document, "/source/ip").to_owned()).collect()
    };
    for round in 0..kills {
        let agent = agent();
        for _ in 0..=round % 4 {
            sent.insert(strangers.send().to_string());
        }
        poll(PATIENCE, || (of(&lines()) == sent).then_some(()))
            .unwrap_or_else(|| panic!("round {round}: {:?} of {sent:?}\n{}", of(&lines()), agent.log()));
        agent.kill().unwrap();
        let (reported, kept) = (reported(), identifiers(&stored(&state, &[])));
        assert!(reported.is_subset(&kept), "round {round}: {:?}", reported.difference(&kept));
    }
    assert_eq!(agent().stop().unwrap().code, Some(0));
    let kept = stored(&state, &[]);
    assert_eq!(of(&kept), sent);
    assert_eq!(identifiers(&kept), reported());
    let opened = kept.iter().filter(|one| text(one, "/event/action") == "incident-opened");
    assert_eq!(opened.count(), sent.len(), "each is opened once");
}
