//! The part of the facts that is kept when their lists are dropped.

use serde::{Deserialize, Serialize};

use super::{Facts, WebDav, WebDavEvidence};

/// The flags and counters of [`Facts`]: small, without text, fit to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactCounters {
    smb1: bool,
    smb2: bool,
    signed: bool,
    encrypted: bool,
    compressed: bool,
    #[serde(default)]
    webdav: WebDavEvidence,
    sessions: u32,
    logons_refused: u32,
    logons_accepted: u32,
    logons_anonymous: u32,
    trees: u32,
    logoffs: u32,
    left_out: u32,
    credentials_left_out: u32,
}

impl Facts {
    /// The flags and counters.
    #[must_use]
    pub const fn counters(&self) -> FactCounters {
        FactCounters {
            smb1: self.smb1,
            smb2: self.smb2,
            signed: self.signed,
            encrypted: self.encrypted,
            compressed: self.compressed,
            webdav: self.webdav.evidence,
            sessions: self.sessions,
            logons_refused: self.logons_refused,
            logons_accepted: self.logons_accepted,
            logons_anonymous: self.logons_anonymous,
            trees: self.trees,
            logoffs: self.logoffs,
            left_out: self.left_out,
            credentials_left_out: self.credentials_left_out,
        }
    }
}

impl From<FactCounters> for Facts {
    fn from(counters: FactCounters) -> Self {
        Self {
            smb1: counters.smb1,
            smb2: counters.smb2,
            signed: counters.signed,
            encrypted: counters.encrypted,
            compressed: counters.compressed,
            webdav: WebDav { evidence: counters.webdav, ..WebDav::default() },
            sessions: counters.sessions,
            logons_refused: counters.logons_refused,
            logons_accepted: counters.logons_accepted,
            logons_anonymous: counters.logons_anonymous,
            trees: counters.trees,
            logoffs: counters.logoffs,
            left_out: counters.left_out,
            credentials_left_out: counters.credentials_left_out,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_stored_and_lists_are_not() {
        let kept = Facts {
            smb1: true,
            smb2: true,
            signed: true,
            encrypted: true,
            compressed: true,
            webdav: WebDav {
                evidence: WebDavEvidence {
                    method: true,
                    redirector: true,
                    token: true,
                    answered: true,
                    served: true,
                    anonymous: true,
                },
                ..WebDav::default()
            },
            sessions: 1,
            logons_refused: 2,
            logons_accepted: 3,
            logons_anonymous: 4,
            trees: 5,
            logoffs: 6,
            left_out: 7,
            credentials_left_out: 8,
            ..Facts::default()
        };
        let mut facts = kept.clone();
        facts.add_share(r"\\h\s".to_owned());
        assert_eq!(Facts::from(facts.counters()), kept);
    }
}
