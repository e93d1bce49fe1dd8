//! Settings of the core: the part of the configuration that affects its decisions.

use std::{sync::Arc, time::Duration};

use crate::{
    asset::Assets,
    exempt::Exemption,
    profile::{self, ProfileName},
    rules::limits::Limits,
    service::ServicePorts,
    threat::ThreatLists,
};

/// Settings of the core. New ones are applied by [`Input::Reconfigure`](crate::Input::Reconfigure).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose rules apply.
    pub profile: ProfileName,
    /// Input of the profile: configured ports, networks and windows.
    pub rulebook: profile::Settings,
    /// Ports that are watched.
    pub watched: ServicePorts,
    /// Known safe traffic.
    pub exemptions: Vec<Exemption>,
    /// Prefixes that somebody warns about.
    pub threats: Arc<ThreatLists>,
    /// Own hosts.
    pub assets: Arc<Assets>,
    /// Limits of rules.
    pub limits: Limits,
    /// Time for an attempt to be answered before it is reported.
    pub attempt_settle: Duration,
    /// Time after which an untouched connection is over.
    pub flow_idle: Duration,
    /// Most connections at a time.
    pub flow_capacity: usize,
    /// Time without activity after which an incident is closed.
    pub incident_idle: Duration,
    /// Whether each connection gets a summary.
    pub flow_summaries: bool,
    /// Whether other sensors are asked about new destinations, and learn of those that are known here.
    pub shared_terms: bool,
    /// Whether to report which connections belong to incidents, so that their packets can be recorded.
    pub recording: bool,
}
