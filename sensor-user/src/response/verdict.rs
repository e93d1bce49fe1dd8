//! Verdicts on incidents.

use std::fmt;

use clap::ValueEnum;
use sensor_core::time::Timestamp;
use sensor_dissect::escape::misleads;
use serde::{Deserialize, Serialize};

use super::Peer;

/// Most characters of a note.
pub const MAX_NOTE: usize = 500;

/// Most characters of a name that somebody gives.
pub const MAX_NAME: usize = 64;

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is what it looks like.
    Confirmed,
    /// It does no harm.
    Benign,
    /// Another incident is about the same.
    Duplicate,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Benign, Self::Duplicate];

    /// Its name in commands and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Benign => "benign",
            Self::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The author of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A user of this machine.
    Peer(Peer),
    /// Somebody who gave this name on the status page.
    OnPage(String),
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::OnPage(name) => write!(f, "{name} (status page)"),
        }
    }
}

/// A verdict on an incident, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictEntry {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason.
    pub note: Option<String>,
    /// Its author.
    pub by: Author,
    /// Time.
    pub at: Timestamp,
}

/// Checks a note.
///
/// # Errors
/// What is wrong with it.
pub fn note(text: &str) -> Result<String, String> {
    plain(text, MAX_NOTE)
}

/// Checks a name that somebody gives.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, String> {
    plain(text, MAX_NAME)
}

fn plain(text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    let characters = text.chars().count();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().any(misleads) {
        return Err("it has control characters; write it in one line".to_owned());
    }
    if characters > most {
        return Err(format!("it has {characters} characters, and {most} are allowed"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_one_line_of_bounded_length() {
        assert_eq!(note(" nightly copy ü ").unwrap(), "nightly copy ü");
        assert_eq!(note(&"ü".repeat(MAX_NOTE)).unwrap().chars().count(), MAX_NOTE);
        for (text, words) in [
            (" ".to_owned(), "is empty"),
            ("a\nb".to_owned(), "control characters"),
            ("a\u{1b}[31m".to_owned(), "control characters"),
            ("a\u{202e}b".to_owned(), "control characters"),
            ("x".repeat(MAX_NOTE + 1), "501 characters, and 500"),
        ] {
            assert!(note(&text).unwrap_err().contains(words), "{text:?}");
        }
        assert!(name(&"x".repeat(MAX_NAME + 1)).unwrap_err().contains("and 64"));
    }

    #[test]
    fn stored_verdict_can_be_read_again() {
        let verdict_entry = VerdictEntry {
            verdict: Verdict::Benign,
            note: Some("nightly copy".into()),
            by: Author::OnPage("Ada".into()),
            at: Timestamp::from_unix_seconds(1_700_000_000),
        };
        let bytes = rmp_serde::to_vec_named(&verdict_entry).unwrap();
        assert_eq!(rmp_serde::from_slice::<VerdictEntry>(&bytes).unwrap(), verdict_entry);
    }
}
