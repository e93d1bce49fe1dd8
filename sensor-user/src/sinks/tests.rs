use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sensor_core::level::Severity;
use tempfile::TempDir;

use super::*;
use crate::{
    health::HealthBoard,
    runtime::Supervisor,
    shared_terms,
    storage::{
        Bounds, DocumentKind, Handle, NewDocument, OUTPUT_CURSOR, Opened, RowBatch, StorageError, Writer,
    },
};

/// An incident's document.
pub(super) fn fixture(sequence: u64, body: &str) -> DocumentRow {
    let id = format!("a-{sequence}");
    DocumentRow {
        sequence,
        id,
        kind: DocumentKind::Incident,
        severity: Some(Severity::High),
        at: 0,
        body: body.to_owned(),
        brief: Vec::new(),
    }
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
pub(super) struct Stage {
    pub(super) folder: TempDir,
    sink: Scripted,
}

/// A run of the agent, as far as outputs are concerned.
pub(super) struct Run {
    handle: Handle,
    writer: JoinHandle<Result<(), StorageError>>,
    sinks: Sinks,
    _supervisor: Supervisor,
}

/// No sinks yet.
fn none(state_dir: &Path, store: &Handle, supervisor: &Supervisor) -> Sinks {
    let around = Surroundings {
        state_dir: state_dir.to_owned(),
        flows: false,
        store: store.clone(),
        health: Arc::new(HealthBoard::default()),
        changed: Arc::default(),
        terms: shared_terms::channel(Duration::ZERO).1,
        spawner: supervisor.spawner(),
    };
    Sinks::new(around).unwrap()
}

impl Stage {
    pub(super) fn new(script: impl IntoIterator<Item = Delivery>) -> Self {
        let sink =
            Scripted { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Scripted::default() };
        Self { folder: tempfile::tempdir().unwrap(), sink }
    }

    fn run(&self, output: &OutputOptions) -> Run {
        self.run_into(output, Box::new(self.sink.clone()))
    }

    /// Runs with another sink.
    pub(super) fn run_into(&self, output: &OutputOptions, sink: Box<dyn Sink>) -> Run {
        let Opened { writer, handle, .. } = Writer::open(self.folder.path(), Bounds::default(), 0).unwrap();
        let supervisor = Supervisor::default();
        let mut sinks = none(self.folder.path(), &handle, &supervisor);
        sinks.start(output, sink).unwrap();
        Run { handle, writer: thread::spawn(move || writer.run()), sinks, _supervisor: supervisor }
    }

    fn taken(&self) -> Vec<String> {
        self.sink.taken.lock().unwrap().clone()
    }
}

impl Run {
    pub(super) fn submit(&self, documents: impl IntoIterator<Item = (u64, DocumentKind, Option<Severity>)>) {
        let document = |(number, kind, severity): (u64, _, _)| NewDocument {
            id: number.to_string(),
            kind,
            incident: None,
            severity,
            at: i64::MAX,
            body: format!("{{\"n\":{number}}}"),
            brief: Vec::new(),
        };
        let documents = documents.into_iter().map(document).collect();
        self.handle.submit(RowBatch { documents, ..RowBatch::default() }).unwrap();
        assert!(self.handle.flush(PATIENCE));
    }

    pub(super) fn settle(&self) -> OutputStatus {
        let place = self.handle.committed().sequence();
        self.sinks.settle(place, PATIENCE);
        self.sinks.status(place).remove(0)
    }

    pub(super) fn end(self) {
        let Self { handle, writer, sinks, .. } = self;
        drop(sinks);
        drop(handle);
        writer.join().unwrap().unwrap();
    }
}

pub(super) fn output(name: &str) -> OutputOptions {
    OutputOptions { name: name.to_owned(), ..OutputOptions::single(None) }
}

pub(super) fn incidents(
    numbers: std::ops::RangeInclusive<u64>,
) -> impl Iterator<Item = (u64, DocumentKind, Option<Severity>)> {
    numbers.map(|number| (number, DocumentKind::Incident, Some(Severity::High)))
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
    run.submit([
        (1, incident, Some(Severity::Low)),
        (2, incident, Some(Severity::High)),
        (3, flow, None),
        (4, incident, Some(Severity::Critical)),
        (5, incident, Some(Severity::Medium)),
    ]);
    assert_eq!((run.settle().waiting, stage.taken()), (0, ["2", "3", "4"].map(str::to_owned).to_vec()));
    run.end();
    let flows = OutputOptions { take: Some(Take::Flows), ..output("severe") };
    let run = stage.run(&flows);
    run.submit([(6, incident, Some(Severity::Critical)), (7, flow, None)]);
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

#[test]
fn destination_that_was_dead_for_an_hour_or_a_day_gets_everything_afterwards() {
    for (seconds, least_attempts) in [(3_600, 100), (86_400, 2_000)] {
        let (mut backoff, mut dead) = (backoff::Backoff::up_to(LONGEST_PAUSE), Duration::ZERO);
        let mut attempts = 0;
        while dead < Duration::from_secs(seconds) {
            dead += backoff.pause(None);
            attempts += 1;
        }
        assert!(attempts > least_attempts, "{seconds} s: {attempts}");
        let failing = Delivery { failure: Some(Failure::of("gone")), ..Delivery::default() };
        let stage = Stage::new(std::iter::repeat_n(failing, attempts));
        let run = stage.run(&output("siem"));
        // An incident a second.
        for minute in 0..seconds / 60 {
            run.submit(incidents(minute * 60 + 1..=minute * 60 + 60));
        }
        let status = run.settle();
        assert_eq!((status.written, status.waiting, status.lost), (seconds, 0, 0));
        assert_eq!(status.errors, attempts as u64, "{seconds} s");
        let all: Vec<_> = (1..=seconds).map(|number| number.to_string()).collect();
        assert!(stage.taken() == all, "{seconds} s: in order");
        run.end();
    }
}

/// An output to a file of this folder.
fn to_file(name: &str, folder: &Path, file: &str) -> OutputOptions {
    let destination = Destination::File(FileOptions::at(folder.join(file)));
    OutputOptions { destination, ..output(name) }
}

#[test]
fn changed_outputs_go_on_where_those_of_their_names_were() {
    let stage = Stage::new([]);
    let folder = stage.folder.path();
    let Opened { writer, handle, .. } = Writer::open(folder, Bounds::default(), 0).unwrap();
    let supervisor = Supervisor::default();
    let sinks = none(folder, &handle, &supervisor);
    let mut run = Run { handle, writer: thread::spawn(move || writer.run()), sinks, _supervisor: supervisor };
    let place = |run: &Run| run.handle.committed().sequence();
    let lines = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let numbers = |of: &[u64]| of.iter().map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>();

    let [first, second] = [to_file("first", folder, "a"), to_file("second", folder, "b")];
    run.sinks.start_all(std::slice::from_ref(&first)).unwrap();
    run.submit(incidents(1..=2));
    run.sinks.settle(place(&run), PATIENCE);
    // One is added: it begins with what comes from now on.
    assert_eq!(run.sinks.change(&[first.clone(), second.clone()]), ["second"]);
    run.submit(incidents(3..=3));
    run.sinks.settle(place(&run), PATIENCE);
    // One goes to another file, and the other is removed.
    assert_eq!(run.sinks.change(&[to_file("first", folder, "c")]), ["first", "second"]);
    run.submit(incidents(4..=5));
    run.sinks.settle(place(&run), PATIENCE);
    // The removed one is back, and gets what it missed.
    let both = [to_file("first", folder, "c"), second];
    assert_eq!(run.sinks.change(&both), ["second"]);
    run.submit(incidents(6..=6));
    run.sinks.settle(place(&run), PATIENCE);
    assert!(run.sinks.change(&both).is_empty());
    assert_eq!(lines("a"), numbers(&[1, 2, 3]));
    assert_eq!(lines("c"), numbers(&[4, 5, 6]));
    assert_eq!(lines("b"), numbers(&[3, 4, 5, 6]));
    assert_eq!(run.sinks.written(), 10);
    run.end();
}

#[test]
fn changed_output_that_cannot_start_is_tried_again() {
    let stage = Stage::new([]);
    let run = stage.run(&output("siem"));
    let folder = stage.folder.path().to_owned();
    let Run { handle, writer, mut sinks, _supervisor } = run;
    sinks.change(&[output("siem"), to_file("late", &folder, "not-there/a")]);
    let deadline = Instant::now() + PATIENCE;
    while sinks.status(0).iter().all(|one| one.errors == 0) && Instant::now() < deadline {
        thread::yield_now();
    }
    fs::create_dir(folder.join("not-there")).unwrap();
    let run = Run { handle, writer, sinks, _supervisor };
    run.submit(incidents(1..=1));
    run.sinks.reopen();
    run.sinks.settle(run.handle.committed().sequence(), PATIENCE);
    assert_eq!(fs::read_to_string(folder.join("not-there/a")).unwrap(), "{\"n\":1}\n");
    assert_eq!(stage.taken(), ["1"], "the other went on");
    run.end();
}

#[test]
fn output_whose_template_names_a_field_of_the_document_does_not_start() {
    let stage = Stage::new([]);
    let Opened { handle, .. } = Writer::open(stage.folder.path(), Bounds::default(), 0).unwrap();
    let template = stage.folder.path().join("body.j2");
    fs::write(&template, "\n{{ document.event.action }}").unwrap();
    let options = WebhookOptions {
        url: WebhookUrl::Plain("http://127.0.0.1:1/".to_owned()),
        template: Some(template.clone()),
        content_type: "application/json".to_owned(),
        headers: vec![],
        signature: None,
        tls: TlsOptions::default(),
        timeout: PATIENCE,
    };
    let cards = OutputOptions { destination: Destination::Webhook(options), ..output("cards") };
    let error = none(stage.folder.path(), &handle, &Supervisor::default()).start_all(&[cards]).unwrap_err();
    let expected = format!(
        "the output cards: {}, line 2: document.event.action is not a value of a template; write action",
        template.display()
    );
    assert_eq!(error.to_string(), expected);
}
