//! The sections of the configuration, decided, and what they are without a file.

use std::path::PathBuf;

use crate::kernel::attach::{IngressChoice, TcChoice};
use sensor_core::profile::Windows;
use sensor_core::rules::limits::Limits;

/// Options of the recording of alerted flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordOptions {
    /// Where to; `None` is nowhere.
    pub file: Option<PathBuf>,
    /// Bytes kept of each packet.
    pub snap_length: u32,
    /// Mebibytes of the file, at most.
    pub max_mib: u64,
}

/// Options of enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnforcementOptions {
    /// Whether the agent begins with it in force.
    pub active: bool,
    /// Seconds after which it ends by itself; 0 is never.
    pub expire_after: u64,
}

/// Whether alerts name the process that opened the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttributionChoice {
    /// Where the kernel allows it.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// Options of process attribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessOptions {
    /// Whether to do it.
    pub attribution: AttributionChoice,
    /// Folder of the cgroup whose processes are named; `None` is the root of the unified hierarchy.
    pub cgroup: Option<PathBuf>,
}

/// Options of the kernel program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelOptions {
    /// How incoming frames are reached.
    pub ingress: IngressChoice,
    /// How TC programs attach.
    pub tc: TcChoice,
    /// Flow slots of each CPU, a power of two.
    pub flow_slots: u32,
    /// Seconds after which an untouched flow is over.
    pub flow_idle: u64,
    /// Bytes of the record ring, a power of two.
    pub ring_bytes: u32,
    /// Prefixes (networks, exemptions, reserved space) that there is room for.
    pub max_prefixes: u32,
    /// Whether one level of tunnel is looked into.
    pub tunnels: bool,
    /// The kernel program's own debug log.
    pub debug: bool,
}

/// Options of the detections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionOptions {
    /// Days without a sight after which a term is new again, for each rule that asks for a new one.
    pub windows: Windows,
    /// Seconds that an attempt is given to be answered before it is reported as an attempt.
    pub attempt_settle: u64,
    /// Seconds without activity after which an incident is closed.
    pub incident_idle: u64,
    /// Hours after its first start in which the agent learns destinations and reports none as rare.
    pub learning_hours: u64,
    /// What rules go by.
    pub limits: Limits,
}

impl Default for KernelOptions {
    fn default() -> Self {
        Self {
            ingress: IngressChoice::Auto,
            tc: TcChoice::Auto,
            flow_slots: 4_096,
            flow_idle: 1_800,
            ring_bytes: 4 << 20,
            max_prefixes: 65_536,
            tunnels: false,
            debug: false,
        }
    }
}

impl Default for DetectionOptions {
    fn default() -> Self {
        Self {
            windows: Windows::default(),
            attempt_settle: 3,
            incident_idle: 3_600,
            learning_hours: 24,
            limits: Limits::default(),
        }
    }
}

impl Default for EnforcementOptions {
    fn default() -> Self {
        Self { active: false, expire_after: 86_400 }
    }
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self { file: None, snap_length: 512, max_mib: 64 }
    }
}
