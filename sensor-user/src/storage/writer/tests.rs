//! Writes, reads at the same time, failures, and the state that a killed process leaves.

mod bounds;
mod briefs;
mod damage;
mod refused;
mod unknown_numbers;
mod verdicts;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread::JoinHandle,
};

use sensor_core::level::Severity;

use super::*;
use crate::storage::{
    DocumentKind, DocumentQuery, IdentifierQuery, IncidentOrder, IncidentQuery, IncidentRow, NewDocument,
    Reader, RingPlace, Subscriber,
};
use crate::wall_clock;

fn document(number: u64) -> NewDocument {
    NewDocument {
        id: format!("document-{number}"),
        kind: if number.is_multiple_of(2) { DocumentKind::Flow } else { DocumentKind::Incident },
        incident: Some(format!("incident-{}", number % 3)),
        severity: Some(Severity::High),
        at: wall_clock::now().unix_nanos(),
        body: format!("{{\"number\":{number}}}"),
        brief: vec![number as u8],
    }
}

fn documents(numbers: impl Iterator<Item = u64>) -> RowBatch {
    RowBatch { documents: numbers.map(document).collect(), ..RowBatch::default() }
}

struct Running {
    handle: Handle,
    thread: JoinHandle<Result<(), StorageError>>,
    rows: Rows,
}

impl Running {
    fn begin(directory: &Path, bounds: Bounds) -> Self {
        let Opened { writer, handle, rows } = Writer::open(directory, bounds, 0).unwrap();
        Self { handle, thread: thread::spawn(move || writer.run()), rows }
    }

    fn submit(&self, batch: RowBatch) {
        self.handle.submit(batch).unwrap();
        assert!(self.handle.flush(Duration::from_secs(10)), "not committed in time");
    }

    fn end(self) {
        drop(self.handle);
        self.thread.join().unwrap().unwrap();
    }
}

fn bodies(directory: &Path, query: &DocumentQuery) -> Vec<String> {
    let mut bodies = Vec::new();
    Reader::open(directory)
        .unwrap()
        .documents(query, |document| {
            bodies.push(document.body);
            true
        })
        .unwrap();
    bodies
}

#[test]
fn documents_are_readable_while_the_writer_runs_and_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(documents(1..=5));
    let all = DocumentQuery::default();
    assert_eq!(bodies(directory.path(), &all).len(), 5);
    let flows = DocumentQuery { kind: Some(DocumentKind::Flow), ..DocumentQuery::default() };
    assert_eq!(bodies(directory.path(), &flows), ["{\"number\":2}", "{\"number\":4}"]);
    let one = DocumentQuery { incident: Some("incident-1".into()), after: 1, ..DocumentQuery::default() };
    assert_eq!(bodies(directory.path(), &one), ["{\"number\":4}"]);
    store.submit(documents(3..=7));
    assert_eq!(bodies(directory.path(), &all).len(), 7, "the same document is kept once");
    store.end();
    assert_eq!(bodies(directory.path(), &DocumentQuery { limit: 2, ..all }).len(), 2);
}

#[test]
fn short_forms_of_flows_are_kept_once_and_the_last_ones_come_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    let batch = |numbers: std::ops::RangeInclusive<u64>| {
        let flows = numbers.clone().map(|number| (document(number).id, vec![number as u8])).collect();
        RowBatch { flows, ..documents(numbers) }
    };
    store.submit(batch(1..=3));
    store.submit(batch(3..=4));
    store.submit(RowBatch { flows: vec![("unknown".into(), vec![9])], ..RowBatch::default() });
    let latest = |limit| Reader::open(directory.path()).unwrap().latest_flows(limit).unwrap();
    assert_eq!(latest(10), [vec![4], vec![3], vec![2], vec![1]]);
    assert_eq!(latest(1), [vec![4]]);
    store.end();
}

