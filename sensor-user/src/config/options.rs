//! The sections of the configuration, with their defaults.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;

use crate::kernel::attach::{IngressChoice, TcChoice};
use crate::response::exec::ExecOptions;
use crate::sinks::SecretSource;
use sensor_core::profile::Windows;
use sensor_core::rules::limits::Limits;

/// Options of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordOptions {
    /// Its file; `None` turns it off.
    pub file: Option<PathBuf>,
    /// Most bytes of each packet.
    pub snap_length: u32,
    /// Most mebibytes of the file.
    pub max_mib: u64,
}

/// Options of the HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Where it listens; 127.0.0.1:9645 by default.
    pub listen: SocketAddr,
    /// The token that a request must have. There is one, or clients have certificates, unless `listen` is a loopback address.
    pub token: Option<SecretSource>,
    /// TLS, if it is spoken.
    pub tls: Option<ServerTlsOptions>,
    /// Whether there is a status page beside metrics and health.
    pub page: bool,
    /// Whether exemptions can be added on the page.
    pub exempt_form: bool,
    /// Whether verdicts can be given on the page.
    pub verdict_form: bool,
    /// Whether hosts can be blocked on the page.
    pub block_form: bool,
}

/// Options of TLS of the HTTP listener. All files are in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTlsOptions {
    /// Certificate of the listener, and those of the authorities in between.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of the authorities of clients: a client without one of them gets no answer.
    pub client_ca: Option<PathBuf>,
}

/// Options of enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnforcementOptions {
    /// Whether the agent starts with it on.
    pub active: bool,
    /// Seconds after which it ends; 0 is never.
    pub expire_after: u64,
}

/// When the agent blocks the pair of an incident by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoBlock {
    /// Never.
    #[default]
    Off,
    /// When the incident is critical.
    Critical,
}

impl Default for ResponseOptions {
    fn default() -> Self {
        Self {
            auto_block: AutoBlock::Off,
            auto_block_for: 3_600,
            dry_run: false,
            never_block: vec![],
            exec: None,
        }
    }
}

/// Options of responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseOptions {
    /// When the agent blocks by itself.
    pub auto_block: AutoBlock,
    /// Seconds for which it does.
    pub auto_block_for: u64,
    /// Whether its own blocks only count.
    pub dry_run: bool,
    /// Networks that are never blocked, nor any that has an address in common with them.
    pub never_block: Vec<IpNet>,
    /// The program that is run for incidents.
    pub exec: Option<ExecOptions>,
}

/// Whether alerts name the process that opened the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttributionChoice {
    /// If the kernel allows it.
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
    /// Hook for incoming frames.
    pub ingress: IngressChoice,
    /// How TC programs attach.
    pub tc: TcChoice,
    /// Flow slots of each CPU, a power of two.
    pub flow_slots: u32,
    /// Seconds after which an untouched flow ends.
    pub flow_idle: u64,
    /// Bytes of the record ring, a power of two.
    pub ring_bytes: u32,
    /// Capacity for prefixes (networks, exemptions, reserved space).
    pub max_prefixes: u32,
    /// Whether one level of tunnel is parsed.
    pub tunnels: bool,
    /// The kernel program's own debug log.
    pub debug: bool,
}

/// Options of the detections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionOptions {
    /// For each new-term rule, days after which an unseen term is new again.
    pub windows: Windows,
    /// Seconds for an attempt to be answered before it is reported.
    pub attempt_settle: u64,
    /// Seconds without activity after which an incident is closed.
    pub incident_idle: u64,
    /// Hours after its first start in which the agent learns destinations and reports none as rare.
    pub learning_hours: u64,
    /// Limits of rules.
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
