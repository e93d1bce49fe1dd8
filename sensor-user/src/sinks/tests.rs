use std::{
    collections::VecDeque,
    fs,
    sync::Mutex,
    time::{Duration, Instant},
};

use sensor_core::level::Severity;
use tempfile::TempDir;

use super::*;
use crate::storage::{Bounds, DocumentKind, NewDocument, Opened, RowBatch, StorageError, Writer};

/// An incident's document.
pub(super) fn fixture(sequence: u64, body: &str) -> DocumentRow {
    let id = format!("a-{sequence}");
    DocumentRow { sequence, id, kind: DocumentKind::Incident, severity: 73, at: 0, body: body.to_owned() }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers each call with the next of these deliveries, and then takes everything; keeps the identifiers of what it took.
#[derive(Clone, Default)]
struct Scripted {
    script: Arc<Mutex<VecDeque<Delivery>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Sink for Scripted {
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        let all = Delivery { settled: documents.len(), ..Delivery::default() };
        let delivery = self.script.lock().unwrap().pop_front().unwrap_or(all);
        let taken = documents[..delivery.settled].iter().enumerate();
        let is_refused = |index| delivery.refused.iter().any(|(refused, _)| *refused == index);
        let taken = taken.filter(|(index, _)| !is_refused(*index)).map(|(_, document)| document.id.clone());
        self.taken.lock().unwrap().extend(taken);
        delivery
    }

    fn longest_pause(&self) -> Duration {
        Duration::from_millis(1)
    }
}

/// A store with one output.
struct Stage {
    folder: TempDir,
    sink: Scripted,
}

/// A run of the agent, as far as outputs are concerned.
struct Run {
    handle: Handle,
    writer: JoinHandle<Result<(), StorageError>>,
    sinks: Sinks,
    _supervisor: Supervisor,
}

impl Stage {
    fn new(script: impl IntoIterator<Item = Delivery>) -> Self {
        let sink =
            Scripted { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Scripted::default() };
        Self { folder: tempfile::tempdir().unwrap(), sink }
    }

    fn run(&self, output: &OutputOptions) -> Run {
        let Opened { writer, handle, .. } = Writer::open(self.folder.path(), Bounds::default(), 0).unwrap();
        let supervisor = Supervisor::default();
        let mut sinks = Sinks::default();
        let of = (self.folder.path(), false);
        sinks.start(output, of, &handle, self.sink.clone(), &supervisor).unwrap();
        Run { handle, writer: thread::spawn(move || writer.run()), sinks, _supervisor: supervisor }
    }

    fn taken(&self) -> Vec<String> {
        self.sink.taken.lock().unwrap().clone()
    }
}

impl Run {
    fn submit(&self, documents: impl IntoIterator<Item = (u64, DocumentKind, u8)>) {
        let document = |(number, kind, severity): (u64, _, _)| NewDocument {
            id: number.to_string(),
            kind,
            incident: None,
            severity,
            at: i64::MAX,
            body: format!("{{\"n\":{number}}}"),
        };
        let documents = documents.into_iter().map(document).collect();
        self.handle.submit(RowBatch { documents, ..RowBatch::default() }).unwrap();
        assert!(self.handle.flush(PATIENCE));
    }

    fn settle(&self) -> OutputStatus {
        let place = self.handle.committed().sequence();
        self.sinks.settle(place, PATIENCE);
        self.sinks.status(place).remove(0)
    }

    fn end(self) {
        let Self { handle, writer, sinks, .. } = self;
        drop(sinks);
        drop(handle);
        writer.join().unwrap().unwrap();
    }
}

fn output(name: &str) -> OutputOptions {
    OutputOptions { name: name.to_owned(), ..OutputOptions::single(None) }
}

fn incidents(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = (u64, DocumentKind, u8)> {
    numbers.map(|number| (number, DocumentKind::Incident, 73))
}

#[test]
fn failed_documents_are_tried_again_in_order_and_refused_ones_set_aside() {
    let failing =
        |settled| Delivery { settled, failure: Some(Failure::of("503 \u{1b}[31m")), ..Delivery::default() };
    let refusing = Delivery { settled: 2, refused: vec![(0, "bad field".to_owned())], failure: None };
    let stage = Stage::new([failing(0), failing(1), refusing]);
    let run = stage.run(&output("siem"));
    run.submit(incidents(1..=5));
    let status = run.settle();
    assert_eq!(stage.taken(), ["1", "3", "4", "5"]);
    assert_eq!((status.written, status.refused, status.errors, status.waiting, status.lost), (4, 1, 2, 0, 0));
    assert!(status.last_success.is_some());
    let line = status.to_string();
    assert!(
        line.starts_with("output siem: written=4 waiting=0 errors=2 refused=1 lost=0 last_success="),
        "{line}"
    );
    assert!(line.contains("last_error=") && line.contains("503 ") && !line.contains('\u{1b}'), "{line}");
    let kept = fs::read_to_string(stage.folder.path().join("refused-siem.jsonl")).unwrap();
    assert!(kept.contains("\"reason\":\"bad field\",\"document\":{\"n\":2}}"), "{kept}");
    run.end();
}

#[test]
fn output_takes_only_what_it_is_for() {
    let stage = Stage::new([]);
    let severe = OutputOptions { min_severity: Severity::High, take: Some(Take::Both), ..output("severe") };
    let run = stage.run(&severe);
    let (incident, flow) = (DocumentKind::Incident, DocumentKind::Flow);
    run.submit([(1, incident, 21), (2, incident, 73), (3, flow, 0), (4, incident, 99), (5, incident, 47)]);
    assert_eq!((run.settle().waiting, stage.taken()), (0, ["2", "3", "4"].map(str::to_owned).to_vec()));
    run.end();
    let flows = OutputOptions { take: Some(Take::Flows), ..output("severe") };
    let run = stage.run(&flows);
    run.submit([(6, incident, 99), (7, flow, 0)]);
    run.settle();
    assert_eq!(stage.taken().last().unwrap(), "7");
    run.end();
}

#[test]
fn documents_wait_for_a_destination_over_a_restart() {
    let failing = Delivery { failure: Some(Failure::of("gone")), ..Delivery::default() };
    let stage = Stage::new(std::iter::repeat_n(failing, 1_000_000));
    let run = stage.run(&output("siem"));
    run.submit(incidents(1..=3));
    let deadline = Instant::now() + PATIENCE;
    while run.sinks.status(3)[0].errors < 3 && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!((run.sinks.status(3)[0].waiting, stage.taken().len()), (3, 0));
    run.end();
    stage.sink.script.lock().unwrap().clear();
    let run = stage.run(&output("siem"));
    run.submit(incidents(4..=4));
    run.settle();
    assert_eq!(stage.taken(), ["1", "2", "3", "4"]);
    run.end();
    // Another output begins with what comes from now on, and the only one of a version before with everything.
    for (name, begin, last) in [("new", 5, 5), (OUTPUT_CURSOR, 1, 6)] {
        stage.sink.taken.lock().unwrap().clear();
        let run = stage.run(&output(name));
        run.submit(incidents(last..=last));
        run.settle();
        let wanted: Vec<String> = (begin..=last).map(|number| number.to_string()).collect();
        assert_eq!(stage.taken(), wanted, "{name}");
        run.end();
    }
}
