//! The output of the agent: events go into the store as documents, together with the state they come from. Sinks read them there.

use std::{collections::VecDeque, time::Duration};

use sensor_core::{event::Event, time::Timestamp};
use tracing::{error, warn};

use crate::{
    ecs,
    pipeline::{Batch, Output},
    sinks::Sinks,
    state,
    statistics::OutputCounts,
    storage::{DocumentKind, Handle, NewDocument, RowBatch},
};

/// Most documents that wait in memory while the store does not accept any.
const MAX_WAITING: usize = 100_000;

/// Renders events and passes them to the store. Never waits.
pub struct StoreOutput {
    store: Handle,
    sensor: ecs::Sensor,
    sinks: Sinks,
    waiting: VecDeque<RowBatch>,
    waiting_documents: usize,
    documents: u64,
    dropped: u64,
}

impl StoreOutput {
    /// An output into a store, from which these sinks read.
    #[must_use]
    pub const fn new(store: Handle, sensor: ecs::Sensor, sinks: Sinks) -> Self {
        Self {
            store,
            sensor,
            sinks,
            waiting: VecDeque::new(),
            waiting_documents: 0,
            documents: 0,
            dropped: 0,
        }
    }

    /// Passes on waiting batches, in order.
    fn submit(&mut self) {
        while let Some(batch) = self.waiting.pop_front() {
            let documents = batch.documents.len();
            match self.store.submit(batch) {
                Ok(()) => self.waiting_documents -= documents,
                Err(batch) => {
                    self.waiting.push_front(batch);
                    break;
                }
            }
        }
        while self.waiting_documents > MAX_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            if self.dropped == 0 {
                error!(
                    "the store accepts nothing, and more than {MAX_WAITING} documents wait: the oldest are lost"
                );
            }
            self.waiting_documents -= oldest.documents.len();
            self.dropped += oldest.documents.len() as u64;
        }
    }
}

/// The documents of events, as rows.
#[must_use]
pub fn documents(events: &[Event], sensor: &ecs::Sensor) -> Vec<NewDocument> {
    events.iter().filter_map(|event| document(event, sensor)).collect()
}

fn document(event: &Event, sensor: &ecs::Sensor) -> Option<NewDocument> {
    let (document, kind, incident, severity, at) = match event {
        Event::Incident(event) => {
            let incident = &event.incident;
            let id = Some(incident.id.to_string());
            (ecs::incident(event, sensor), DocumentKind::Incident, id, incident.severity.number(), event.at)
        }
        Event::Quota(summary) => (
            ecs::quota(summary, sensor),
            DocumentKind::Incident,
            None,
            summary.rule.severity.number(),
            summary.at,
        ),
        Event::Flow(flow) => {
            let incident = flow.incident.map(|id| id.to_string());
            (ecs::flow(flow, sensor), DocumentKind::Flow, incident, 0, flow.view().last)
        }
        Event::Joined { .. } | Event::Left { .. } => return None,
    };
    Some(NewDocument {
        id: document.id().to_owned(),
        kind,
        incident,
        severity,
        at: at.unix_nanos(),
        body: document.line(),
    })
}

impl Output for StoreOutput {
    fn take(&mut self, batch: Batch, _: Timestamp) {
        let mut rows = RowBatch { documents: documents(&batch.events, &self.sensor), ..RowBatch::default() };
        state::add_changes(&batch.changes, &mut rows);
        if let Some(connections) = &batch.connections {
            state::add_connections(connections, &mut rows);
        }
        if let Some(hits) = &batch.hits {
            state::add_hits(hits, &mut rows);
        }
        if !rows.is_empty() {
            self.documents += rows.documents.len() as u64;
            self.waiting_documents += rows.documents.len();
            match self.waiting.back_mut() {
                // While the store accepts nothing, only documents must be kept one by one.
                Some(last) if rows.documents.is_empty() => last.merge(rows),
                _ => self.waiting.push_back(rows),
            }
        }
        self.submit();
    }

    fn settle(&mut self, patience: Duration) {
        self.submit();
        if !self.store.flush(patience) {
            warn!("the store did not accept everything within {} s", patience.as_secs());
        }
        self.sinks.settle(self.store.committed().sequence(), patience);
    }

    fn flush(&mut self, patience: Duration) {
        self.submit();
        let _ = self.store.flush(patience);
    }

    fn interface(&mut self, index: u32, name: &str) {
        self.sensor.name_interface(index, name);
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn counts(&self) -> OutputCounts {
        let store = self.store.committed().counts();
        OutputCounts {
            documents: self.documents,
            unsaved: self.waiting_documents as u64 + store.waiting_documents,
            dropped: self.dropped,
            refused: store.refused,
            expired: store.expired,
            expired_waiting: store.expired_waiting,
            written: self.sinks.written(),
            waiting: self.sinks.waiting(self.store.committed().sequence()),
        }
    }
}
