//! Destinations that fail, block and come back.

use std::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use serde_json::json;

use super::*;
use crate::journal::Bounds;

const PATIENCE: Duration = Duration::from_secs(30);

/// Takes `room` bytes, three at a time, and then fails.
#[derive(Clone)]
struct Narrow(Arc<Mutex<(Vec<u8>, usize)>>);

impl Narrow {
    fn with_room(room: usize) -> Self {
        Self(Arc::new(Mutex::new((vec![], room))))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
    }
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        let count = bytes.len().min(3).min(state.1);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.1 -= count;
        state.0.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Blocks until it is let go.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not in time");
        thread::yield_now();
    }
}

fn journal(directory: &Path) -> Journal {
    Journal::open(directory, Bounds::default(), false).unwrap()
}

#[test]
fn a_full_destination_delays_lines_and_tears_none() {
    let directory = tempfile::tempdir().unwrap();
    let narrow = Narrow::with_room(13);
    let mut output = Output::to(narrow.clone(), journal(directory.path()));
    output.push(vec![json!({"a": 1}), json!({"b": 2}), json!({"c": 3})]);
    until(|| narrow.0.lock().unwrap().1 == 0);
    assert_eq!((output.written(), output.numbers().waiting), (1, 2));
    narrow.0.lock().unwrap().1 = 1_000;
    output.settle(PATIENCE);
    assert_eq!((output.written(), output.numbers().waiting, output.numbers().dropped), (3, 0, 0));
    assert_eq!(narrow.text(), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
}

#[test]
fn what_a_dead_destination_did_not_take_the_next_run_writes() {
    let directory = tempfile::tempdir().unwrap();
    let narrow = Narrow::with_room(8);
    let mut output = Output::to(narrow.clone(), journal(directory.path()));
    output.push(vec![json!({"a": 1}), json!({"b": 2})]);
    until(|| output.written() == 1);
    drop(output);
    let next = Narrow::with_room(1_000);
    let mut output = Output::to(next.clone(), journal(directory.path()));
    output.push(vec![json!({"c": 3})]);
    output.settle(PATIENCE);
    assert_eq!(next.text(), "{\"b\":2}\n{\"c\":3}\n", "from where it was, in order, and nothing twice");
}

#[test]
fn a_destination_that_blocks_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let (release, stuck) = mpsc::channel();
    let mut output = Output::to(Stuck(stuck), journal(directory.path()));
    output.push(vec![json!(1), json!(2)]);
    output.settle(Duration::from_millis(20));
    assert_eq!(output.numbers().waiting, 2, "and this line is reached");
    drop(release);
    output.settle(PATIENCE);
    assert_eq!(output.written(), 2);
}

#[test]
fn flows_go_to_an_output_that_takes_them_in_the_order_of_all() {
    let directory = tempfile::tempdir().unwrap();
    let (flow, alert) = (json!({"type": "flow"}), json!({"event": {"kind": "alert"}}));
    for (flows, lines) in [(false, 1), (true, 3)] {
        let path = directory.path().join(if flows { "all" } else { "alerts" });
        let all = Journal::open(&path, Bounds::default(), flows).unwrap();
        let wide = Narrow::with_room(1_000);
        let mut output = Output::to(wide.clone(), all);
        output.push(vec![flow.clone(), alert.clone(), flow.clone()]);
        output.settle(PATIENCE);
        assert_eq!(wide.text().lines().count(), lines);
        assert!(wide.text().lines().nth(lines / 2).unwrap().contains("alert"));
    }
}

#[test]
fn a_line_that_a_crash_tore_is_ended_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts.json");
    let mut output = Output::open(Some(&path), journal(directory.path())).unwrap();
    output.push(vec![json!({"a": 1})]);
    output.settle(PATIENCE);
    drop(output);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
    fs::write(&path, "{\"a\":1}\n{\"b\"").unwrap();
    let mut output = Output::open(Some(&path), journal(directory.path())).unwrap();
    output.push(vec![json!({"b": 2})]);
    output.settle(PATIENCE);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\"\n{\"b\":2}\n");
}

#[test]
fn a_named_pipe_that_nobody_reads_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Output::open(Some(&path), journal(directory.path())).is_err());
}
