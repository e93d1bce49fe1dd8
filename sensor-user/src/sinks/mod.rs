//! Sinks: each reads the store from its own cursor and delivers documents, on its own thread.
//!
//! Documents that a destination does not accept wait in the store, even over a restart. A slow destination delays nothing else.

mod backoff;
mod connection;
mod delivery;
mod elasticsearch;
mod file;
mod http;
mod lines;
mod nats;
mod open;
mod options;
mod otlp;
mod probe;
mod progress;
mod refused;
mod running;
mod secret;
mod syslog;
mod tls;
mod webhook;
mod worker;

use std::time::Duration;

use thiserror::Error;

pub use self::{
    delivery::{Delivery, Failure},
    elasticsearch::{Credentials, Elasticsearch, ElasticsearchOptions},
    file::{OpenError, OutputFile},
    lines::Lines,
    nats::{
        Login, Nats, NatsOptions, SharedExemptions, StreamOptions, Subjects, connect, host_token, scope,
        shared_exemptions_file,
    },
    options::{Destination, FileOptions, OutputOptions, Take},
    otlp::{Otlp, OtlpOptions},
    progress::OutputStatus,
    running::{Sinks, Surroundings},
    secret::{Secret, SecretError, SecretSource},
    syslog::{Body, Syslog, SyslogOptions, Transport},
    tls::{TlsError, TlsOptions, authorities_of, certificates, private_key},
    webhook::{TemplateError, TemplateMistake, Webhook, WebhookOptions, WebhookUrl},
};
use crate::storage::{DocumentRow, StorageError};

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

    /// Whether it could deliver now; `None` where only a document shows that. Called while nothing waits.
    fn look(&mut self) -> Option<Result<(), String>> {
        None
    }

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

impl Sink for Box<dyn Sink> {
    fn begin(&mut self) {
        self.as_mut().begin();
    }

    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        self.as_mut().deliver(documents)
    }

    fn look(&mut self) -> Option<Result<(), String>> {
        self.as_mut().look()
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        self.as_mut().reopen()
    }

    fn longest_pause(&self) -> Duration {
        self.as_ref().longest_pause()
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

#[cfg(test)]
mod tests;
