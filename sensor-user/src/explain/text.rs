//! An explanation as text: short, aligned, one idea per line.

use std::fmt::{self, Display, Formatter};

use super::{About, Address, Connection, Explanation, Fires, Match, Network, ProfileSays, Seen};
use sensor_core::profile::ProfileName;

/// Width of the first column.
const LABEL: usize = 12;

/// Width of a profile's name.
const PROFILE: usize = 16;

fn line(f: &mut Formatter<'_>, label: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "  {label:<LABEL$}{text}")
}

/// Adds how many more entries there are.
fn further(f: &mut Formatter<'_>, count: usize) -> fmt::Result {
    if count == 0 { Ok(()) } else { line(f, "", format_args!("and {count} further ones")) }
}

/// Adds the DNS names because of which an entry matches.
fn names(f: &mut Formatter<'_>, matching: &Match) -> fmt::Result {
    matching
        .names
        .iter()
        .try_for_each(|one| line(f, "", format_args!("{} has the address {}", one.name, one.address)))
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "profile in force: {}", self.profile)?;
        for about in self.profiles.iter().filter(|about| about.profile == self.profile) {
            write!(f, "{about}")?;
        }
        for address in &self.addresses {
            write!(f, "\n{address}")?;
        }
        for connection in &self.connections {
            writeln!(f)?;
            connection.write(f, self.profile)?;
        }
        Ok(())
    }
}

impl Display for About {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        line(f, "is", &self.summary)?;
        if let Some(schedule) = &self.schedule {
            line(f, "runs", schedule)?;
        }
        for what in &self.blind_to {
            line(f, "blind to", what)?;
        }
        Ok(())
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is {}", self.address, self.place)?;
        if let Some(embedded) = &self.embedded {
            line(
                f,
                "holds",
                format_args!("{} ({}), and is treated as that", embedded.address, embedded.form),
            )?;
        }
        match &self.by {
            Some(network) => line(f, "by", network)?,
            None => line(f, "by", "no network: all other addresses are on the Internet")?,
        }
        for network in &self.beats {
            line(f, "beats", format_args!("{network} ({})", network.place))?;
        }
        for matching in &self.matching.entries {
            line(f, &matching.kind, matching)?;
            names(f, matching)?;
        }
        further(f, self.matching.further)
    }
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.network, self.source)
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.reason.escape_debug(), self.written)
    }
}

impl Display for Seen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(network) => write!(f, "{} by {}", self.place, network.network),
            None => write!(f, "{} by no network", self.place),
        }
    }
}

impl Connection {
    fn write(&self, f: &mut Formatter<'_>, in_force: ProfileName) -> fmt::Result {
        let transport = self.transport.to_uppercase();
        writeln!(f, "{} to {}, {transport} {}", self.client, self.server, self.port)?;
        for exempt in &self.exempt.entries {
            writeln!(f, "  exempt from every rule, {exempt}")?;
            names(f, exempt)?;
        }
        further(f, self.exempt.further)?;
        for profile in &self.profiles {
            profile.write(f, profile.profile == in_force)?;
        }
        Ok(())
    }
}

impl ProfileSays {
    /// Rules that fire or may, or why none does; and the places of both ends.
    fn write(&self, f: &mut Formatter<'_>, in_force: bool) -> fmt::Result {
        let mark = if in_force { '*' } else { ' ' };
        let mut name = self.profile.name();
        let mut row = |f: &mut Formatter<'_>, word: &str, text: &str| {
            let mark = if name.is_empty() { ' ' } else { mark };
            writeln!(f, "{mark} {:<PROFILE$}{word:<7}{text}", std::mem::take(&mut name))
        };
        let firing: Vec<_> = self.rules.iter().filter(|rule| rule.fires != Fires::No).collect();
        if firing.is_empty() {
            row(f, "no", &self.refusals().join("; "))?;
        }
        for rule in firing {
            let word = if rule.fires == Fires::Yes { "fires" } else { "if" };
            row(f, word, &rule.rule)?;
            for reason in &rule.because {
                row(f, "", &format!("  {reason}"))?;
            }
        }
        row(f, "why", &format!("client {}, server {}", self.client, self.server))
    }
}
