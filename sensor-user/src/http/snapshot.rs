//! The snapshot that the reader publishes once a second, for clients of the HTTP listener.

use std::time::Instant;

use sensor_core::{incident::IncidentTally, time::Timestamp};

use crate::{
    kernel::program_runs::ProgramRuns,
    latency::Stages,
    response::Block,
    sinks::OutputStatus,
    statistics::{ExecCounts, Statistics},
};

/// The agent at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment, by the wall clock.
    pub at: Timestamp,
    /// The same moment by a clock that nobody sets.
    pub taken: Instant,
    /// When the agent started.
    pub started: Timestamp,
    /// The numbers of the statistics line.
    pub statistics: Statistics,
    /// Incidents in memory.
    pub incidents: IncidentTally,
    /// Findings so far, by rule; rules without a finding are there too.
    pub findings: Vec<(&'static str, u64)>,
    /// Outputs.
    pub outputs: Vec<OutputStatus>,
    /// Configured interfaces and patterns, and interfaces that match them.
    pub interfaces: Vec<InterfaceState>,
    /// How long the stages take.
    pub stages: Stages,
    /// What the kernel programs cost; nothing while the kernel does not measure it.
    pub programs: Vec<ProgramRuns>,
    /// Flow slots that hold a flow, and all of them.
    pub slots: (usize, usize),
    /// The ring.
    pub ring: RingState,
    /// Runs of the configured program.
    pub exec: ExecCounts,
    /// Exemptions.
    pub exemptions: Vec<ExemptionState>,
    /// Blocks in force.
    pub blocks: Vec<BlockState>,
    /// Whether the agent drops packets now.
    pub enforces: bool,
    /// Enforcement, in words.
    pub enforcement: String,
    /// Until when destinations are learnt and none is reported as rare.
    pub learning_until: Option<Timestamp>,
    /// The active profile.
    pub profile: &'static str,
    /// Prefixes on threat lists.
    pub threat_prefixes: usize,
    /// What became of reading the configuration again.
    pub reloads: ReloadState,
}

/// Whether an interface is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceState {
    /// Its name, or the configured name or pattern that no interface has.
    pub name: String,
    /// How it is watched, or why it is not.
    pub state: Result<String, String>,
}

/// The ring between kernel and agent, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingState {
    /// Its size.
    pub size: usize,
    /// Most that waited in it at a time.
    pub peak: u64,
}

/// An exemption and its hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExemptionState {
    /// Identifier.
    pub id: String,
    /// Whether it has not expired.
    pub in_force: bool,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// Connections that it covered.
    pub connections: u64,
    /// Packets that the kernel let pass by it.
    pub packets: u64,
    /// Its last hit.
    pub last: Option<Timestamp>,
}

/// A block in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockState {
    /// The block.
    pub block: Block,
    /// Packets that it dropped or, in a dry run, would have dropped.
    pub packets: u64,
}

/// How often the configuration was read again, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadState {
    /// Reloads that were applied.
    pub applied: u64,
    /// Reloads that were refused.
    pub refused: u64,
    /// Whether the last one was applied; true before the first.
    pub last_applied: bool,
    /// When a configuration was last applied, the start included.
    pub applied_at: Timestamp,
}

impl ReloadState {
    /// At the start, when the configuration was just applied.
    #[must_use]
    pub const fn at_start(now: Timestamp) -> Self {
        Self { applied: 0, refused: 0, last_applied: true, applied_at: now }
    }

    /// Notes the outcome of a reload.
    pub const fn note(&mut self, is_applied: bool, now: Timestamp) {
        self.last_applied = is_applied;
        if is_applied {
            self.applied += 1;
            self.applied_at = now;
        } else {
            self.refused += 1;
        }
    }
}
