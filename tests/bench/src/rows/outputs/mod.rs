//! Outputs at work: how many documents a second they deliver, and their cost for the reader that makes documents.

mod destinations;
mod reader;
mod sustained;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use sensor_lab::{Namespace, NatsServer, Need, missing_for};
use sensor_user::{
    runtime::Supervisor,
    shared_terms,
    sinks::{OutputOptions, Sinks, Surroundings},
    storage::{Bounds, Handle, Opened, StorageError, Writer},
};

use crate::{
    effort::Effort,
    row::{Row, Unit},
};

const GROUP: &str = "outputs";

/// The longest a delivery may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    if let Some(reason) = missing_for(Need::Nats) {
        return Ok(vec![
            Row::not_measured(GROUP, sustained::WHAT, Unit::PerSecond, reason.clone()),
            Row::not_measured(GROUP, reader::WHAT, Unit::Nanoseconds, reason),
        ]);
    }
    let scratch = sensor_lab::scratch_dir()?;
    let namespace = Namespace::new("outputs")?;
    let server = NatsServer::start(&namespace, Ipv4Addr::LOCALHOST, &scratch.path().join("nats"), "")?;
    let nats = server.address();
    namespace.run(|| rows(effort, scratch.path(), nats))?
}

fn rows(effort: &Effort, folder: &Path, nats: SocketAddr) -> Result<Vec<Row>> {
    let five = destinations::outputs(folder, nats)?;
    let [file, stream, webhook, ..] = &five;
    let three = [file.clone(), stream.clone(), webhook.clone()];
    Ok(vec![sustained::row(effort, folder, &three)?, reader::row(effort, folder, &five)?])
}

/// The writer of a store, on a thread of its own.
struct Writing {
    thread: JoinHandle<Result<(), StorageError>>,
    _supervisor: Supervisor,
}

impl Writing {
    /// Waits for its end, which comes when nobody is left who hands over anything.
    fn end(self) -> Result<()> {
        self.thread.join().map_err(|_| anyhow!("the store panicked"))?.context("end the store")
    }
}

/// Opens a store in a new folder, with outputs that deliver what it holds.
fn store(folder: &Path, outputs: &[OutputOptions]) -> Result<(Handle, Sinks, Writing)> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let Opened { writer, handle, .. } = Writer::open(folder, Bounds::default(), 0)?;
    let supervisor = Supervisor::default();
    let mut sinks = Sinks::new(Surroundings {
        state_dir: folder.to_owned(),
        flows: false,
        store: handle.clone(),
        health: Arc::default(),
        changed: Arc::default(),
        terms: shared_terms::channel(Duration::ZERO).1,
        spawner: supervisor.spawner(),
    })?;
    sinks.start_all(outputs)?;
    let thread = thread::spawn(move || writer.run());
    Ok((handle, sinks, Writing { thread, _supervisor: supervisor }))
}
