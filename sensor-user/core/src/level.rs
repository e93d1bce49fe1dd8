//! Evidence levels, which say how far a connection got, and severities.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a connection got, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceLevel {
    /// The client tried, and no answer was seen.
    Attempt,
    /// The server refused.
    Refused,
    /// The server answered a SYN with a SYN-ACK, and nothing more is known.
    Answered,
    /// The handshake was completed, or NetBIOS answered over UDP.
    Connected,
    /// Both sides spoke SMB, or DCE-RPC on its own port.
    Smb,
    /// The client sent a credential: an NTLM response, a Kerberos ticket or a password.
    Credential,
    /// The server accepted a session.
    Session,
    /// A share was connected.
    Share,
    /// Commands that carry content were seen; or, if messages were encrypted or not read, more payload than the set-up of a
    /// session can explain.
    Data,
}

impl EvidenceLevel {
    /// All levels, rising.
    pub const ALL: [Self; 9] = [
        Self::Attempt,
        Self::Refused,
        Self::Answered,
        Self::Connected,
        Self::Smb,
        Self::Credential,
        Self::Session,
        Self::Share,
        Self::Data,
    ];

    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Connected => "connected",
            Self::Smb => "smb",
            Self::Credential => "credential",
            Self::Session => "session",
            Self::Share => "share",
            Self::Data => "data",
        }
    }

    /// The level with this name in documents.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for EvidenceLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Severity of an incident or a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All of them, rising.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// ECS `event.severity`, one of the four numbers that Elastic's detection rules map to a severity.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Low => 21,
            Self::Medium => 47,
            Self::High => 73,
            Self::Critical => 99,
        }
    }

    /// The severity of a risk score, 0 to 100.
    #[must_use]
    pub const fn of_score(score: u8) -> Self {
        match score {
            0..=21 => Self::Low,
            22..=47 => Self::Medium,
            48..=73 => Self::High,
            _ => Self::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_severities_rise_and_are_found_by_name() {
        assert!(EvidenceLevel::ALL.is_sorted() && Severity::ALL.is_sorted());
        for level in EvidenceLevel::ALL {
            assert_eq!(EvidenceLevel::named(level.name()), Some(level));
        }
        assert_eq!(Severity::ALL.map(Severity::number), [21, 47, 73, 99]);
    }
}
