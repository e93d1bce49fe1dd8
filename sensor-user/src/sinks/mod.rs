//! Sinks: each reads the store from its own cursor and delivers documents, on its own thread.
//!
//! Documents that a destination does not accept wait in the store, even over a restart. A destination delays nothing else.

mod backoff;
mod connection;
mod delivery;
mod elasticsearch;
mod file;
mod http;
mod lines;
mod nats;
mod options;
mod otlp;
mod probe;
mod progress;
mod refused;
mod secret;
mod syslog;
mod tls;
mod webhook;
mod worker;

use std::{
    convert::Infallible,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use thiserror::Error;

pub use self::{
    delivery::{Delivery, Failure},
    elasticsearch::{Credentials, Elasticsearch, ElasticsearchOptions},
    file::{OpenError, OutputFile},
    lines::Lines,
    nats::{Login, Nats, NatsOptions, StreamOptions, Subjects, connect, host_token},
    options::{Destination, FileOptions, OutputOptions, Take},
    otlp::{Otlp, OtlpOptions},
    progress::OutputStatus,
    secret::{SecretError, SecretSource},
    syslog::{Body, Syslog, SyslogOptions, Transport},
    tls::{TlsError, TlsOptions},
    webhook::{TemplateError, Webhook, WebhookOptions, WebhookUrl},
};
use self::{progress::Progress, worker::Worker};
use crate::{
    health::HealthBoard,
    runtime::Supervisor,
    storage::{DocumentRow, Handle, OUTPUT_CURSOR, Reader, StorageError},
};

/// Time for a sink to end.
const END: Duration = Duration::from_secs(1);

/// Longest pause between two attempts at a destination elsewhere.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause between two attempts at a destination of this machine.
const LOCAL_PAUSE: Duration = Duration::from_millis(200);

/// A destination.
pub trait Sink: Send {
    /// Begins, on the thread on which it delivers.
    fn begin(&mut self) {}

    /// Delivers documents in their order, or some of them: it is called again with the rest.
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery;

    /// Opens its destination again if it is not what it was.
    ///
    /// # Errors
    /// Why it cannot be opened now. It is tried again with the next document.
    fn reopen(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    /// Longest pause between two attempts while it fails.
    fn longest_pause(&self) -> Duration {
        LONGEST_PAUSE
    }
}

/// Why a sink cannot start.
#[derive(Debug, Error)]
pub enum SinkError {
    /// Its destination cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be set up.
    #[error("the output {name}: {source}")]
    Setup {
        /// Name of the output.
        name: String,
        /// Cause.
        #[source]
        source: SetupError,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StorageError),
    /// A thread cannot be started.
    #[error("cannot start a thread for the output: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why a sink cannot be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// Its TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Its address, which may contain a secret.
    #[error("its address is not an http or https URL")]
    Url,
    /// Its servers.
    #[error("an address of its servers is invalid")]
    Server,
    /// Credentials of NATS.
    #[error("its credentials are no credentials of NATS; write the whole file that was made for the user")]
    Credentials,
    /// The value of a header.
    #[error("the value of the header {0} has characters that a header cannot have")]
    Header(String),
}

/// The running sinks.
#[derive(Default)]
pub struct Sinks {
    all: Vec<Running>,
}

struct Running {
    store: Handle,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Sinks {
    /// Starts a sink for an output. `flows` says whether it takes summaries of flows if it does not say so itself.
    ///
    /// # Errors
    /// [`SinkError`]
    pub fn start(
        &mut self,
        output: &OutputOptions,
        (state_dir, flows): (&Path, bool),
        store: &Handle,
        sink: impl Sink + 'static,
        supervisor: &Supervisor,
    ) -> Result<(), SinkError> {
        let generation = store.committed().generation();
        let reader = Reader::open(state_dir)?;
        let cursor = reader.cursor(&output.name)?;
        let is_new = cursor.is_none() && output.name != OUTPUT_CURSOR;
        // A further output begins with the documents from now on.
        let begin = if is_new { store.committed().sequence() } else { cursor.unwrap_or(0) };
        let kind = output.take.unwrap_or(if flows { Take::Both } else { Take::Incidents }).kind();
        let progress = Arc::new(Progress::new(&output.name, kind, output.min_severity.number(), begin));
        store.committed().subscribe(Arc::clone(&progress.subscriber));
        let worker = Worker::new(Arc::clone(&progress), state_dir, store.clone(), reader, generation);
        if is_new {
            worker.save_cursor();
        }
        let thread = supervisor
            .spawn(&format!("sink-{}", output.name), move || {
                worker.run(sink);
                Ok::<_, Infallible>(())
            })
            .map_err(SinkError::Thread)?;
        self.all.push(Running { progress, store: store.clone(), thread: Some(thread) });
        Ok(())
    }

    /// Has each open its destination again if it is not what it was. Never waits.
    pub fn reopen(&self) {
        for one in &self.all {
            one.progress.ask_to_reopen();
            one.store.committed().wake();
        }
    }

    /// Waits until all have reached a position, at most for this time.
    pub fn settle(&self, place: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.waiting(place) > 0 && Instant::now() < deadline && self.are_alive() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether every sink runs.
    #[must_use]
    pub fn are_alive(&self) -> bool {
        self.all.iter().all(|one| one.thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    /// Documents that the slowest sink has not delivered, up to a position.
    #[must_use]
    pub fn waiting(&self, place: u64) -> u64 {
        self.all.iter().map(|one| one.progress.waiting(place)).max().unwrap_or(0)
    }

    /// Documents that were delivered.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.all.iter().map(|one| one.progress.written()).sum()
    }

    /// The state of each, with the documents that wait up to a position.
    #[must_use]
    pub fn status(&self, place: u64) -> Vec<OutputStatus> {
        self.all.iter().map(|one| one.progress.status(place)).collect()
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        for one in &self.all {
            one.progress.stop();
            one.store.committed().wake();
        }
        for one in &mut self.all {
            let deadline = Instant::now() + END;
            let Some(running) = one.thread.take() else { continue };
            // One that hangs in its destination ends with the process.
            while !running.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
            if running.is_finished() {
                let _ = running.join();
            }
        }
    }
}

/// Starts the configured outputs. Those that report the health of the sensor take it from this board.
///
/// # Errors
/// [`SinkError`]
pub fn start(
    outputs: &[OutputOptions],
    (state_dir, flows): (&Path, bool),
    (store, health): (&Handle, &Arc<HealthBoard>),
    supervisor: &Supervisor,
) -> Result<Sinks, SinkError> {
    let mut sinks = Sinks::default();
    for output in outputs {
        let of = (state_dir, flows);
        let setup = |source| SinkError::Setup { name: output.name.clone(), source };
        match &output.destination {
            Destination::Stdout => {
                sinks.start(output, of, store, Lines::to(std::io::stdout()), supervisor)?;
            }
            Destination::File(options) => {
                sinks.start(output, of, store, OutputFile::open(options)?, supervisor)?;
            }
            Destination::Syslog(options) => {
                let sink = Syslog::new(options).map_err(|error| setup(error.into()))?;
                sinks.start(output, of, store, sink, supervisor)?;
            }
            Destination::Elasticsearch(options) => {
                let sink = Elasticsearch::new(options).map_err(setup)?;
                sinks.start(output, of, store, sink, supervisor)?;
            }
            Destination::Nats(options) => {
                let sink = Nats::new(options, health).map_err(setup)?;
                sinks.start(output, of, store, sink, supervisor)?;
            }
            Destination::Otlp(options) => {
                let sink = Otlp::new(options).map_err(setup)?;
                sinks.start(output, of, store, sink, supervisor)?;
            }
            Destination::Webhook(options) => {
                let sink = Webhook::new(options).map_err(setup)?;
                sinks.start(output, of, store, sink, supervisor)?;
            }
        }
    }
    Ok(sinks)
}

#[cfg(test)]
mod tests;
