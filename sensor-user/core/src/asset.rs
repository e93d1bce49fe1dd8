//! Own hosts as an inventory declares them: name, owner and role, for look-ups by address.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::networks::PrefixLengths;

/// A host, or the hosts of a network, as the inventory declares them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Name.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub role: Option<AssetRole>,
}

/// What a host is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AssetRole {
    /// It serves files.
    FileServer,
    /// It makes or stores backups.
    Backup,
    /// It scans networks on purpose.
    Scanner,
    /// Another role, which changes nothing.
    Other(String),
}

/// Roles that change wording and severity, with their names in an inventory.
const ROLES: [(&str, AssetRole); 3] =
    [("file-server", AssetRole::FileServer), ("backup", AssetRole::Backup), ("scanner", AssetRole::Scanner)];

impl AssetRole {
    /// The name in an inventory and in documents.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => ROLES.iter().find(|(_, role)| role == known).map_or("", |(name, _)| name),
        }
    }
}

impl From<String> for AssetRole {
    fn from(name: String) -> Self {
        let known = ROLES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        known.map_or(Self::Other(name), |(_, role)| role)
    }
}

impl From<AssetRole> for String {
    fn from(role: AssetRole) -> Self {
        role.name().to_owned()
    }
}

/// An inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets {
    by_network: HashMap<IpNet, Asset>,
    lengths: PrefixLengths,
}

impl Assets {
    /// Adds the entry of a network. Gives the one that it had before.
    pub fn put(&mut self, net: IpNet, asset: Asset) -> Option<Asset> {
        self.lengths.add(net);
        self.by_network.insert(net, asset)
    }

    /// The entry of the smallest network with this address.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<&Asset> {
        self.lengths.covering(address).find_map(|net| self.by_network.get(&net))
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_network.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_network.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Asset {
        Asset { name: name.into(), owner: None, role: None }
    }

    #[test]
    fn smallest_network_names_the_host() {
        let mut assets = Assets::default();
        for (net, name) in [("10.0.0.0/8", "office"), ("10.0.1.0/24", "servers"), ("10.0.1.2/32", "fs01")] {
            assets.put(net.parse().unwrap(), named(name));
        }
        let name = |address: &str| assets.of(address.parse().unwrap()).map(|asset| asset.name.as_str());
        assert_eq!(name("10.0.1.2"), Some("fs01"));
        assert_eq!(name("10.0.1.3"), Some("servers"));
        assert_eq!(name("10.9.9.9"), Some("office"));
        assert_eq!(name("64:ff9b::10.0.1.2"), Some("fs01"), "the IPv4 address inside counts");
        assert_eq!((name("11.0.0.1"), name("fd00::1")), (None, None));
    }

    #[test]
    fn role_is_read_in_any_case_and_an_unknown_one_is_kept() {
        let role = |text: &str| AssetRole::from(text.to_owned());
        assert_eq!(role("File-Server"), AssetRole::FileServer);
        assert_eq!(role("backup"), AssetRole::Backup);
        assert_eq!(role("scanner"), AssetRole::Scanner);
        assert_eq!(role("printer").name(), "printer");
        for (name, known) in ROLES {
            assert_eq!(String::from(known), name);
        }
    }
}
