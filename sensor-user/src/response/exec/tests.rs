//! Runs real programs: their input, and the result of each run.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sensor_core::level::Severity;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::runtime::Supervisor;

/// Longest time that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder into which every user may write, with a program.
struct Script {
    folder: TempDir,
    program: PathBuf,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        chmod(&program, 0o755);
        chmod(folder.path(), 0o1777);
        Self { folder, program }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> ExecOptions {
        ExecOptions {
            program: self.program.clone(),
            arguments: vec![self.folder.path().display().to_string()],
            user: None,
            min_severity: Severity::High,
            timeout: Duration::from_secs(10),
            per_minute: 100,
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Somebody else than root, where the tests run as root.
fn identity() -> Identity {
    Identity::of(nix::unistd::getuid().is_root().then_some("nobody")).unwrap()
}

fn job(incident: &str) -> Job {
    Job { incident: incident.to_owned(), document: format!("{{\"id\":\"{incident}\"}}") }
}

fn next(runs: &mut mpsc::Receiver<ExecRun>) -> ExecRun {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, runs.recv()).await }).unwrap().unwrap()
}

/// The only run for one incident.
fn run_of(options: ExecOptions) -> ExecRun {
    let supervisor = Supervisor::default();
    let (queue, _stop, mut runs) = start(options, identity(), &supervisor).unwrap();
    queue.offer(job("7f3a"));
    next(&mut runs)
}

#[test]
fn program_is_given_the_document_and_nothing_else() {
    // A descriptor that a program would inherit.
    let (inherited, _other) = nix::unistd::pipe().unwrap();
    let script = Script::new(
        "cat >$1/input; env >$1/env; pwd >$1/pwd; id -u >$1/uid; ls /proc/self/fd >$1/fds; grep Cap /proc/self/status \
         >$1/caps; grep NoNewPrivs /proc/self/status >$1/privs",
    );
    let run = run_of(script.options());
    assert_eq!((run.result.clone(), run.incident.as_str()), (ExecResult::Exited(0), "7f3a"), "{run:?}");
    let read = |name| fs::read_to_string(script.file(name)).unwrap();
    assert_eq!(read("input"), "{\"id\":\"7f3a\"}\n");
    // The shell adds the last one and, by its own rules, two more.
    let env = read("env");
    let own = ["PWD=", "OLDPWD=", "_=", "SHLVL="];
    let given: Vec<_> = env.lines().filter(|line| !own.iter().any(|name| line.starts_with(name))).collect();
    assert_eq!(given, ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    assert_eq!(read("pwd"), "/\n");
    // Those of ls: its standard ones, and the folder that it lists.
    assert_eq!(read("fds"), "0\n1\n2\n3\n");
    for line in read("caps").lines().filter(|line| !line.starts_with("CapBnd")) {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    assert!(read("privs").ends_with("1\n"));
    assert_ne!(read("uid"), "0\n");
    drop(inherited);
}

#[test]
fn exit_code_and_the_end_of_standard_error_are_kept() {
    let script = Script::new("head -c 5000 /dev/zero | tr '\\0' x >&2; echo no such host >&2; exit 3");
    let run = run_of(script.options());
    assert_eq!(run.result, ExecResult::Exited(3));
    assert!(run.stderr.ends_with(b"xxno such host\n") && run.stderr.len() == 1_024, "{run:?}");
}

#[test]
fn hanging_program_is_killed_with_what_it_started() {
    let script = Script::new("sleep 77 & echo $! >$1/child; echo waiting >&2; sleep 77");
    let began = Instant::now();
    let run = run_of(ExecOptions { timeout: Duration::from_millis(700), ..script.options() });
    assert_eq!((run.result, run.stderr), (ExecResult::TimedOut, b"waiting\n".to_vec()));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let child = fs::read_to_string(script.file("child")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "it was killed: {stat}");
}

#[test]
fn program_that_reads_nothing_and_leaves_somebody_behind_is_over() {
    let script = Script::new("setsid sleep 30 & exit 0");
    let supervisor = Supervisor::default();
    let (queue, _stop, mut runs) = start(script.options(), identity(), &supervisor).unwrap();
    // More than a pipe takes.
    queue.offer(Job { incident: "7f3a".into(), document: "x".repeat(1 << 20) });
    let run = next(&mut runs);
    assert_eq!(run.result, ExecResult::Exited(0));
    assert!(run.took < Duration::from_secs(5), "{run:?}");
}

#[test]
fn program_that_went_or_may_be_changed_by_anybody_is_not_started() {
    let script = Script::new("touch $1/ran");
    let supervisor = Supervisor::default();
    let (queue, _stop, mut runs) = start(script.options(), identity(), &supervisor).unwrap();
    chmod(&script.program, 0o757);
    queue.offer(job("1"));
    let ExecResult::NotStarted(reason) = next(&mut runs).result else { panic!("it was run") };
    assert!(reason.contains("everybody may write"), "{reason}");
    fs::remove_file(&script.program).unwrap();
    queue.offer(job("2"));
    let ExecResult::NotStarted(reason) = next(&mut runs).result else { panic!("it was run") };
    assert!(reason.contains("No such file"), "{reason}");
    assert!(!script.file("ran").exists());
}

#[test]
fn flood_is_bounded_in_rate_and_number_and_what_is_left_out_is_counted() {
    let script = Script::new("echo run >>$1/runs");
    let supervisor = Supervisor::default();
    let options = ExecOptions { per_minute: 3, ..script.options() };
    let (queue, stop, mut runs) = start(options, identity(), &supervisor).unwrap();
    for number in 0..500 {
        queue.offer(job(&number.to_string()));
    }
    let numbers: Vec<_> = (0..3).map(|_| next(&mut runs).number).collect();
    assert_eq!(numbers.len(), 3);
    // 64 wait, and a few were taken from there.
    let left_out = queue.left_out();
    assert!((430..=436).contains(&left_out), "{left_out}");
    drop(stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let rest = runtime.block_on(async { tokio::time::timeout(PATIENCE, runs.recv()).await }).unwrap();
    assert_eq!(rest, None, "the next one waits for the minute, and is given up at the end");
    assert_eq!(fs::read_to_string(script.file("runs")).unwrap().lines().count(), 3);
}

#[test]
fn no_more_than_four_run_at_a_time() {
    // Each notes how many there are when it begins, and goes on until the others began.
    let script = Script::new(
        "one=$(mktemp $1/one.XXXXXX); ls $1/one.* | wc -l >>$1/seen; while [ ! -e $1/go ]; do sleep 0.05; done; rm $one",
    );
    let (queue, _stop, mut runs) = start(script.options(), identity(), &Supervisor::default()).unwrap();
    (0..8).for_each(|number| queue.offer(job(&number.to_string())));
    let seen = || -> Vec<usize> {
        let text = fs::read_to_string(script.file("seen")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    };
    let deadline = Instant::now() + PATIENCE;
    while seen().len() < 4 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    fs::write(script.file("go"), "").unwrap();
    (0..8).for_each(|_| assert_eq!(next(&mut runs).result, ExecResult::Exited(0)));
    assert_eq!((seen().len(), seen().into_iter().max()), (8, Some(4)));
}

#[test]
fn severity_decides_for_which_incidents_it_is_run() {
    let script = Script::new("true");
    let (queue, _stop, _runs) = start(script.options(), identity(), &Supervisor::default()).unwrap();
    assert_eq!(Severity::ALL.map(|severity| queue.wants(severity)), [false, false, true, true]);
}
