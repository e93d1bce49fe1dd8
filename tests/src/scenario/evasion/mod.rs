//! Evasions: one session in which `alice` logs on, sent in ways that are meant to hide it from a sensor.

mod change;
mod list;
mod packets;

use std::fmt;

use serde_json::Value;

pub use self::list::evasions;
use self::packets::Packets;
use super::incident::{Incident, incidents};
use crate::document::text;

/// A way to send the session.
pub struct Evasion {
    /// What it is called, in a few words.
    pub name: &'static str,
    /// What is sent, in one sentence.
    pub about: &'static str,
    /// Whether the sensor looks into tunnels.
    pub tunnels: bool,
    /// Slots for flows, where it matters.
    pub flow_slots: Option<u32>,
    /// What the sensor makes of it.
    pub expected: Outcome,
    /// Why it is not detected, for the page.
    pub why: &'static str,
    write: fn() -> Packets,
}

/// What a sensor makes of an evasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The credential of `alice` is reported.
    Detected,
    /// It is reported beside one that was never given, or that one alone, and nothing says that they contradict each other.
    Misled,
    /// The credential is reported beside what contradicts it.
    Contradicted,
    /// The connection is reported as one of which not every message is known to have been read.
    Incomplete,
    /// The packets are counted as ones that cannot be read.
    Counted,
    /// Nothing shows that something is missing.
    Unseen,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Detected => "detected",
            Self::Misled => "misled",
            Self::Contradicted => "detected, and flagged: segments contradict each other",
            Self::Incomplete => "flagged: not every message is known to have been read",
            Self::Counted => "counted as unreadable",
            Self::Unseen => "not seen",
        })
    }
}

impl Evasion {
    /// The capture.
    #[must_use]
    pub fn pcap(&self) -> Vec<u8> {
        (self.write)().pcap()
    }
}

/// What these documents make of an evasion in which this many packets could not be read.
#[must_use]
pub fn outcome(documents: &[Value], unreadable: u64) -> Outcome {
    let all = incidents(documents);
    let last: Vec<&Value> = all.iter().map(Incident::last).collect();
    let named = |user: &str| last.iter().copied().find(|document| names(document, user));
    let is_flagged = |document: &Value| flag(document, "/smb_sensor/smb/conflicting_segments") == Some(true);
    match named("alice") {
        Some(document) if is_flagged(document) => Outcome::Contradicted,
        _ if named("decoy").is_some() => Outcome::Misled,
        Some(_) => Outcome::Detected,
        None if documents.iter().any(is_incomplete) => Outcome::Incomplete,
        None if unreadable > 0 => Outcome::Counted,
        None => Outcome::Unseen,
    }
}

/// Whether an incident names a credential of this user.
fn names(document: &Value, user: &str) -> bool {
    let all = document.pointer("/smb_sensor/credentials").and_then(Value::as_array);
    all.into_iter().flatten().any(|credential| text(credential, "/user") == user)
}

fn flag(document: &Value, pointer: &str) -> Option<bool> {
    document.pointer(pointer).and_then(Value::as_bool)
}

/// Whether a document says that not every message is known to have been read, that the beginning was missed, or that one side was not seen.
fn is_incomplete(document: &Value) -> bool {
    // Of an incident, and of the summary of a flow.
    ["/smb_sensor/smb", "/smb_sensor/evidence"].iter().any(|part| {
        let says = |field: &str, value: bool| flag(document, &format!("{part}/{field}")) == Some(value);
        says("complete", false) || says("joined_late", true) || says("one_sided", true)
    })
}

/// The table of all evasions, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut lines =
        vec!["| technique | what is sent | outcome | why |".to_owned(), "|---|---|---|---|".to_owned()];
    for Evasion { name, about, expected, why, .. } in evasions() {
        lines.push(format!("| {name} | {about} | {expected} | {why} |"));
    }
    lines.join("\n") + "\n"
}
