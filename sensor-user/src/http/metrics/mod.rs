//! `/metrics`: the agent's numbers for Prometheus, in OpenMetrics or in the older text format.

mod agent;
mod delivery;
mod families;
mod kernel;

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text, text},
    registry::Registry,
};

use self::families::Families;
use super::snapshot::Snapshot;
use crate::storage::StorageCounts;

/// Beginning of all names.
const PREFIX: &str = "smb_sensor";

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Text,
}

impl Format {
    /// The one that an Accept header asks for.
    pub(super) fn accepted_by(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// Its media type.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// What is measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) store: StorageCounts,
    /// Bytes of the database, if they are known.
    pub(super) store_bytes: Option<u64>,
}

impl Collector for Measured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        kernel::encode(&self.snapshot, &mut families)?;
        agent::encode(&self.snapshot, &mut families)?;
        delivery::encode(&self.snapshot, &self.store, self.store_bytes, &mut families)
    }
}

/// The text of all metrics.
pub(super) fn text(measured: Measured, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(measured));
    let mut written = String::new();
    match format {
        Format::OpenMetrics => text::encode(&mut written, &registry)?,
        Format::Text => prometheus_text::encode(&mut written, &registry)?,
    }
    Ok(written)
}
