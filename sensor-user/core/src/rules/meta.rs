//! Rules: their metadata, the trait that they implement, their input and their output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    address::Direction, attack::Technique, level::Severity, service::Service, time::Timestamp, view::FlowView,
};

use super::{limits::Limits, outbound_volume::ExcessVolume};

/// Metadata of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleMeta {
    /// Identifier, stable.
    pub id: &'static str,
    /// Name.
    pub name: &'static str,
    /// When it fires.
    pub description: &'static str,
    /// Harmless traffic that looks the same, each with its remedy.
    pub false_positives: &'static [&'static str],
    /// Published severity.
    pub severity: Severity,
    /// Published risk score, 0 to 100.
    pub risk_score: u8,
    /// Techniques that the rule is about, whether or not the evidence shows them.
    pub techniques: &'static [&'static Technique],
    /// Which connections it is about.
    pub scope: Scope,
}

/// Which connections a rule is about, for the table of the documentation, `explain` and the profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Direction; `None` is both.
    pub direction: Option<Direction>,
    /// Services.
    pub services: &'static [Service],
    /// The address that must be new.
    pub new_term: Option<NewTerm>,
    /// What else a connection must show, as text; `None` if one packet is enough.
    pub evidence: Option<&'static str>,
}

/// SMB, on any port.
pub const SMB: &[Service] = &[Service::Smb];
/// SMB, and what is offered as SMB over QUIC.
pub(super) const SMB_ON_TCP_AND_QUIC: &[Service] = &[Service::Smb, Service::SmbOverQuic];
/// SMB over QUIC.
pub const SMB_OVER_QUIC: &[Service] = &[Service::SmbOverQuic];
/// The services with ports of their own.
pub const BY_PORT: &[Service] = &[Service::Smb, Service::Rpc, Service::Netbios];
/// WebDAV, on any port.
pub const WEBDAV: &[Service] = &[Service::WebDav];
/// The whole of Windows networking, apart from SMB over QUIC, which no port shows.
pub const EVERY_SERVICE: &[Service] = &[Service::Smb, Service::Rpc, Service::Netbios, Service::WebDav];

/// An address that must be new to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTerm {
    /// Which end.
    pub field: Field,
    /// Days in which the rule must not have seen it, unless the configuration says otherwise.
    pub days: u64,
}

/// An end of a connection, by its ECS field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `source.ip`: the client.
    SourceIp,
    /// `destination.ip`: the server.
    DestinationIp,
}

impl Field {
    /// ECS name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceIp => "source.ip",
            Self::DestinationIp => "destination.ip",
        }
    }
}

/// A detection. Rules are pure: the same view and history give the same finding.
pub trait Rule: Sync {
    /// Its metadata.
    fn meta(&self) -> &'static RuleMeta;

    /// Its finding on a connection, if any.
    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding>;
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static RuleMeta,
    /// Severity of this finding.
    pub severity: Severity,
    /// Risk score of this finding.
    pub risk_score: u8,
    /// Techniques that the fact shows.
    pub techniques: Vec<&'static Technique>,
    /// The fact behind it, in one sentence about what was observed.
    pub fact: String,
}

impl Finding {
    /// A finding with the severity and the risk score of its rule.
    #[must_use]
    pub fn of(rule: &'static RuleMeta, techniques: Vec<&'static Technique>, fact: String) -> Self {
        Self { rule, severity: rule.severity, risk_score: rule.risk_score, techniques, fact }
    }
}

/// Knowledge beyond the connection itself: about the pair of hosts in this direction, and about the client.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Limits of rules.
    pub limits: &'a Limits,
    /// Now.
    pub now: Timestamp,
    /// No internal host completed a connection with this server within the rule's window, and learning is over.
    pub new_destination: bool,
    /// Log-ons between the two hosts in this direction, over all their connections of this incident, including this one.
    pub logons: &'a Logons,
    /// Too much left the internal networks between the two hosts.
    pub excess_volume: Option<ExcessVolume>,
    /// The same NTLM response was seen in the other direction.
    pub relayed: Option<Relayed>,
}

/// Log-ons between two hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logons {
    /// Refused log-ons by account (`DOMAIN\user` in lower case; empty if the user was not seen). Bounded.
    pub refused: BTreeMap<String, u64>,
    /// All refused log-ons, including those of accounts that did not fit into the list.
    pub refused_total: u64,
    /// Accounts that were accepted, without anonymous and guest log-ons.
    pub accepted: Vec<String>,
}

/// An NTLM response that was seen both ways across the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// When the same response was seen in the other direction.
    pub at: Timestamp,
    /// The internal host that sent it, or that was logged on to with it.
    pub internal: std::net::IpAddr,
    /// The external host at the other end of that connection.
    pub external: std::net::IpAddr,
}

/// Number of targets of a client, by how far it got with them. They add up to `targets`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCounts {
    /// Distinct targets.
    pub targets: u64,
    /// Targets that answered or connected.
    pub answered: u64,
    /// Targets that refused.
    pub refused: u64,
    /// Targets that did not answer.
    pub silent: u64,
}
