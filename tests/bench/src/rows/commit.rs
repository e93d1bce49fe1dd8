//! From a document that is handed to the store to its commit, on the disk that temporary files are on.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use sensor_core::level::Severity;
use sensor_user::storage::{Bounds, DocumentKind, NewDocument, Opened, RowBatch, Writer};

use crate::{
    effort::Effort,
    row::{Row, Target, Unit},
    samples::Samples,
};

const GROUP: &str = "commit latency";

/// The longest a commit may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a document: what one of an incident has.
const BYTES: usize = 4_096;

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let scratch = sensor_lab::scratch_dir()?;
    let Opened { writer, handle, .. } = Writer::open(scratch.path(), Bounds::default(), 0)?;
    let writing = thread::spawn(move || writer.run());
    let mut milliseconds = Vec::new();
    for number in 0..effort.commits {
        let document = NewDocument {
            id: number.to_string(),
            kind: DocumentKind::Incident,
            incident: None,
            severity: Some(Severity::High),
            at: 0,
            body: "x".repeat(BYTES),
            brief: Vec::new(),
        };
        let batch = RowBatch { documents: vec![document], ..RowBatch::default() };
        let start = Instant::now();
        handle.submit(batch).map_err(|_| anyhow!("the store takes no document"))?;
        ensure!(handle.flush(PATIENCE), "a document is not committed within {PATIENCE:?}");
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
    }
    drop(handle);
    writing.join().map_err(|_| anyhow!("the store panicked"))?.context("end the store")?;
    let samples = Samples::new(milliseconds);
    let (half, most) = (samples.quantiles(0.5), samples.quantiles(0.99));
    Ok(vec![
        Row::new(GROUP, "document handed over → committed, all", Unit::Milliseconds, samples.clone())
            .note(format!("{} documents of {BYTES} bytes, one after another", samples.len())),
        Row::new(GROUP, "p50", Unit::Milliseconds, half).target(Target::AtMost(0.5)),
        Row::new(GROUP, "p99", Unit::Milliseconds, most).target(Target::AtMost(5.0)),
    ])
}
