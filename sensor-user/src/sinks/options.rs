//! Outputs as configured: the documents that each takes, and its destination.

use std::{path::PathBuf, time::Duration};

use sensor_core::level::Severity;

use super::{ElasticsearchOptions, NatsOptions, OtlpOptions, SyslogOptions, WebhookOptions};
use crate::storage::{DocumentKind, OUTPUT_CURSOR};

/// An output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputOptions {
    /// Its name, which is also that of its cursor.
    pub name: String,
    /// What it takes; `None` is incidents, and flows too if `flow_documents` is set.
    pub take: Option<Take>,
    /// The least severity of incidents that it takes.
    pub min_severity: Severity,
    /// Where documents go.
    pub destination: Destination,
}

/// What an output takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Incidents.
    Incidents,
    /// Summaries of flows.
    Flows,
    /// Both.
    Both,
}

impl Take {
    /// Whether it includes summaries of flows.
    #[must_use]
    pub const fn has_flows(self) -> bool {
        matches!(self, Self::Flows | Self::Both)
    }

    /// The kind of document that it is limited to.
    #[must_use]
    pub const fn kind(self) -> Option<DocumentKind> {
        match self {
            Self::Incidents => Some(DocumentKind::Incident),
            Self::Flows => Some(DocumentKind::Flow),
            Self::Both => None,
        }
    }
}

/// A destination, with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// JSON lines on standard output.
    Stdout,
    /// JSON lines in a file.
    File(FileOptions),
    /// Messages of syslog.
    Syslog(SyslogOptions),
    /// Data streams of Elasticsearch or OpenSearch.
    Elasticsearch(ElasticsearchOptions),
    /// A stream of NATS.
    Nats(NatsOptions),
    /// Logs of OpenTelemetry.
    Otlp(OtlpOptions),
    /// A request for each document.
    Webhook(WebhookOptions),
}

/// Options of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// File.
    pub path: PathBuf,
    /// Size in bytes at which a new file is begun.
    pub rotate_size: Option<u64>,
    /// Age at which a new file is begun.
    pub rotate_age: Option<Duration>,
    /// Old files to keep.
    pub keep: u32,
}

impl FileOptions {
    /// A file that is not rotated.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path, rotate_size: None, rotate_age: None, keep: 7 }
    }
}

impl OutputOptions {
    /// The output that a file alone, or nothing, stands for; its cursor is that of versions with one output.
    #[must_use]
    pub fn single(path: Option<PathBuf>) -> Self {
        let destination = path.map_or(Destination::Stdout, |path| Destination::File(FileOptions::at(path)));
        Self { name: OUTPUT_CURSOR.to_owned(), take: None, min_severity: Severity::Low, destination }
    }
}
