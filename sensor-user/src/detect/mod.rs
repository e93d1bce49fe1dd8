//! The detections: one file each, all read the same [`Sight`].
//!
//! Takes a flow that is worth a judgement, gives the rules it breaks and the techniques its evidence shows. Pure but for
//! the known terms, which the rare-destination rule looks up. [`sweep`] alone is about many flows.

pub(crate) mod another_port;
pub(crate) mod credential;
pub(crate) mod data_leaving;
mod evidenced;
pub(crate) mod external_access;
pub(crate) mod rare_destination;
pub(crate) mod smb1;
pub(crate) mod smb_to_internet;
pub mod sweep;
pub mod windows_client;

use std::net::SocketAddr;

pub use evidenced::evidenced;

use crate::{
    attack::Technique,
    config::{Service, ServicePorts},
    flow::{DepartureLimits, Flow},
    terms::KnownTerms,
};
use sensor_common::slot::Side;

/// Which way a conversation crosses the border, by who opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// An internal client and an external server.
    Outbound,
    /// An external client and an internal server.
    Inbound,
}

impl Direction {
    /// ECS `network.direction`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

/// A flow as the detections see it.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// Flow.
    pub flow: &'a Flow,
    /// Which way it crosses the border.
    pub direction: Direction,
    /// What is spoken there.
    pub service: Service,
    /// Whether that port is watched; if not, SMB was recognised by its messages.
    pub usual_port: bool,
    /// Client.
    pub client: SocketAddr,
    /// Server.
    pub server: SocketAddr,
}

impl<'a> Sight<'a> {
    /// Sees `flow`, unless its server's port is no watched service and no SMB was recognised on it: then it is somebody
    /// else's conversation that merely came from such a port.
    #[must_use]
    pub fn of(flow: &'a Flow, services: &ServicePorts) -> Option<Self> {
        let (client, server) = (flow.end(flow.client), flow.end(flow.server()));
        let direction = match flow.client {
            Side::Local => Direction::Outbound,
            Side::Remote => Direction::Inbound,
        };
        let (service, usual_port) = match services.service(flow.ends.transport, server.port()) {
            Some(service) => (service, true),
            None if flow.recognised() => (Service::Smb, false),
            None => return None,
        };
        Some(Self { flow, direction, service, usual_port, client, server })
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// Name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a detection says of itself.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Identifier, stable.
    pub id: &'static str,
    /// Name.
    pub name: &'static str,
    /// What it fires on, in our words.
    pub description: &'static str,
    /// What looks like it and is harmless.
    pub false_positives: &'static [&'static str],
    /// Severity.
    pub severity: Severity,
    /// Risk score, 0 to 100.
    pub risk_score: u8,
    /// Techniques that the rule is about, whether or not the evidence shows them.
    pub techniques: &'static [&'static Technique],
    /// What to check first.
    pub check: &'static str,
    /// How to contain.
    pub contain: &'static str,
}

/// A rule's verdict on a flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Rule.
    pub rule: &'static Rule,
}

/// All rules, for documentation and tests.
pub static RULES: [&Rule; 8] = [
    &smb_to_internet::RULE,
    &rare_destination::RULE,
    &external_access::RULE,
    &credential::RULE,
    &data_leaving::RULE,
    &smb1::RULE,
    &another_port::RULE,
    &sweep::RULE,
];

/// Limits that rules go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What may leave the internal networks before that is an alert of its own.
    pub departures: DepartureLimits,
    /// When trying many is a sweep.
    pub sweep: sweep::SweepLimits,
    /// Alerts of one rule that are opened in five minutes, before the rest is only counted.
    pub alerts_per_window: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            departures: DepartureLimits::default(),
            sweep: sweep::SweepLimits::default(),
            alerts_per_window: 100,
        }
    }
}

impl Rule {
    /// How bad a finding on this flow is: severity and risk score.
    #[must_use]
    pub fn weight(&self, sight: &Sight<'_>) -> (Severity, u8) {
        if self == &credential::RULE { credential::weight(sight) } else { (self.severity, self.risk_score) }
    }
}

/// How bad the credentials are that this flow gave away, or would be.
#[must_use]
pub fn credential_weight(sight: &Sight<'_>) -> (Severity, u8) {
    credential::weight(sight)
}

/// Whether any rule can be about this flow, however far it gets.
#[must_use]
pub fn concerns(sight: &Sight<'_>) -> bool {
    smb_to_internet::fires(sight) || external_access::fires(sight)
}

/// Whether more leaves the internal networks over this flow, or between its ends, than the limits say.
#[must_use]
pub fn data_leaves(sight: &Sight<'_>, limits: &Limits) -> bool {
    data_leaving::fires(sight, limits)
}

/// Judges a flow that is not exempt by every rule; the destination of an outbound one is known from now on.
pub fn judge(sight: &Sight<'_>, limits: &Limits, terms: &mut impl KnownTerms, now: i128) -> Vec<Finding> {
    let mut findings = Vec::new();
    if smb_to_internet::fires(sight) {
        findings.push(Finding { rule: &smb_to_internet::RULE });
    }
    if rare_destination::fires(sight, terms, now) {
        findings.push(Finding { rule: &rare_destination::RULE });
    }
    if external_access::fires(sight) {
        findings.push(Finding { rule: &external_access::RULE });
    }
    if credential::fires(sight) {
        findings.push(Finding { rule: &credential::RULE });
    }
    if data_leaving::fires(sight, limits) {
        findings.push(Finding { rule: &data_leaving::RULE });
    }
    if smb1::fires(sight) {
        findings.push(Finding { rule: &smb1::RULE });
    }
    if another_port::fires(sight) {
        findings.push(Finding { rule: &another_port::RULE });
    }
    findings
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
