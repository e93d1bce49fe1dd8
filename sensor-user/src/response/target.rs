//! The target of a block: a host, a network, or the traffic between a host and a network.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use sensor_core::networks::inner;
use serde::{Deserialize, Serialize, Serializer};

use crate::kernel::blocks::BlockKey;

/// Widest networks that can be blocked.
const WIDEST: (u8, u8) = (8, 16);

/// What is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// All traffic of a host or a network.
    Network(IpNet),
    /// The traffic between a host and a host or network.
    Pair(IpAddr, IpNet),
}

impl Target {
    /// The traffic between two hosts.
    #[must_use]
    pub fn between(host: IpAddr, other: IpAddr) -> Self {
        Self::Pair(host, other.into())
    }

    /// The traffic between this and another one.
    ///
    /// # Errors
    /// When one of them is a pair already, neither is an address, or both are the same.
    pub fn with(self, other: Self) -> Result<Self, String> {
        let (Self::Network(one), Self::Network(net)) = (self, other) else {
            return Err(format!("{self} and {other} are more than two: name two addresses or networks"));
        };
        if one == net {
            return Err(format!("both ends are the same: {self}"));
        }
        let host = |net: IpNet| (net.prefix_len() == net.max_prefix_len()).then(|| net.network());
        match (host(one), host(net)) {
            (Some(host), _) => Ok(Self::Pair(host, net)),
            (None, Some(host)) => Ok(Self::Pair(host, one)),
            (None, None) => Err(format!("one of {one} and {net} must be an address")),
        }
    }

    /// The key under which the kernel program finds it.
    #[must_use]
    pub fn key(&self) -> BlockKey {
        match self {
            Self::Network(net) => BlockKey::of(*net),
            Self::Pair(host, net) => BlockKey::between(*host, *net),
        }
    }

    /// The addresses whose packets are looked up. One end of a pair is enough.
    #[must_use]
    pub const fn marked(&self) -> IpNet {
        match self {
            Self::Network(net) | Self::Pair(_, net) => *net,
        }
    }

    /// Its ends.
    fn ends(&self) -> impl Iterator<Item = IpNet> {
        match self {
            Self::Network(net) => [Some(*net), None],
            Self::Pair(host, net) => [Some((*host).into()), Some(*net)],
        }
        .into_iter()
        .flatten()
    }

    /// Whether one of its ends has an address in common with `net`.
    #[must_use]
    pub fn overlaps(&self, net: IpNet) -> bool {
        self.ends().any(|end| end.contains(&net) || net.contains(&end))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = |text: &str| -> Result<IpNet, String> {
            let address = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
            let net = address.map_err(|_| format!("{text:?} is neither an address nor a network"))?.trunc();
            // A packet with an IPv4 address inside its IPv6 one is looked up by that IPv4 address.
            let net = match inner(net.network()) {
                Some(address) if net.prefix_len() == net.max_prefix_len() => address.into(),
                Some(_) => {
                    return Err(format!("{net} is a network of IPv4 addresses in another form: name those"));
                }
                None => net,
            };
            let widest = if net.network().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
            if net.prefix_len() < widest {
                return Err(format!("{net} is too much: no network wider than /{widest} can be blocked"));
            }
            Ok(net)
        };
        let Some((one, other)) = text.split_once(',') else { return net(text).map(Self::Network) };
        Self::Network(net(one)?).with(Self::Network(net(other)?))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |net: &IpNet, f: &mut fmt::Formatter<'_>| {
            if net.prefix_len() == net.max_prefix_len() {
                write!(f, "{}", net.network())
            } else {
                write!(f, "{net}")
            }
        };
        match self {
            Self::Network(net) => show(net, f),
            Self::Pair(host, net) => {
                write!(f, "{host},")?;
                show(net, f)
            }
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_read_as_it_is_written() {
        for text in ["8.8.4.4", "8.8.4.0/24", "10.0.0.2,8.8.4.4", "10.0.0.2,8.8.4.0/24", "2001:4860::8844"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("64:ff9b::8.8.4.4".parse::<Target>().unwrap().to_string(), "8.8.4.4");
        assert_eq!("8.8.4.7/24,10.0.0.2".parse::<Target>().unwrap().to_string(), "10.0.0.2,8.8.4.0/24");
        for (text, words) in [
            ("0.0.0.0/0", "no network wider than /8"),
            ("2001::/15", "no network wider than /16"),
            ("2002:808::/32", "IPv4 addresses in another form"),
            ("example.org", "neither an address nor a network"),
            ("8.8.4.0/24,10.0.0.0/24", "must be an address"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn two_targets_are_a_pair_if_one_of_them_is_an_address() {
        let with = |one: &str, other: &str| {
            let [one, other]: [Target; 2] = [one, other].map(|text| text.parse().unwrap());
            one.with(other).map(|pair| pair.to_string())
        };
        assert_eq!(with("10.0.0.2", "8.8.4.4").unwrap(), "10.0.0.2,8.8.4.4");
        assert_eq!(with("8.8.4.0/24", "10.0.0.2").unwrap(), "10.0.0.2,8.8.4.0/24");
        assert!(with("8.8.4.0/24", "10.0.0.0/24").unwrap_err().contains("must be an address"));
        assert!(with("10.0.0.2,8.8.4.4", "9.9.9.9").unwrap_err().contains("more than two"));
        assert!(with("8.8.4.4", "64:ff9b::8.8.4.4").unwrap_err().contains("both ends are the same: 8.8.4.4"));
    }

    #[test]
    fn target_overlaps_networks_around_and_inside_its_ends() {
        let overlaps =
            |target: &str, net: &str| target.parse::<Target>().unwrap().overlaps(net.parse().unwrap());
        assert!(overlaps("8.8.4.0/24", "8.8.4.4/32") && overlaps("8.8.4.4", "8.8.0.0/16"));
        assert!(overlaps("10.0.0.2,8.8.4.4", "10.0.0.0/8") && overlaps("10.0.0.2,8.8.4.4", "8.8.4.4/32"));
        assert!(!overlaps("10.0.0.2,8.8.4.4", "10.0.0.3/32"));
    }
}
