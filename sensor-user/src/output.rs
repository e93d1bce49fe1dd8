//! The output of the agent: stores events as documents, together with the state that they come from. Sinks read the documents
//! from the store.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sensor_core::{event::Event, time::Timestamp};
use tracing::{error, warn};

use crate::{
    config::Config,
    ecs,
    pipeline::{Batch, Output, Saving},
    response::{
        Entry,
        exec::{ExecQueue, ExecRun, Job},
    },
    runtime::signs,
    sinks::{OutputStatus, Sinks},
    state,
    statistics::OutputCounts,
    storage::{DocumentKind, FLOW_DOCUMENTS, Handle, NewDocument, RowBatch},
    verdicts::Recorder,
};

/// Bytes of documents that wait in memory at most while the store does not accept any.
const MAX_WAITING: usize = 64 << 20;

/// Renders events and passes them to the store. Never waits.
pub struct StoreOutput {
    store: Handle,
    sensor: ecs::Sensor,
    sinks: Sinks,
    waiting: VecDeque<RowBatch>,
    waiting_documents: usize,
    waiting_bytes: usize,
    documents: u64,
    /// Documents of verdicts, which other threads make.
    verdicts: Arc<AtomicU64>,
    dropped: u64,
    exec: Option<ExecQueue>,
}

impl StoreOutput {
    /// An output into a store, from which these sinks read.
    #[must_use]
    pub fn new(store: Handle, sensor: ecs::Sensor, sinks: Sinks) -> Self {
        Self {
            store,
            sensor,
            sinks,
            waiting: VecDeque::new(),
            waiting_documents: 0,
            waiting_bytes: 0,
            documents: 0,
            verdicts: Arc::default(),
            dropped: 0,
            exec: None,
        }
    }

    /// Has a program run for incidents.
    #[must_use]
    pub fn with_exec(self, exec: Option<ExecQueue>) -> Self {
        Self { exec, ..self }
    }

    /// The documents of events. Those that open an incident or say that it is worse go to the program, too.
    fn documents(&self, events: &[Event]) -> Vec<NewDocument> {
        let made = |event| {
            let document = document(event, &self.sensor)?;
            if let (Event::Incident(event), Some(exec)) = (event, &self.exec)
                && event.action.is_alert()
                && exec.wants(event.incident.severity)
            {
                let incident = event.incident.id.to_string();
                exec.offer(Job { incident, document: document.body.clone() });
            }
            Some(document)
        };
        events.iter().filter_map(made).collect()
    }

    /// Records verdicts in the same store, from other threads; `state_dir` is where it is.
    #[must_use]
    pub fn recorder(&self, state_dir: &Path) -> Recorder {
        let made = Arc::clone(&self.verdicts);
        Recorder::new(self.store.clone(), self.sensor.clone(), state_dir.to_owned(), made)
    }

    /// Puts rows behind those that wait.
    fn hold(&mut self, rows: RowBatch) {
        self.documents += rows.documents.len() as u64;
        self.waiting_documents += rows.documents.len();
        self.waiting_bytes += bytes(&rows);
        match self.waiting.back_mut() {
            // While the store accepts nothing, only documents must be kept one by one.
            Some(last) if rows.documents.is_empty() => last.merge(rows),
            _ => self.waiting.push_back(rows),
        }
    }

