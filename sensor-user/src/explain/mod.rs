//! `smb-sensor explain`: how addresses are classified, and the verdict of each profile on a connection between two.
//!
//! [`explain`] is pure: a configuration and a [`Query`] give an [`Explanation`], which is sent as JSON; [`text`] shows it.

mod about;
mod address;
mod connection;
mod text;

use std::net::IpAddr;

use sensor_common::slot::{TCP, UDP};
use serde::{Deserialize, Serialize};

pub use self::{
    about::About,
    address::{Address, Embedded, Match, Matches, Named, Network},
    connection::{Connection, Fires, ProfileSays, RuleSays, Seen},
};
use crate::config::Config;
use sensor_core::profile::{ProfileName, Rulebook};
use sensor_core::time::Timestamp;

/// The question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// An address.
    pub first: IpAddr,
    /// A second address.
    pub second: Option<IpAddr>,
    /// Whether the connection is over UDP.
    pub udp: bool,
    /// Port of the server.
    pub port: u16,
}

impl Query {
    /// IP protocol number.
    #[must_use]
    pub const fn transport(&self) -> u8 {
        if self.udp { UDP } else { TCP }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The active profile.
    pub profile: ProfileName,
    /// The profiles.
    pub profiles: Vec<About>,
    /// The addresses, as asked.
    pub addresses: Vec<Address>,
    /// Connections between them, in either direction.
    pub connections: Vec<Connection>,
}

/// Explains addresses under a configuration.
#[must_use]
pub fn explain(config: &Config, query: &Query, now: Timestamp) -> Explanation {
    let settings = config.profile_settings();
    let in_force = Rulebook::of(config.profile, &settings);
    let rulebooks = ProfileName::ALL.map(|name| Rulebook::of(name, &settings));
    let asked = std::iter::once(query.first).chain(query.second);
    let addresses = asked.map(|address| Address::of(address, &in_force, config, now)).collect();
    let directions = query.second.map(|second| [(query.first, second), (second, query.first)]);
    let connections = directions
        .into_iter()
        .flatten()
        .map(|ends| Connection::of(ends, (query, now), config, &rulebooks))
        .collect();
    let profiles = rulebooks.iter().map(|rulebook| About::of(rulebook.profile())).collect();
    Explanation { profile: config.profile, profiles, addresses, connections }
}

#[cfg(test)]
mod tests;
