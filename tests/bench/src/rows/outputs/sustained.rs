//! Documents at a steady pace, faster than the target: how many of them the slowest output delivers meanwhile.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use sensor_core::level::Severity;
use sensor_user::{
    sinks::{OutputOptions, Sinks},
    storage::{DocumentKind, Handle, NewDocument, RowBatch},
};

use super::{GROUP, PATIENCE, Writing, store};
use crate::{
    effort::Effort,
    row::{Row, Target, Unit},
    samples::{REPETITIONS, Samples},
};

/// The subject of the row.
pub(super) const WHAT: &str = "file + NATS + webhook, documents delivered by the slowest";

/// Documents that are handed over in a second. A pace of exactly the target could only miss it: some are always under way.
const PACE: u64 = 1_100;

/// Documents a second that the outputs are to deliver.
const WANTED: f64 = 1_000.0;

/// Bytes of a document: what one of an incident has.
const BYTES: usize = 4_096;

/// Documents between two looks at how many wait.
const LOOK: u64 = 100;

/// Time before another attempt at a store without room.
const PAUSE: Duration = Duration::from_millis(1);

/// Measures for as long as the effort says; each third of that is a repetition.
pub(super) fn row(effort: &Effort, folder: &Path, outputs: &[OutputOptions]) -> Result<Row> {
    let mut stage = Stage::new(&folder.join("sustained"), outputs)?;
    let (count, parts) = (PACE * effort.sustained.as_secs(), REPETITIONS as u64);
    let (begin, mut rates, mut most) = (Instant::now(), Vec::new(), 0);
    for part in 1..=parts {
        let (start, before) = (Instant::now(), stage.delivered());
        while stage.documents < count * part / parts {
            let due = Duration::from_secs(1).mul_f64(stage.documents as f64 / PACE as f64);
            thread::sleep(due.saturating_sub(begin.elapsed()));
            stage.hand_over()?;
            if stage.documents.is_multiple_of(LOOK) {
                most = most.max(stage.waiting());
            }
        }
        rates.push((stage.delivered() - before) as f64 / start.elapsed().as_secs_f64());
    }
    let (took, waiting) = (begin.elapsed(), stage.waiting());
    stage.settle()?;
    let late = begin.elapsed() - took;
    stage.end()?;
    Ok(Row::new(GROUP, WHAT, Unit::PerSecond, Samples::new(rates)).target(Target::AtLeast(WANTED)).note(
        format!(
            "{count} documents of {BYTES} bytes handed over in {:.1} s, {PACE} a second if the store has room; then {} were \
             delivered and {waiting} waited, the last for {:.1} s; at most {most} waited",
            took.as_secs_f64(),
            count - waiting,
            late.as_secs_f64()
        ),
    ))
}

/// A store with outputs, and whoever hands documents over.
struct Stage {
    handle: Handle,
    sinks: Sinks,
    writing: Writing,
    documents: u64,
}

impl Stage {
    fn new(folder: &Path, outputs: &[OutputOptions]) -> Result<Self> {
        let (handle, sinks, writing) = store(folder, outputs)?;
        Ok(Self { handle, sinks, writing, documents: 0 })
    }

    fn hand_over(&mut self) -> Result<()> {
        self.documents += 1;
        let document = NewDocument {
            id: format!("sustained-{}", self.documents),
            kind: DocumentKind::Incident,
            incident: None,
            severity: Some(Severity::High),
            at: i64::MAX,
            body: format!("\"{}\"", "x".repeat(BYTES - 2)),
            brief: Vec::new(),
        };
        let mut batch = RowBatch { documents: vec![document], ..RowBatch::default() };
        let start = Instant::now();
        // The reader keeps what the store has no room for, and goes on; this waits.
        while let Err(refused) = self.handle.submit(batch) {
            ensure!(start.elapsed() < PATIENCE, "the store takes no document");
            batch = refused;
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Documents that every output has delivered.
    fn delivered(&self) -> u64 {
        let status = self.sinks.status(self.handle.committed().sequence());
        status.iter().map(|one| one.written).min().unwrap_or(0)
    }

    /// Documents that an output has not delivered, whether or not they are committed.
    fn waiting(&self) -> u64 {
        self.documents.saturating_sub(self.delivered())
    }

    /// Waits until every output has delivered all, each once.
    fn settle(&self) -> Result<()> {
        ensure!(self.handle.flush(PATIENCE), "the store did not accept all documents");
        let place = self.handle.committed().sequence();
        self.sinks.settle(place, PATIENCE);
        let status = self.sinks.status(place);
        let is_whole = status.iter().all(|one| one.waiting == 0 && one.written == self.documents);
        ensure!(
            is_whole,
            "{} documents were handed over, not delivered once each: {status:?}",
            self.documents
        );
        Ok(())
    }

    fn end(self) -> Result<()> {
        let Self { handle, sinks, writing, .. } = self;
        drop(sinks);
        drop(handle);
        writing.end()
    }
}
