//! The flags, and the clock.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sensor_tests::{Agent, ByteOrder, Recording, documents_of, link, text};
use serde_json::Value;

use crate::{documents, file, recorded, replay, session, stderr};

#[test]
fn times_are_those_of_the_capture() {
    let session = session();
    let (first, last) =
        (session.frames[0].0 / 1_000_000, session.frames.last().unwrap().0 / 1_000_000 + 5_000);
    let (_folder, path) = file("capture", &session.pcap(ByteOrder::Little, false, link::ETHERNET));
    let documents = documents(&replay(&[&path]));
    for document in &documents {
        for pointer in ["/@timestamp", "/event/start", "/event/end"] {
            let time = time(text(document, pointer));
            assert!((first..=last).contains(&time), "{pointer} {time} not in {first}..{last}");
        }
    }
    assert_eq!(time(text(&documents[0], "/event/start")), first, "the first packet is the SYN");
}

/// Milliseconds since 1970.
fn time(text: &str) -> u64 {
    let parsed = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
    (parsed.unix_timestamp_nanos() / 1_000_000) as u64
}

#[test]
fn rewrite_makes_a_lab_capture_cross_the_border() {
    let session = session();
    let (_folder, crossing) = file("capture", &session.pcap(ByteOrder::Little, false, link::ETHERNET));
    let server = text(&documents(&replay(&[&crossing]))[0], "/destination/ip").to_owned();
    let inside = replay(&["--rewrite", &format!("{server}/32=10.77.0.1/32"), &crossing]);
    assert!(inside.status.success() && inside.stdout.is_empty(), "both ends are internal");
    let elsewhere = replay(&["--rewrite", &format!("{server}=9.9.9.9"), &crossing]);
    let written = documents(&elsewhere);
    assert!(!written.is_empty() && written.iter().all(|one| text(one, "/destination/ip") == "9.9.9.9"));
    let wrong = replay(&["--rewrite", "10.0.0.0/8=81.2.0.0/16", &crossing]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("lengths"), "{}", stderr(&wrong));
}

#[test]
fn speed_takes_its_time() {
    let mut session = session();
    session.frames.truncate(4);
    for (number, frame) in session.frames.iter_mut().enumerate() {
        frame.0 = 1_700_000_000_000_000_000 + number as u64 * 1_000_000_000;
    }
    let (_folder, path) = file("capture", &session.pcap(ByteOrder::Little, false, link::ETHERNET));
    let started = Instant::now();
    let output = replay(&["--speed", "10", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[test]
fn consecutive_files_are_one_recording() {
    let session = session();
    let middle = session.frames.len() / 2;
    let part = |frames: &[(u64, Vec<u8>)]| {
        Recording { frames: frames.to_vec() }.pcap(ByteOrder::Little, false, link::ETHERNET)
    };
    let (_one, first) = file("1.pcap", &part(&session.frames[..middle]));
    let (_two, second) = file("2.pcap", &part(&session.frames[middle..]));
    let (_all, whole) = file("all.pcap", &part(&session.frames));
    assert_eq!(documents(&replay(&[&first, &second])), documents(&replay(&[&whole])));
}

/// Times of the findings of rare destinations in a document.
fn rare_findings(document: &Value) -> Vec<String> {
    let findings = document.pointer("/smb_sensor/findings").and_then(Value::as_array);
    let rare = findings.into_iter().flatten().filter(|one| text(one, "/rule") == "rare-smb-destination");
    rare.map(|one| text(one, "/first").to_owned()).collect()
}

#[test]
fn destination_is_rare_once_within_the_window_of_the_capture() {
    let rare = |output: &std::process::Output| {
        let all = documents(output);
        // A finding is in every document of its incident; it counts once for each of its times.
        let made: std::collections::BTreeSet<_> = all.iter().flat_map(rare_findings).collect();
        made.len()
    };
    const DAY: u64 = 86_400;
    let form = |recording: Recording| recording.pcap(ByteOrder::Little, false, link::ETHERNET);
    let (_a, now) = file("now", &form(session()));
    let (_b, soon) = file("soon", &form(session().later(DAY)));
    let (_c, late) = file("late", &form(session().later(20 * DAY)));
    let once = rare(&replay(&[&now]));
    assert!(once > 0);
    assert_eq!(rare(&replay(&[&now, &soon])), once, "known a day later");
    assert_eq!(rare(&replay(&[&now, &soon, &late])), 2 * once, "rare again after the window");

    let state = tempfile::tempdir().unwrap();
    let kept = ["--state-dir", state.path().to_str().unwrap()];
    assert_eq!(rare(&replay(&[kept[0], kept[1], &now])), once);
    assert_eq!(rare(&replay(&[kept[0], kept[1], &soon])), 0, "known from the run before");
}

#[test]
fn closed_pipe_ends_the_replay_quietly() {
    let many: Vec<String> =
        std::iter::repeat_n(recorded("smb3_00.pcap").to_str().unwrap().to_owned(), 40).collect();
    let mut command = Command::new(Agent::program().unwrap());
    let mut child =
        command.arg("replay").args(many).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn interrupted_replay_reports_its_results() {
    let mut session = session();
    // The rest of it would come an hour later.
    let last = session.frames.len() - 1;
    session.frames[last].0 += 3_600_000_000_000;
    let (_folder, path) = file("capture", &session.pcap(ByteOrder::Little, false, link::ETHERNET));
    let mut command = Command::new(Agent::program().unwrap());
    command.args(["replay", "--speed", "1", "--json", &path]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert_eq!(child.try_wait().unwrap(), None, "it waits for its time");
    let process = Pid::from_raw(child.id() as i32);
    kill(process, Signal::SIGINT).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let documents = documents_of(rest.iter().chain([&first]).map(String::as_str)).unwrap();
    assert!(
        documents.iter().any(|one| text(one, "/smb_sensor/incident/status") == "closed"),
        "{documents:#?}"
    );
}

#[test]
fn interrupt_ends_a_replay_whose_pipe_is_quiet() {
    let mut session = session();
    // Time passes with the packets: the last one shows that the others are over.
    let last = session.frames.len() - 1;
    session.frames[last].0 += 3_600_000_000_000;
    let capture = session.pcap(ByteOrder::Little, false, link::ETHERNET);
    let mut command = Command::new(Agent::program().unwrap());
    command.args(["replay", "--json", "-"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The writer keeps its end, and writes nothing more.
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&capture).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(pipe);
    let documents = documents_of(rest.iter().chain([&first]).map(String::as_str)).unwrap();
    let is_closed = |one: &Value| text(one, "/smb_sensor/incident/status") == "closed";
    assert!(documents.iter().any(is_closed), "{documents:#?}");
}

#[test]
fn host_engine_needs_no_privileges() {
    let path = recorded("smb3_00.pcap");
    let program = Agent::program().unwrap();
    // Even if this test runs as root: capsh is not everywhere, setpriv is.
    let arguments = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"];
    let mut command = Command::new("setpriv");
    command.args(arguments).arg(program).arg("replay").arg(&path);
    let output = command.output().unwrap();
    assert_eq!(documents(&output), documents(&replay(&[path.to_str().unwrap()])), "{}", stderr(&output));
}