    /// Passes on waiting batches, in order.
    fn submit(&mut self) {
        while let Some(batch) = self.waiting.pop_front() {
            let (documents, bytes) = (batch.documents.len(), bytes(&batch));
            match self.store.submit(batch) {
                Ok(()) => {
                    self.waiting_documents -= documents;
                    self.waiting_bytes -= bytes;
                }
                Err(batch) => {
                    self.waiting.push_front(batch);
                    break;
                }
            }
        }
        while self.waiting_bytes > MAX_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.drop_documents(oldest);
        }
    }

    /// Drops the documents of the oldest batch. Its state, which is small, is stored with the next batch.
    fn drop_documents(&mut self, mut oldest: RowBatch) {
        if self.dropped == 0 {
            error!(
                "the store takes nothing, and more than {} MiB of documents wait: the oldest are lost",
                MAX_WAITING >> 20
            );
        }
        self.waiting_documents -= oldest.documents.len();
        self.waiting_bytes -= bytes(&oldest);
        self.dropped += oldest.documents.len() as u64;
        oldest.documents.clear();
        oldest.flows.clear();
        oldest.quotas.clear();
        if let Some(next) = self.waiting.pop_front() {
            oldest.merge(next);
        }
        self.waiting.push_front(oldest);
    }
}

fn bytes(rows: &RowBatch) -> usize {
    let documents = rows.documents.iter().map(|one| one.body.len() + one.brief.len());
    documents.chain(rows.flows.iter().map(|(_, state)| state.len())).sum()
}

/// The documents of events, as rows.
#[must_use]
pub fn documents(events: &[Event], sensor: &ecs::Sensor) -> Vec<NewDocument> {
    events.iter().filter_map(|event| document(event, sensor)).collect()
}

/// The document of an event, if it has one.
#[must_use]
pub fn document(event: &Event, sensor: &ecs::Sensor) -> Option<NewDocument> {
    let (document, kind, incident, severity, at) = match event {
        Event::Incident(event) => {
            let incident = &event.incident;
            let id = Some(incident.id.to_string());
            (ecs::incident(event, sensor), DocumentKind::Incident, id, Some(incident.severity), event.at)
        }
        Event::Quota(summary) => (
            ecs::quota(summary, sensor),
            DocumentKind::Incident,
            None,
            Some(summary.rule.severity),
            summary.at,
        ),
        Event::Campaign(summary) => {
            (ecs::campaign(summary, sensor), DocumentKind::Incident, None, Some(summary.severity), summary.at)
        }
        Event::Flow(flow) => {
            let incident = flow.incident.map(|id| id.to_string());
            (ecs::flow(flow, sensor), DocumentKind::Flow, incident, None, flow.view().last)
        }
        Event::Joined { .. } | Event::Left { .. } | Event::Term(_) => return None,
    };
    Some(NewDocument {
        id: document.id().to_owned(),
        kind,
        incident,
        severity,
        at: at.unix_nanos(),
        brief: document.brief().to_bytes(),
        body: document.line(),
    })
}

fn response(entry: &Entry, sensor: &ecs::Sensor) -> NewDocument {
    done(ecs::response(entry, sensor), entry.at)
}

fn exec_run(at: Timestamp, run: &ExecRun, sensor: &ecs::Sensor) -> NewDocument {
    done(ecs::exec_run(at, run, sensor), at)
}

/// The row of something that was done.
fn done(document: ecs::Document, at: Timestamp) -> NewDocument {
    NewDocument {
        id: document.id().to_owned(),
        kind: DocumentKind::Incident,
        incident: None,
        severity: Some(ecs::RESPONSE_SEVERITY),
        at: at.unix_nanos(),
        brief: document.brief().to_bytes(),
        body: document.line(),
    }
}

impl Output for StoreOutput {
    fn take(&mut self, batch: Batch, _: Timestamp) {
        let mut rows = RowBatch { documents: self.documents(&batch.events), ..RowBatch::default() };
        state::add_summaries(&batch.events, &mut rows);
        state::add_changes(&batch.changes, &mut rows);
        if let Some(connections) = &batch.connections {
            state::add_connections(connections, &mut rows);
        }
        state::add_changed_connections(&batch.changed_connections, &mut rows);
        rows.ring = batch.ring;
        if let Some(hits) = &batch.hits {
            state::add_hits(hits, &mut rows);
        }
        if let Some(blocks) = &batch.blocks {
            state::add_blocks(blocks, &mut rows);
        }
        rows.documents.extend(batch.responses.iter().map(|entry| response(entry, &self.sensor)));
        rows.documents.extend(batch.runs.iter().map(|(at, run)| exec_run(*at, run, &self.sensor)));
        if !rows.documents.is_empty() {
            rows.made = Some(Instant::now());
        }
        if !rows.is_empty() {
            self.hold(rows);
        }
        self.submit();
    }

