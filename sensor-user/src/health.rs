//! The health that a sensor reports about itself.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The health of a sensor at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// When it was so (RFC 3339).
    pub at: String,
    /// Version of the sensor.
    pub version: String,
    /// Name of the machine.
    pub host: String,
    /// Seconds since the agent started.
    pub uptime: u64,
    /// Seconds until the next report.
    pub interval: u64,
    /// Interfaces that are watched.
    pub interfaces: Vec<String>,
    /// Whether packets are dropped.
    pub enforcing: bool,
    /// Packets on watched ports.
    pub packets: u64,
    /// What was lost.
    pub lost: Lost,
    /// Outputs.
    pub outputs: Vec<OutputHealth>,
}

/// What was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// Records that the kernel could not pass on.
    pub records: u64,
    /// Packets that are in no flow.
    pub packets: u64,
    /// Documents that were not kept, or removed before all outputs had them.
    pub documents: u64,
}

/// An output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputHealth {
    /// Its name.
    pub name: String,
    /// Documents that were delivered.
    pub written: u64,
    /// Documents in the store that it has not reached.
    pub waiting: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Documents that were refused for good.
    pub refused: u64,
}

impl Health {
    /// Documents that the slowest output has not reached.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.outputs.iter().map(|one| one.waiting).max().unwrap_or(0)
    }
}

impl Lost {
    /// Everything that was lost.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.records.saturating_add(self.packets).saturating_add(self.documents)
    }
}

/// The latest health, for the outputs that report it.
#[derive(Debug, Default)]
pub struct HealthBoard(Mutex<Option<Health>>);

impl HealthBoard {
    /// Replaces it.
    pub fn post(&self, health: Health) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(health);
    }

    /// The latest, if there is any yet.
    #[must_use]
    pub fn latest(&self) -> Option<Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
