//! The settings of both engines in one round.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Result, bail};
use sensor_user::{config::Config, exempt::Exemption, response::Target};

use crate::{kernel::Setup, random::Xorshift};

/// Internal networks beside the private ranges: on the Internet, in reserved space, small and large.
pub const INTERNAL: [&str; 7] = [
    "20.20.0.0/16",
    "20.21.7.0/24",
    "20.22.7.8/29",
    "100.64.8.0/21",
    "2a00:1::/32",
    "2a00:2:0:7::/64",
    "64:ff9b:1:2::/64",
];

/// Exempt clients and servers, internal and on the Internet; some are exempt as both.
pub const EXEMPT_CLIENTS: [&str; 3] = ["20.21.7.0/24", "9.9.9.9/32", "2a00:2:0:7::/64"];
/// Exempt servers.
pub const EXEMPT_SERVERS: [&str; 3] = ["20.22.7.8/29", "2001:4860:4860::/64", "9.9.9.9/32"];
/// Exempt pairs of a client and a server.
pub const EXEMPT_PAIRS: [(&str, &str); 2] = [("10.0.0.0/29", "8.8.4.0/30"), ("8.8.4.0/31", "10.0.0.0/30")];

/// What is blocked: hosts, networks and pairs, internal and on the Internet, exempt and not.
pub const BLOCKED: [&str; 7] = [
    "8.8.4.4",
    "9.9.9.0/24",
    "10.0.0.2",
    "10.0.0.1,8.8.8.8",
    "2001:4860:4860::8844",
    "fd00:1::/32",
    "20.20.0.1,8.8.0.0/16",
];

/// The differences between rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether tunnels are parsed.
    pub tunnels: bool,
    /// Whether SMB is recognised on any port.
    pub any_port: bool,
    /// Whether XDP takes frames in several buffers.
    pub frags: bool,
    /// Whether enforcement is on.
    pub enforcing: bool,
    /// Whether there are exemptions.
    pub exempting: bool,
    /// Whether there are blocks.
    pub blocking: bool,
    /// Whether the host sends plain frames through the general parser too.
    pub general: bool,
    /// Flow slots.
    pub slots: u32,
}

impl Options {
    /// Those of round `number`: every combination comes up in turn.
    #[must_use]
    pub const fn of_round(number: u64, random: &mut Xorshift) -> Self {
        Self {
            tunnels: number & 1 == 0,
            any_port: number & 6 != 6,
            frags: number & 8 == 0,
            enforcing: number & 2 == 0,
            exempting: number & 16 == 0,
            blocking: number % 5 < 2,
            general: number.is_multiple_of(3),
            slots: random.pick(&[1, 4, 16, 64, 1024]),
        }
    }

    /// The settings of both engines.
    ///
    /// # Errors
    /// None: the networks are constants, checked by a test.
    pub fn setup(&self) -> Result<Setup> {
        let mut config = Config::default();
        for network in INTERNAL {
            config.internal.push(network.parse().with_context(|| format!("read {network}"))?);
        }
        if self.exempting {
            let exempt = |client: Option<&str>, server: Option<&str>| -> Result<Exemption> {
                let net =
                    |text: Option<&str>| text.map(str::parse).transpose().context("read an exempt network");
                Ok(Exemption::between(net(client)?, net(server)?, "fuzzed"))
            };
            for client in EXEMPT_CLIENTS {
                config.exemptions.push(exempt(Some(client), None)?);
            }
            for server in EXEMPT_SERVERS {
                config.exemptions.push(exempt(None, Some(server))?);
            }
            for (client, server) in EXEMPT_PAIRS {
                config.exemptions.push(exempt(Some(client), Some(server))?);
            }
        }
        config.kernel.tunnels = self.tunnels;
        config.services.smb_any_port = self.any_port;
        let blocked = self.blocked()?;
        Ok(Setup { config, slots_per_cpu: self.slots, frags: self.frags, blocked, ..Setup::default() })
    }

    /// What is blocked.
    ///
    /// # Errors
    /// None, likewise.
    pub fn blocked(&self) -> Result<Vec<Target>> {
        let all = BLOCKED.iter().filter(|_| self.blocking);
        all.map(|target| target.parse().map_err(anyhow::Error::msg)).collect()
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.tunnels, "tunnels "),
            (self.any_port, "any-port "),
            (self.frags, "frags "),
            (self.enforcing, "enforcing "),
            (self.exempting, "exempting "),
            (self.blocking, "blocking "),
            (self.general, "general "),
        ];
        for (is_on, name) in names {
            f.write_str(if is_on { name } else { "" })?;
        }
        write!(f, "slots={}", self.slots)
    }
}

impl FromStr for Options {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut options = Self {
            tunnels: false,
            any_port: false,
            frags: false,
            enforcing: false,
            exempting: false,
            blocking: false,
            general: false,
            slots: 1,
        };
        for word in text.split_whitespace() {
            match (word, word.strip_prefix("slots=")) {
                ("tunnels", _) => options.tunnels = true,
                ("any-port", _) => options.any_port = true,
                ("frags", _) => options.frags = true,
                ("enforcing", _) => options.enforcing = true,
                ("exempting", _) => options.exempting = true,
                ("blocking", _) => options.blocking = true,
                ("general", _) => options.general = true,
                (_, Some(slots)) => options.slots = slots.parse().context("read the number of slots")?,
                _ => bail!("{word} is no option of a round"),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        let mut random = Xorshift::seeded(1);
        for number in 0..32 {
            let options = Options::of_round(number, &mut random);
            assert_eq!(options.to_string().parse::<Options>().unwrap(), options);
            assert_eq!(options.setup().unwrap().config.internal.len(), INTERNAL.len());
        }
        assert!("slots=16 nothing".parse::<Options>().is_err());
    }
}