#[test]
fn state_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let incident = |id: &str, open| IncidentRow {
        id: id.into(),
        severity: Severity::Critical,
        last: wall_clock::now().unix_nanos(),
        open,
        state: vec![1, 2],
    };
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch {
        incidents: vec![incident("aa01", true), incident("aa02", false)],
        connections: Some(vec![(vec![1], vec![2])]),
        terms: vec![("rule".into(), "8.8.4.4".into(), 5)],
        hits: Some([("x".to_owned(), vec![3])].into()),
        cursors: vec![("output".into(), 7)],
        meta: vec![("clock", vec![4])],
        ..RowBatch::default()
    });
    store.submit(RowBatch {
        connections: Some(vec![(vec![9], vec![9])]),
        terms: vec![("rule".into(), "8.8.4.4".into(), 9)],
        ..RowBatch::default()
    });
    assert_eq!(store.handle.committed().ring(), 0);
    let ring = RingPlace { program: 7, position: u64::MAX, accounted: -1 };
    store.submit(RowBatch {
        changed_connections: vec![(vec![9], None), (vec![3], Some(vec![4])), (vec![5], Some(vec![6]))],
        ring: Some(ring),
        ..RowBatch::default()
    });
    assert_eq!(store.handle.committed().ring(), u64::MAX);
    store.end();
    let store = Running::begin(directory.path(), Bounds::default());
    assert_eq!(store.rows.incidents.len(), 2);
    assert_eq!(store.rows.connections, [vec![4], vec![6]]);
    assert_eq!(store.rows.ring(), Some(ring));
    assert_eq!(store.rows.terms, [("rule".to_owned(), "8.8.4.4".to_owned(), 9)]);
    assert_eq!((store.rows.hits["x"].as_slice(), store.rows.meta["clock"].as_slice()), (&[3][..], &[4][..]));
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.cursor("output").unwrap(), Some(7));
    assert_eq!(reader.incident("aa01").unwrap().map(|row| row.open), Some(true));
    assert!(
        matches!(reader.incident("aa"), Err(StorageError::Ambiguous { candidates, .. }) if candidates.len() == 2)
    );
    assert_eq!(reader.incident("bb").unwrap(), None);
    let open = IncidentQuery { open: true, ..IncidentQuery::default() };
    assert_eq!(reader.incidents(&open).unwrap().len(), 1);
    store.end();
}

#[test]
fn incidents_are_listed_the_worst_first_and_of_these_the_latest() {
    let directory = tempfile::tempdir().unwrap();
    let now = wall_clock::now().unix_nanos();
    let incident = |id: &str, severity, seconds_ago: i64| IncidentRow {
        id: id.into(),
        severity,
        last: now - seconds_ago * 1_000_000_000,
        open: true,
        state: vec![],
    };
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch {
        incidents: vec![
            incident("aa01", Severity::Medium, 10),
            incident("aa02", Severity::Critical, 30),
            incident("aa03", Severity::Critical, 20),
        ],
        ..RowBatch::default()
    });
    let reader = Reader::open(directory.path()).unwrap();
    let listed = reader.incidents(&IncidentQuery::default()).unwrap();
    assert_eq!(listed.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["aa03", "aa02", "aa01"]);
    let identifiers = |order| {
        let query = IdentifierQuery { order, ..IdentifierQuery::default() };
        reader.identifiers(&query).unwrap()
    };
    assert_eq!(identifiers(IncidentOrder::Severity), ["aa03", "aa02", "aa01"]);
    assert_eq!(identifiers(IncidentOrder::Time), ["aa01", "aa03", "aa02"]);
    store.end();
}

#[test]
fn refuses_a_second_agent_but_not_a_reader() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    let refused = Writer::open(directory.path(), Bounds::default(), 0).err().unwrap();
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    assert!(Reader::open(directory.path()).is_ok());
    store.end();
}

#[test]
fn sets_a_damaged_database_aside_and_starts_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(super::super::file(directory.path()), "this is no database, but a text of some length")
        .unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(documents(1..=1));
    store.end();
    assert_eq!(bodies(directory.path(), &DocumentQuery::default()).len(), 1);
    let aside = fs::read_dir(directory.path()).unwrap().filter_map(Result::ok);
    assert!(aside.into_iter().any(|file| file.file_name().to_string_lossy().contains("damaged")));
}

#[test]
fn refuses_a_newer_database_and_leaves_it_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    Running::begin(directory.path(), Bounds::default()).end();
    let path = crate::storage::file(directory.path());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let advice = "has schema 99, and this version reads 1: install the version that wrote it, or move the file away to begin \
                  a new one";
    for error in [
        Writer::open(directory.path(), Bounds::default(), 0).err().unwrap(),
        Reader::open(directory.path()).err().unwrap(),
    ] {
        assert!(matches!(error, StorageError::Newer { found: 99, .. }), "{error}");
        assert_eq!(error.to_string(), format!("{} {advice}", path.display()));
    }
    assert!(fs::read(&path).unwrap() == before, "its bytes have changed");
}

#[test]
fn names_an_unwritable_directory() {
    let error = Writer::open(Path::new("/proc/self/nothing"), Bounds::default(), 0).err().unwrap();
    assert!(error.to_string().contains("/proc/self/nothing"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(directory.path()), Err(StorageError::Missing { .. })));
}

