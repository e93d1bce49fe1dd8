//! Profiles: by whose rules conversations are judged.
//!
//! A profile is data: which addresses are internal and which are not the Internet, which ports, which direction, which new
//! terms. [`Rulebook`] is a profile together with the configuration, and judges a [`Question`] purely; both the agent and
//! `smb-sensor explain` ask it. The profile `sensor` is this sensor's own rules. The others reproduce published rules, with
//! what those cannot see; they judge every packet alike, a lone SYN included, whatever came of it.

mod elastic;
mod findings;
mod netography;
pub mod networks;
mod sensor;
pub mod verdict;
mod windows;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    findings::Judges,
    verdict::{Question, Rulebook},
    windows::Windows,
};
use crate::{
    config::{Service, ServicePorts},
    detect::{Direction, Rule},
};

/// Which profile.
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

    /// What it stands for.
    #[must_use]
    pub const fn profile(self) -> &'static Profile {
        match self {
            Self::Sensor => &sensor::PROFILE,
            Self::ElasticV105 => &elastic::V105,
            Self::ElasticCurrent => &elastic::CURRENT,
            Self::Netography => &netography::PROFILE,
        }
    }
}

/// The rules of all profiles, by what alerts call them.
#[must_use]
pub fn rule_ids() -> Vec<&'static str> {
    let mut ids = Vec::new();
    for rule in ProfileName::ALL.into_iter().flat_map(|name| name.profile().rules) {
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
            format!("{text:?} is no profile; there are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// Rules, and what they go by.
#[derive(Debug)]
pub struct Profile {
    /// Name.
    pub name: ProfileName,
    /// What it is, in a line.
    pub summary: &'static str,
    /// What is internal, and what is not the Internet.
    pub networks: Networks,
    /// Whether an IPv4 address inside an IPv6 one is judged as that IPv4 address, in every form. A mapped one always is: it
    /// is another way to write the same address (RFC 4291 2.5.5.2).
    pub unwraps: bool,
    /// Rules.
    pub rules: &'static [ProfileRule],
    /// How its source looks for matches; `None` is at once.
    pub schedule: Option<Schedule>,
    /// What it does not see, in words.
    pub blind_spots: &'static [&'static str],
}

/// Where a profile takes its networks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Networks {
    /// The configuration says what is internal; with `reserved`, the special-purpose registries what is not the Internet.
    Configured {
        /// Whether special-purpose space is set apart.
        reserved: bool,
    },
    /// The rules themselves do.
    Fixed {
        /// Internal.
        internal: &'static [&'static str],
        /// Not the Internet.
        not_internet: &'static [&'static str],
    },
}

/// One rule of a profile.
#[derive(Debug)]
pub struct ProfileRule {
    /// What an alert says of it.
    pub rule: &'static Rule,
    /// Which published rule it is.
    pub source: &'static str,
    /// Direction; `None` is both.
    pub direction: Option<Direction>,
    /// Ports of the server.
    pub ports: Ports,
    /// The term that has to be new.
    pub new_term: Option<NewTerm>,
    /// What the conversation has to show, in words; `None`: a packet is enough.
    pub evidence: Option<&'static str>,
    /// Conditions about the client's process, which no packet shows. A conversation that a known process of this machine
    /// opened does not meet them; of others they are not known, and the rest of the rule decides.
    pub process: &'static [&'static str],
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
        /// Whether SMB that is recognised on another TCP port counts.
        smb_on_any: bool,
    },
}

/// A term that has to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTerm {
    /// Which end.
    pub field: Field,
    /// Days in which it must not have been seen by the same rule, unless the configuration says otherwise.
    pub days: u64,
}

/// An end of a conversation, by its ECS field.
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

/// How a rule's source runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes between two executions.
    pub every_minutes: u64,
    /// Minutes that an execution looks back.
    pub look_back_minutes: u64,
    /// Alerts of an execution at most.
    pub most_alerts: u64,
}

impl Profile {
    /// The ports to watch for it: the configured ones, or those of its rules.
    #[must_use]
    pub fn services(&self, configured: &ServicePorts) -> ServicePorts {
        let mut watched =
            ServicePorts { smb_tcp: vec![], rpc_tcp: vec![], netbios_udp: vec![], smb_any_port: false };
        for rule in self.rules {
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

    /// Whether its rules say themselves what is internal, whatever the configuration says.
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
