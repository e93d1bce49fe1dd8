//! What the core goes by: the part of the configuration that decides.

use std::{sync::Arc, time::Duration};

use crate::{
    exempt::Exemption,
    profile::{self, ProfileName},
    rules::limits::Limits,
    service::ServicePorts,
    threat::ThreatLists,
};

/// What the core goes by. A new one comes into force with [`Input::Reconfigure`](crate::Input::Reconfigure).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose rules decide.
    pub profile: ProfileName,
    /// What the profile goes by: configured ports, networks and windows.
    pub rulebook: profile::Settings,
    /// Ports that are watched.
    pub watched: ServicePorts,
    /// Known safe traffic.
    pub exemptions: Vec<Exemption>,
    /// Prefixes that somebody warns of.
    pub threats: Arc<ThreatLists>,
    /// Limits that rules go by.
    pub limits: Limits,
    /// Time that an attempt is given to be answered before it is reported as an attempt.
    pub attempt_settle: Duration,
    /// Time after which an untouched connection is over.
    pub flow_idle: Duration,
    /// Connections that are followed at a time.
    pub flow_capacity: usize,
    /// Time after the last activity after which an incident is closed.
    pub incident_idle: Duration,
    /// Whether a summary of each connection is given.
    pub flow_summaries: bool,
    /// Whether it is said which connections belong to incidents, so that their packets can be recorded.
    pub recording: bool,
}
