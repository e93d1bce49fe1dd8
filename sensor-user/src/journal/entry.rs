//! A document as the journal keeps it.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An alert: opened, updated, closed; or what is said of alerts that are not told one by one.
    Alert,
    /// The summary of a flow that is over.
    Flow,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Alert, Self::Flow];

    /// What a document is of, by its `type`.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let flow = document.get("type").is_some_and(|of| of == "flow");
        if flow { Self::Flow } else { Self::Alert }
    }

    pub(super) const fn to_wire(self) -> u8 {
        self as u8
    }

    pub(super) fn from_wire(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_wire() == byte)
    }
}

/// A document with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: later documents have higher numbers.
    pub sequence: u64,
    /// What it is of.
    pub kind: Kind,
    /// When it was written, nanoseconds since the Unix epoch: its `@timestamp`.
    pub time: i64,
    /// The document, JSON in one line.
    pub text: String,
}

impl Entry {
    /// A document that has no place yet; one that says no time is of `now`.
    #[must_use]
    pub fn of(document: &Value, now: i64) -> Self {
        let time = document
            .pointer("/@timestamp")
            .and_then(Value::as_str)
            .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
            .and_then(|time| i64::try_from(time.unix_timestamp_nanos()).ok());
        Self { sequence: 0, kind: Kind::of(document), time: time.unwrap_or(now), text: document.to_string() }
    }

    /// Bytes that it takes of the bound.
    #[must_use]
    pub fn size(&self) -> u64 {
        size(&self.text)
    }
}

/// Bytes that a document takes of the bound: its own, and what the store adds.
pub(super) const fn size(text: &str) -> u64 {
    text.len() as u64 + 32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn time_and_kind_come_from_the_document() {
        let alert =
            Entry::of(&json!({ "@timestamp": "2023-11-14T22:13:20.500Z", "event": { "kind": "alert" } }), 7);
        assert_eq!((alert.time, alert.kind), (1_700_000_000_500_000_000, Kind::Alert));
        let flow = Entry::of(&json!({ "type": "flow" }), 7);
        assert_eq!((flow.time, flow.kind), (7, Kind::Flow));
        assert_eq!(Kind::ALL.map(|kind| Kind::from_wire(kind.to_wire())), Kind::ALL.map(Some));
        assert_eq!(Kind::from_wire(9), None);
    }
}
