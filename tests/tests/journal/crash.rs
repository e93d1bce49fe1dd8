//! Killed at any moment, over and over.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sensor_lab::{Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, number, text};
use sensor_user::{
    journal::{Bounds, Journal, Query, query, read},
    output::{Output, Sink as _},
};
use serde_json::{Value, json};

use super::{converse, journalled};

/// Names the state directory to the child process that writes until it is killed.
const CHILD: &str = "SMB_SENSOR_TEST_JOURNAL";

/// Documents that the child writes at most, so that it ends in any case.
const MOST: u64 = 200_000;

/// What tells a document from all others.
fn identity(document: &Value) -> (String, u64) {
    (text(document, "/event/id").to_owned(), number(document, "/event/sequence"))
}

/// The identities of all, of which no two are the same.
fn identities(documents: &[Value]) -> BTreeSet<(String, u64)> {
    let set: BTreeSet<_> = documents.iter().map(identity).collect();
    assert_eq!(set.len(), documents.len(), "a document is there twice");
    set
}

/// Not a test of its own: the process that [`nothing_that_was_told_is_lost_by_a_process_that_is_killed`] kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let journal = Journal::open(&directory, Bounds::default(), false).unwrap();
    let mut output = Output::to(std::io::stderr(), journal);
    let run = std::process::id();
    for number in 0..MOST {
        let document = |n| json!({ "event": { "kind": "alert", "id": format!("{run}/{number}"), "sequence": n }, "fill": "x".repeat(700) });
        output.push(vec![document(0), document(1)]);
        // As fast as the output takes them, so that what was told is never far behind.
        output.settle(Duration::from_secs(30));
    }
}

/// Lets the child write, kills it after `lines` documents were told, and adds those.
fn run_and_kill(directory: &Path, lines: usize, told: &mut Vec<Value>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    for _ in 0..lines {
        output.read_line(&mut text).unwrap();
    }
    child.kill().unwrap();
    // What it had told before it was gone counts too.
    while output.read_line(&mut text).unwrap_or(0) > 0 {}
    child.wait().unwrap();
    let complete = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    told.extend(
        complete.map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"))),
    );
}

#[test]
fn nothing_that_was_told_is_lost_by_a_process_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let mut seed = 7_u64;
    for _ in 0..25 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        run_and_kill(directory.path(), (seed >> 33) as usize % 400 + 1, &mut told);
    }
    let mut kept = Vec::new();
    let every = Query { every: true, ..Query::default() };
    query::run(&read(directory.path()).unwrap(), &every, |text| {
        kept.push(serde_json::from_str::<Value>(&text).unwrap());
        true
    })
    .unwrap();
    let kept = identities(&kept);
    let told: BTreeSet<_> = told.iter().map(identity).collect();
    assert!(told.len() > 100, "{} documents told", told.len());
    let lost: Vec<_> = told.difference(&kept).collect();
    assert!(lost.is_empty(), "{} of {} lost, the first {:?}", lost.len(), told.len(), lost[0]);
}

#[test]
fn every_alert_of_an_agent_that_is_killed_over_and_over_is_in_the_journal_and_in_the_file() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let (state, file) = (scratch.path().join("state"), scratch.path().join("alerts.json"));
    let agent = || {
        let output = ["--output", file.to_str().unwrap()];
        Agent::on(border.gateway(), "lan0").state_dir(&state).arguments(&output).start().unwrap()
    };
    // Whole lines: the last may be torn, and comes again then.
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    for round in 0..4 {
        let agent = agent();
        let before = lines().len();
        for _ in 0..=round {
            converse(&border).unwrap();
        }
        poll(PATIENCE, || (lines().len() > before + round).then_some(())).unwrap();
        let told = identities_of_file(&lines());
        agent.kill().unwrap();
        let kept = identities(&journalled(&state, &[]));
        assert!(told.is_subset(&kept), "round {round}: {:?}", told.difference(&kept));
    }
    agent().stop().unwrap();
    let (kept, told) = (identities(&journalled(&state, &[])), identities_of_file(&lines()));
    assert!(kept.len() >= 10, "{kept:?}");
    assert_eq!(kept, told);
}

/// A file may have a document twice after a crash.
fn identities_of_file(documents: &[Value]) -> BTreeSet<(String, u64)> {
    documents.iter().map(identity).collect()
}