#[test]
fn removes_and_counts_excess_documents_flows_first() {
    let directory = tempfile::tempdir().unwrap();
    let large = |number| NewDocument { body: "x".repeat(10_000), ..document(number) };
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(RowBatch { documents: (1..=200).map(large).collect(), ..RowBatch::default() });
    store.end();
    let Opened { writer, handle, rows } =
        Writer::open(directory.path(), Bounds { bytes: 1_500_000, days: 30 }, 0).unwrap();
    let sinks = [0, 150].map(|read| Arc::new(Subscriber::new(None, None, read)));
    sinks.iter().for_each(|sink| handle.committed().subscribe(Arc::clone(sink)));
    let store = Running { handle, thread: thread::spawn(move || writer.run()), rows };
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.handle.committed().counts().expired == 0 && Instant::now() < deadline {
        thread::yield_now();
    }
    let counts = store.handle.committed().counts();
    assert_eq!(counts.expired, counts.expired_waiting, "one sink had read none");
    assert_eq!(sinks[0].lost(), counts.expired);
    assert!((1..counts.expired).contains(&sinks[1].lost()), "the other had read most of them");
    let left = |kind| {
        bodies(directory.path(), &DocumentQuery { kind: Some(kind), ..DocumentQuery::default() }).len()
    };
    assert_eq!((left(DocumentKind::Flow), left(DocumentKind::Incident)), (0, 100));
    store.end();
}

/// A store whose database somebody else has locked; it does not wait for the lock.
fn locked(directory: &Path) -> (Running, Connection) {
    let Opened { writer, handle, rows } = Writer::open(directory, Bounds::default(), 0).unwrap();
    writer.connection.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(crate::storage::file(directory)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (Running { handle, thread: thread::spawn(move || writer.run()), rows }, other)
}

#[test]
fn documents_wait_within_a_bound_while_the_database_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let (store, other) = locked(directory.path());
    assert!(store.handle.submit(documents(1..=1)).is_ok());
    let deadline = Instant::now() + Duration::from_secs(10);
    // One is that of retention, the second and the third are of this document.
    while store.handle.committed().counts().failures < 3 && Instant::now() < deadline {
        thread::yield_now();
    }
    let taken = (2..100_000).take_while(|number| store.handle.submit(documents(*number..=*number)).is_ok());
    let taken = 1 + taken.count() as u64;
    let counts = store.handle.committed().counts();
    let bound = (MAX_WAITING + MAX_GROUP) as u64;
    assert!(taken <= bound, "{taken} batches are held in memory");
    assert!(counts.waiting == taken && counts.refused == 1 && counts.failures >= 3, "{counts:?} of {taken}");
    other.execute_batch("COMMIT").unwrap();
    assert!(store.handle.flush(Duration::from_secs(10)), "{:?}", store.handle.committed().counts());
    let expected: Vec<String> = (1..=taken).map(|number| document(number).body).collect();
    assert_eq!(bodies(directory.path(), &DocumentQuery::default()), expected);
    store.end();
}

#[test]
fn writer_that_cannot_commit_ends_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _other) = locked(directory.path());
    store.handle.submit(documents(1..=1)).unwrap();
    let committed = store.handle.committed().clone();
    drop(store.handle);
    let error = store.thread.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert_eq!((committed.counts().waiting, committed.sequence()), (1, 0));

    let Opened { writer, handle, .. } = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    handle.submit(documents(1..=1)).unwrap();
    drop(writer);
    let began = Instant::now();
    assert!(!handle.flush(Duration::from_secs(60)));
    assert!(began.elapsed() < Duration::from_secs(30), "waited for a writer that is gone");
}

/// Names the directory in which a child process writes until it is killed.
const CHILD: &str = "SMB_SENSOR_TEST_STORE";

/// The child of the next test: submits documents, and prints the number of each once it is committed.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let store = Running::begin(Path::new(&directory), Bounds::default());
    let first = store.handle.committed().sequence() + 1;
    for number in first..first + 100_000 {
        store.submit(documents(number..=number));
        println!("committed {number}");
    }
}

#[test]
fn two_hundred_kills_lose_nothing_committed() {
    let directory = tempfile::tempdir().unwrap();
    let mut committed = 0;
    for round in 0..200 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storage::writer::tests::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = lines.filter_map(|line| line.unwrap().strip_prefix("committed ")?.parse::<u64>().ok());
        committed = numbers.take(3 + round % 7).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let found = bodies(directory.path(), &DocumentQuery::default());
    assert!(found.len() as u64 >= committed, "{} of {committed}", found.len());
    for (number, body) in (1..).zip(&found) {
        assert_eq!(*body, format!("{{\"number\":{number}}}"), "each once, in its order");
    }
}
