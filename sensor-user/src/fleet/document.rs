//! Reads the fields of sensors' documents that the fleet needs.

use std::net::IpAddr;

use sensor_core::{level::Severity, time::Timestamp};
use serde::Deserialize;

use crate::rfc3339::parse_rfc3339;

/// Most external addresses of a document that are of interest: a sensor lists no more.
const MAX_ADDRESSES: usize = 16;

/// An incident, as its last document says.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) severity: Severity,
    pub(super) is_open: bool,
    pub(super) external: Vec<IpAddr>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// When the document was stored.
    pub(super) stored: Timestamp,
}

/// The part of a document that is of interest.
#[derive(Deserialize)]
struct Document {
    smb_sensor: Own,
}

#[derive(Deserialize)]
struct Own {
    incident: Incident,
}

#[derive(Deserialize)]
struct Incident {
    id: String,
    severity: String,
    #[serde(default)]
    closed: Option<String>,
    #[serde(default)]
    external_addresses: Vec<String>,
    first: String,
    last: String,
}

/// The identifier of an incident, and what a document says about it. Anybody who may publish chooses the text, but not the time
/// at which it is stored: nothing in it is later.
pub(super) fn read(body: &[u8], at: Timestamp) -> Option<(String, Seen)> {
    let Document { smb_sensor: Own { incident } } = serde_json::from_slice(body).ok()?;
    let severity = Severity::ALL.into_iter().find(|severity| severity.name() == incident.severity)?;
    let addresses = incident.external_addresses.iter().take(MAX_ADDRESSES);
    let seen = Seen {
        severity,
        is_open: incident.closed.is_none(),
        external: addresses.filter_map(|address| address.parse().ok()).collect(),
        first: parse_rfc3339(&incident.first)?.min(at),
        last: parse_rfc3339(&incident.last)?.min(at),
        stored: at,
    };
    Some((incident.id, seen))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rfc3339::rfc3339;

    pub(in crate::fleet) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    pub(in crate::fleet) fn document(
        id: &str,
        severity: &str,
        closed: bool,
        external: &str,
        seconds: i64,
    ) -> Vec<u8> {
        let closed = if closed { ",\"closed\":\"2026-01-01T00:00:00.000Z\"" } else { "" };
        let (first, last) = (rfc3339(at(0)), rfc3339(at(seconds)));
        format!(
            "{{\"smb_sensor\":{{\"incident\":{{\"id\":\"{id}\",\"severity\":\"{severity}\",\
             \"external_addresses\":[\"{external}\"],\"first\":\"{first}\",\"last\":\"{last}\"{closed}}}}}}}"
        )
        .into_bytes()
    }

    #[test]
    fn addresses_and_times_of_a_document_are_plausible() {
        let list: Vec<String> = (0..100).map(|number| format!("\"8.8.4.{number}\"")).collect();
        let addresses = |list: &str| {
            let body = String::from_utf8(document("1", "low", false, "x", 1)).unwrap();
            read(body.replace("\"x\"", list).as_bytes(), at(1)).unwrap().1.external.len()
        };
        let early = read(&document("1", "low", false, "8.8.4.4", 9), at(4)).unwrap().1;
        assert_eq!((early.first, early.last), (at(0), at(4)), "it cannot have been seen after it was stored");
        assert_eq!(addresses(&list.join(",")), MAX_ADDRESSES);
        assert_eq!(addresses("\"8.8.4.4\",\"\\u001b[31m\",\"\",\"2001:db8::1\""), 2);
    }
}