    fn settle(&mut self, patience: Duration) {
        self.submit();
        if !self.store.flush(patience) {
            warn!("the store did not accept everything within {} s", patience.as_secs());
        }
        // Each of the two waits has an end.
        signs::alive();
        self.sinks.settle(self.store.committed().sequence(), patience);
    }

    fn saving(&mut self) -> Saving {
        self.submit();
        let store = self.store.clone();
        Box::new(move |patience| {
            let _ = store.flush(patience);
        })
    }

    fn reopen(&self) {
        self.sinks.reopen();
    }

    fn change(&mut self, config: &Config) -> Vec<String> {
        let changed = self.sinks.change(&config.outputs);
        if !changed.is_empty() {
            let kept = vec![u8::from(config.has_flow_summaries())];
            self.hold(RowBatch { meta: vec![(FLOW_DOCUMENTS, kept)], ..RowBatch::default() });
        }
        changed
    }

    fn interface(&mut self, index: u32, name: &str) {
        self.sensor.name_interface(index, name);
    }

    fn ring_committed(&self) -> u64 {
        self.store.committed().ring()
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn status(&self) -> Vec<OutputStatus> {
        self.sinks.status(self.store.committed().sequence())
    }

    fn counts(&self) -> OutputCounts {
        let store = self.store.committed().counts();
        OutputCounts {
            documents: self.documents + self.verdicts.load(Ordering::Relaxed),
            unsaved: self.waiting_documents as u64 + store.waiting_documents,
            dropped: self.dropped,
            refused: store.refused,
            lost: store.lost,
            expired: store.expired,
            expired_waiting: store.expired_waiting,
            written: self.sinks.written(),
            waiting: self.sinks.waiting(self.store.committed().sequence()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::level::Severity;

    use super::*;
    use crate::{
        runtime::Supervisor,
        shared_terms,
        sinks::Surroundings,
        storage::{Bounds, IncidentRow, Opened, Writer},
    };

    #[test]
    fn what_waits_is_bounded_by_bytes_and_the_state_of_lost_documents_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let Opened { writer, handle, .. } = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
        // Nobody takes anything.
        while handle.submit(RowBatch::default()).is_ok() {}
        let sensor = ecs::Sensor::new(&[], true);
        let sinks = Sinks::new(Surroundings {
            state_dir: directory.path().to_owned(),
            flows: false,
            store: handle.clone(),
            health: Arc::default(),
            changed: Arc::default(),
            terms: shared_terms::channel(Duration::ZERO).1,
            spawner: Supervisor::default().spawner(),
        });
        let mut output = StoreOutput::new(handle, sensor, sinks.unwrap());
        let rows = |number: usize| RowBatch {
            documents: vec![NewDocument {
                id: number.to_string(),
                kind: DocumentKind::Incident,
                incident: None,
                severity: Some(Severity::Low),
                at: 0,
                body: "x".repeat(1 << 20),
                brief: Vec::new(),
            }],
            incidents: vec![IncidentRow {
                id: number.to_string(),
                severity: Severity::Low,
                last: 0,
                open: true,
                state: vec![],
            }],
            ..RowBatch::default()
        };
        for number in 0..100 {
            output.hold(rows(number));
            output.submit();
        }
        let counts = output.counts();
        assert_eq!((counts.documents, counts.dropped), (100, 36));
        let incidents: usize = output.waiting.iter().map(|batch| batch.incidents.len()).sum();
        assert_eq!((output.waiting.len(), incidents), (64, 100));
        assert_eq!(output.waiting[0].documents[0].id, "36", "the oldest are lost");
        drop(writer);
    }
}
