//! A document as an event in the Common Event Format, version 0.
//!
//! Fields that a document has several times (a sweep's addresses) appear once or not at all; the JSON form has everything.

use sensor_core::level::Severity;

use crate::{
    ecs::{Brief, Outcome},
    storage::{DocumentKind, DocumentRow},
};

/// The event of a document, on one line.
pub(super) fn event(document: &DocumentRow) -> String {
    let brief = Brief::read(&document.brief);
    let (class, name) = match (&brief.rule, document.kind) {
        (Some((id, name)), _) => (id.as_str(), name.as_str()),
        (None, DocumentKind::Flow) => ("flow", "Flow"),
        (None, DocumentKind::Incident) if brief.action.is_empty() => ("incident", "Incident"),
        // A response.
        (None, DocumentKind::Incident) => (brief.action.as_str(), brief.action.as_str()),
    };
    let severity = severity(document.severity).to_string();
    let header = ["smb-sensor", "smb-sensor", &brief.version, class, name, &severity];
    let mut event = "CEF:0".to_owned();
    for field in header {
        event.push('|');
        event.push_str(&escaped(field, &['|']));
    }
    event.push('|');
    let mut extensions = vec![format!("rt={}", document.at / 1_000_000)];
    for (key, value) in extensions_of(document, &brief) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            extensions.push(format!("{key}={}", escaped(&value, &['='])));
        }
    }
    event.push_str(&extensions.join(" "));
    event
}

/// Extension keys of CEF, and what a document says there.
fn extensions_of(document: &DocumentRow, brief: &Brief) -> [(&'static str, Option<String>); 14] {
    let port = |port: Option<u16>| port.map(|port| port.to_string());
    [
        ("externalId", Some(document.id.clone())),
        ("src", brief.source.ip.clone()),
        ("spt", port(brief.source.port)),
        ("dst", brief.destination.ip.clone()),
        ("dpt", port(brief.destination.port)),
        ("proto", brief.transport.clone()),
        ("app", brief.protocol.clone()),
        ("act", Some(brief.action.clone())),
        ("outcome", brief.outcome.map(Outcome::name).map(str::to_owned)),
        ("suser", brief.user.clone()),
        ("dvchost", Some(brief.hostname.clone())),
        ("cs1", brief.incident.clone()),
        ("cs1Label", brief.incident.as_ref().map(|_| "incident".to_owned())),
        ("msg", brief.message.clone()),
    ]
}

/// The severity of CEF, 0 to 10.
const fn severity(severity: Option<Severity>) -> u8 {
    match severity {
        Some(Severity::Critical) => 10,
        Some(Severity::High) => 8,
        Some(Severity::Medium) => 5,
        Some(Severity::Low) => 3,
        None => 0,
    }
}

/// Text with a backslash before special characters. A line break becomes `\n`, so that an event stays on one line.
fn escaped(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            _ => {
                if character == '\\' || special.contains(&character) {
                    escaped.push('\\');
                }
                escaped.push(character);
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::End;

    fn document(kind: DocumentKind, severity: Option<Severity>, at: i64, brief: Vec<u8>) -> DocumentRow {
        let id = "x-1".to_owned();
        DocumentRow { sequence: 1, id, kind, severity, at, body: "{}".to_owned(), brief }
    }

    #[test]
    fn event_has_header_and_extensions_with_escapes() {
        let brief = Brief {
            action: "incident-opened".to_owned(),
            outcome: Some(Outcome::Failure),
            rule: Some(("r".to_owned(), "A | B \\ C = D".to_owned())),
            source: End { ip: Some("10.0.0.2".to_owned()), port: Some(5) },
            incident: Some("f00".to_owned()),
            version: "1|0".to_owned(),
            message: Some("a = b | c\nd \\ e".to_owned()),
            ..Brief::default()
        };
        assert_eq!(
            event(&document(
                DocumentKind::Incident,
                Some(Severity::High),
                1_700_000_000_500_000_000,
                brief.to_bytes()
            )),
            "CEF:0|smb-sensor|smb-sensor|1\\|0|r|A \\| B \\\\ C = D|8|rt=1700000000500 externalId=x-1 src=10.0.0.2 spt=5 \
             act=incident-opened outcome=failure cs1=f00 cs1Label=incident msg=a \\= b | c\\nd \\\\ e"
        );
    }

    #[test]
    fn names_in_a_flow_are_those_of_a_flow() {
        let destination = End { ip: Some("2001:db8::1".to_owned()), port: None };
        let brief = Brief { destination, version: "1".to_owned(), ..Brief::default() };
        let expected = "CEF:0|smb-sensor|smb-sensor|1|flow|Flow|0|rt=0 externalId=x-1 dst=2001:db8::1";
        assert_eq!(event(&document(DocumentKind::Flow, None, 0, brief.to_bytes())), expected);
    }

    #[test]
    fn response_is_named_by_its_action() {
        let brief = Brief { action: "blocked".to_owned(), version: "1".to_owned(), ..Brief::default() };
        let expected = "CEF:0|smb-sensor|smb-sensor|1|blocked|blocked|3|rt=0 externalId=x-1 act=blocked";
        assert_eq!(
            event(&document(DocumentKind::Incident, Some(Severity::Low), 0, brief.to_bytes())),
            expected
        );
    }

    #[test]
    fn document_of_an_earlier_version_has_kind_time_and_severity() {
        let expected = "CEF:0|smb-sensor|smb-sensor||incident|Incident|10|rt=5 externalId=x-1";
        assert_eq!(
            event(&document(DocumentKind::Incident, Some(Severity::Critical), 5_000_000, Vec::new())),
            expected
        );
    }
}
