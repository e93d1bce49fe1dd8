//! A document as a message of syslog (RFC 5424).
//!
//! The formatter is our own. Those of the crates `syslog` and `fasyslog` write the moment of sending into the header, and a
//! document may have waited for hours. Neither frames messages by counted octets, as RFC 5425 (TLS) asks for.

use sensor_core::{level::Severity, time::Timestamp};

use super::cef;
use crate::{
    rfc3339::rfc3339,
    storage::{DocumentKind, DocumentRow},
};

/// APP-NAME of all messages.
const APP_NAME: &str = "smb-sensor";

/// The form of the text of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The document.
    #[default]
    Json,
    /// Common Event Format.
    Cef,
}

/// The header's fields that all messages share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Facility (RFC 5424, 6.2.1).
    pub(super) facility: u8,
    /// HOSTNAME.
    pub(super) hostname: String,
    pub(super) process: u32,
}

impl Header {
    /// The message of a document.
    pub(super) fn message(&self, document: &DocumentRow, body: Body) -> String {
        let priority = self.facility * 8 + severity(document);
        let at = rfc3339(Timestamp::from_unix_nanos(document.at));
        let (hostname, process) = (&self.hostname, self.process);
        let kind = match document.kind {
            DocumentKind::Incident => "incident",
            DocumentKind::Flow => "flow",
        };
        let text = match body {
            Body::Json => document.body.clone(),
            Body::Cef => cef::event(document),
        };
        format!("<{priority}>1 {at} {hostname} {APP_NAME} {process} {kind} - {text}")
    }
}

/// The severity of syslog: critical to notice for incidents, informational for flows.
const fn severity(document: &DocumentRow) -> u8 {
    match (document.kind, document.severity) {
        (DocumentKind::Flow, _) => 6,
        (_, Some(Severity::Critical)) => 2,
        (_, Some(Severity::High)) => 3,
        (_, Some(Severity::Medium)) => 4,
        (_, Some(Severity::Low) | None) => 5,
    }
}

/// A name as HOSTNAME: printable ASCII without spaces, 255 characters at most, `-` if there is none.
pub(super) fn hostname(name: &str) -> String {
    let printable: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if printable.is_empty() { "-".to_owned() } else { printable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_has_the_header_of_rfc_5424() {
        let header = Header { facility: 16, hostname: hostname("gate way\n"), process: 7 };
        let document = |kind, severity| DocumentRow {
            sequence: 1,
            id: "a-1".to_owned(),
            kind,
            severity,
            at: 1_700_000_000_500_000_000,
            body: "{\"a\":1}".to_owned(),
            brief: Vec::new(),
        };
        let message = |kind, severity| header.message(&document(kind, severity), Body::Json);
        assert_eq!(
            message(DocumentKind::Incident, Some(Severity::High)),
            "<131>1 2023-11-14T22:13:20.500Z gateway smb-sensor 7 incident - {\"a\":1}"
        );
        assert!(message(DocumentKind::Incident, Some(Severity::Critical)).starts_with("<130>1 "));
        assert!(message(DocumentKind::Incident, Some(Severity::Low)).starts_with("<133>1 "));
        assert!(message(DocumentKind::Flow, None).starts_with("<134>1 "));
        assert_eq!(hostname("\u{e9}"), "-");
    }
}
