//! The output of a replay on standard output: documents as JSON lines, or a line for each incident when it ends.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

use sensor_core::{
    StateChanges,
    event::Event,
    incident::{IncidentAction, IncidentEvent, message},
    rules::sentence::counted,
    time::Timestamp,
};
use sensor_dissect::escape::shown;

use super::progress::Progress;
use crate::{
    ecs,
    output::document,
    pipeline::{Batch, Output, Saving},
    rfc3339::rfc3339,
    state,
    statistics::OutputCounts,
    storage::{Handle, RowBatch},
};

/// Time for the store to accept a batch.
const STORE_PATIENCE: Duration = Duration::from_secs(30);

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Every document, as the running agent writes it.
    Json,
    /// A line for each incident.
    Lines,
}

/// Writes at once: nothing waits, and nothing is dropped.
pub struct ReplayOutput {
    form: Form,
    destination: Box<dyn Write>,
    sensor: ecs::Sensor,
    /// Whether to flush after each line.
    unbuffered: bool,
    progress: Progress,
    failure: Failure,
    counts: OutputCounts,
    /// Store of known terms, if any.
    terms: Option<Handle>,
}

/// Why the destination accepts nothing more.
#[derive(Clone, Default)]
pub struct Failure(Rc<RefCell<Option<io::Error>>>);

impl Failure {
    /// Takes the error, if any.
    #[must_use]
    pub fn take(&self) -> Option<io::Error> {
        self.0.borrow_mut().take()
    }

    /// Whether there is an error.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl ReplayOutput {
    /// Writes to `destination`; with `unbuffered`, flushes after each line.
    #[must_use]
    pub fn new(
        form: Form,
        destination: impl Write + 'static,
        sensor: ecs::Sensor,
        unbuffered: bool,
        progress: Progress,
    ) -> Self {
        let destination = Box::new(io::BufWriter::with_capacity(64 << 10, destination));
        Self {
            form,
            destination,
            sensor,
            unbuffered,
            progress,
            failure: Failure::default(),
            counts: OutputCounts::default(),
            terms: None,
        }
    }

    /// Keeps known terms in a store.
    #[must_use]
    pub fn keeping_terms_in(self, store: Option<Handle>) -> Self {
        Self { terms: store, ..self }
    }

    /// Passes new terms to the store. A replay can wait for it.
    fn keep(&self, changes: StateChanges) {
        let Some(store) = &self.terms else { return };
        if changes.terms.rows.is_empty() && changes.terms.forgotten.is_empty() {
            return;
        }
        let mut rows = RowBatch::default();
        state::add_changes(&StateChanges { incidents: vec![], ..changes }, &mut rows);
        while let Err(refused) = store.submit(rows) {
            if !store.flush(STORE_PATIENCE) {
                // Its thread ended or cannot write, and reports why when it is joined.
                return;
            }
            rows = refused;
        }
    }

    /// A handle to the later failure.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure.clone()
    }

    fn line(&self, event: &Event) -> Option<String> {
        match self.form {
            Form::Json => document(event, &self.sensor).map(|document| document.body),
            Form::Lines => line(event),
        }
    }

    fn write(&mut self, line: &str) {
        let (destination, unbuffered) = (&mut self.destination, self.unbuffered);
        let result = self.progress.beside(|| {
            writeln!(destination, "{line}")?;
            if unbuffered { destination.flush() } else { Ok(()) }
        });
        self.counts.written += u64::from(result.is_ok());
        self.note(result);
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.0.borrow_mut().get_or_insert(error);
        }
    }
}

impl Output for ReplayOutput {
    fn take(&mut self, batch: Batch, _: Timestamp) {
        self.keep(batch.changes);
        // One after the other: the documents of a busy moment are larger than its events.
        for event in &batch.events {
            if self.failure.is_there() {
                return;
            }
            let Some(line) = self.line(event) else { continue };
            self.counts.documents += 1;
            self.write(&line);
        }
    }

    fn settle(&mut self, _patience: Duration) {
        let result = self.destination.flush();
        self.note(result);
    }

    fn saving(&mut self) -> Saving {
        Box::new(|_| {})
    }

    /// A replay has one interface.
    fn interface(&mut self, _index: u32, _name: &str) {}

    fn keeps_state(&self) -> bool {
        false
    }

    fn counts(&self) -> OutputCounts {
        self.counts
    }
}

/// The line of an incident at its end: start, severity, message. A summary of incidents that were only counted
/// has one too.
fn line(event: &Event) -> Option<String> {
    match event {
        Event::Incident(event) if event.action == IncidentAction::Closed => Some(incident_line(event)),
        Event::Quota(summary) if summary.is_final => Some(format!(
            "{}  {:<8}  {} of rule {} only counted",
            rfc3339(summary.since),
            "counted",
            counted(summary.held_back, "incident"),
            summary.rule.id
        )),
        _ => None,
    }
}

fn incident_line(event: &IncidentEvent) -> String {
    let incident = &event.incident;
    let sentence = message::sentence(incident);
    format!("{}  {:<8}  {}", rfc3339(incident.first), incident.severity, shown(sentence.as_bytes()))
}
