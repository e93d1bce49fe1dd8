//! Profiles: which set of rules applies to connections.
//!
//! A profile is data: which addresses are internal and which are not the Internet, which ports, which direction, which new
//! terms. [`Rulebook`] is a profile together with [`Settings`], and answers a [`Question`] purely; both the agent and
//! `smb-sensor explain` use it. The profile `sensor` is the registry of this sensor's own rules. The others reproduce
//! published rules, with their blind spots; they treat every packet alike, even a single SYN.

mod elastic;
mod findings;
mod netography;
pub mod networks;
mod sensor;
pub mod verdict;
mod windows;

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use self::{
    verdict::{Question, Rulebook},
    windows::Windows,
};
pub use crate::rules::{Field, NewTerm};
use crate::{
    address::Direction,
    rules::RuleMeta,
    service::{Service, ServicePorts},
};

/// The part of the configuration that profiles use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The watched ports.
    pub services: ServicePorts,
    /// Whether the built-in internal networks apply.
    pub default_networks: bool,
    /// Internal networks, each with the place where it is written.
    pub internal: Vec<(IpNet, String)>,
    /// Days in which a term must not have been seen, by rule.
    pub windows: Windows,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            services: ServicePorts::default(),
            default_networks: true,
            internal: Vec::new(),
            windows: Windows::default(),
        }
    }
}

/// Name of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// This sensor's own rules.
    #[default]
    Sensor,
    /// Elastic's rules as of the SMB rule's version 105.
    ElasticV105,
    /// Elastic's rules as of the SMB rule's version 112.
    ElasticCurrent,
    /// Netography's rule.
    Netography,
}

impl ProfileName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sensor, Self::ElasticV105, Self::ElasticCurrent, Self::Netography];

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::ElasticV105 => "elastic-v105",
            Self::ElasticCurrent => "elastic-current",
            Self::Netography => "netography",
        }
    }

    /// The profile with this name.
    #[must_use]
    pub fn profile(self) -> &'static Profile {
        match self {
            Self::Sensor => &sensor::PROFILE,
            Self::ElasticV105 => &elastic::V105,
            Self::ElasticCurrent => &elastic::CURRENT,
            Self::Netography => &netography::PROFILE,
        }
    }
}

/// The rules of all profiles.
pub(crate) fn all_rules() -> impl Iterator<Item = &'static ProfileRule> {
    ProfileName::ALL.into_iter().flat_map(|name| name.profile().rules.iter())
}

/// The identifiers of the rules of all profiles.
#[must_use]
pub fn rule_ids() -> Vec<&'static str> {
    let mut ids = Vec::new();
    for rule in all_rules() {
        if !ids.contains(&rule.rule.id) {
            ids.push(rule.rule.id);
        }
    }
    ids
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ProfileName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or_else(|| {
            format!("{text:?} is not a profile; the profiles are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// A set of rules and their networks.
#[derive(Debug)]
pub struct Profile {
    /// Name.
    pub name: ProfileName,
    /// Description, in one line.
    pub summary: &'static str,
    /// Which addresses are internal, and which are not the Internet.
    pub networks: Networks,
    /// Whether an IPv4 address inside an IPv6 one is classified as that IPv4 address, in every form. A mapped one always is: it
    /// is another notation for the same address (RFC 4291 2.5.5.2).
    pub unwraps: bool,
    /// Rules.
    pub rules: Cow<'static, [ProfileRule]>,
    /// How its source looks for matches; `None` means at once.
    pub schedule: Option<Schedule>,
    /// Its blind spots, as text.
    pub blind_spots: &'static [&'static str],
}

/// The source of a profile's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Networks {
    /// The configuration says what is internal; with `reserved`, the special-purpose registries say what is not the Internet.
    Configured {
        /// Whether special-purpose space is separate from the Internet.
        reserved: bool,
    },
    /// The rules themselves name the networks.
    Fixed {
        /// Internal.
        internal: &'static [&'static str],
        /// Not the Internet.
        not_internet: &'static [&'static str],
    },
}

/// One rule of a profile.
#[derive(Clone, Debug)]
pub struct ProfileRule {
    /// Its metadata for alerts, and which connections it is about.
    pub rule: &'static RuleMeta,
    /// Which published rule it is.
    pub source: &'static str,
    /// Ports of the server.
    pub ports: Ports,
    /// Conditions about the client's process, which no packet shows. A connection that a known process of this machine
    /// opened does not meet them. For other connections they are unknown, and the rest of the rule decides.
    pub process: &'static [&'static str],
}

impl ProfileRule {
    /// Direction; `None` is both.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        self.rule.scope.direction
    }

    /// The address that must be new.
    #[must_use]
    pub const fn new_term(&self) -> Option<NewTerm> {
        self.rule.scope.new_term
    }

    /// What the connection must show, as text; `None` if one packet is enough.
    #[must_use]
    pub const fn evidence(&self) -> Option<&'static str> {
        self.rule.scope.evidence
    }
}

/// Ports of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Those of these services, as configured.
    Of(&'static [Service]),
    /// These.
    Fixed {
        /// TCP.
        tcp: &'static [u16],
        /// UDP.
        udp: &'static [u16],
        /// Whether SMB that is recognised on another TCP port matches.
        smb_on_any: bool,
    },
}

/// An address that a rule has or has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// Identifier of the rule.
    pub rule: &'static str,
    /// The address.
    pub address: IpAddr,
}

/// The schedule of a rule at its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes between two executions.
    pub every_minutes: u64,
    /// Minutes that an execution looks back.
    pub look_back_minutes: u64,
    /// Most alerts of one execution.
    pub max_alerts: u64,
}

impl Profile {
    /// The ports to watch for it: the configured ones, or those of its rules.
    #[must_use]
    pub fn services(&self, configured: &ServicePorts) -> ServicePorts {
        let mut watched = ServicePorts::none();
        for rule in self.rules.iter() {
            let Ports::Fixed { tcp, udp, smb_on_any } = rule.ports else {
                return configured.clone();
            };
            for port in tcp {
                let list = if *port == EPMAP { &mut watched.rpc_tcp } else { &mut watched.smb_tcp };
                add(list, *port);
            }
            udp.iter().for_each(|port| add(&mut watched.netbios_udp, *port));
            watched.smb_any_port |= smb_on_any;
        }
        watched
    }

    /// Whether its rules name the internal networks themselves, so that the configuration does not count.
    #[must_use]
    pub const fn has_own_networks(&self) -> bool {
        matches!(self.networks, Networks::Fixed { .. })
    }
}

/// IANA service `epmap`.
const EPMAP: u16 = 135;

fn add(list: &mut Vec<u16>, port: u16) {
    if !list.contains(&port) {
        list.push(port);
    }
}

#[cfg(test)]
mod tests;
