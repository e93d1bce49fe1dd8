//! The values that a template can name. They come from what the store keeps beside each document: the document is not parsed.

use minijinja::{Value, context};
use sensor_core::level::Severity;

use crate::{
    ecs::{Brief, End, Outcome},
    storage::{DocumentKind, DocumentRow},
};

/// Fields of a document, and the values that say the same. A template of an earlier version names such fields.
const SAME: [(&str, &str); 18] = [
    ("message", "message"),
    ("event.action", "action"),
    ("event.id", "id"),
    ("event.outcome", "outcome"),
    ("event.severity", "severity"),
    ("rule.id", "rule.id"),
    ("rule.name", "rule.name"),
    ("source.ip", "source.ip"),
    ("source.port", "source.port"),
    ("source.user.name", "user"),
    ("destination.ip", "destination.ip"),
    ("destination.port", "destination.port"),
    ("network.transport", "transport"),
    ("network.protocol", "protocol"),
    ("observer.hostname", "hostname"),
    ("observer.version", "version"),
    ("smb_sensor.incident.id", "incident"),
    ("smb_sensor.incident.severity", "severity_name"),
];

/// The values of a document. One that the document does not have is `none`; all of them are there, so that another name is a mistake.
pub(super) fn of(document: &DocumentRow) -> Value {
    let brief = Brief::read(&document.brief);
    let (rule_id, rule_name) = brief.rule.unzip();
    let end = |of: End| context! { ip => of.ip, port => of.port };
    let text = |of: String| (!of.is_empty()).then_some(of);
    let kind = match document.kind {
        DocumentKind::Incident => "incident",
        DocumentKind::Flow => "flow",
    };
    context! {
        // One line of JSON, which is inserted as it is.
        document => Value::from_safe_string(document.body.clone()),
        id => document.id.clone(),
        kind => kind,
        severity => document.severity.map_or(0, Severity::number),
        severity_name => document.severity.map(Severity::name),
        time => document.at as f64 / 1e9,
        action => text(brief.action),
        outcome => brief.outcome.map(Outcome::name),
        rule => context! { id => rule_id, name => rule_name },
        source => end(brief.source),
        destination => end(brief.destination),
        transport => brief.transport,
        protocol => brief.protocol,
        user => brief.user,
        hostname => text(brief.hostname),
        version => text(brief.version),
        incident => brief.incident,
        message => brief.message,
    }
}

/// The value that says the same as a field of the document.
pub(super) fn instead_of(field: &str) -> Option<&'static str> {
    SAME.into_iter().find(|(of_document, _)| *of_document == field).map(|(_, value)| value)
}

/// Documents that have every value, to try a template with.
pub(super) fn examples() -> [DocumentRow; 2] {
    let end = |ip: &str, port| End { ip: Some(ip.to_owned()), port: Some(port) };
    let text = |text: &str| Some(text.to_owned());
    let brief = Brief {
        action: "incident-opened".to_owned(),
        outcome: Some(Outcome::Success),
        rule: Some(("outbound-smb".to_owned(), "Outbound SMB".to_owned())),
        source: end("10.0.0.2", 50_000),
        destination: end("192.0.2.1", 445),
        transport: text("tcp"),
        protocol: text("smb"),
        user: text("ada"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: "gateway".to_owned(),
        incident: text("7f3a91c05be2d846"),
        message: text("An example"),
    };
    let of_incident = DocumentRow {
        sequence: 1,
        id: "7f3a91c05be2d846-1".to_owned(),
        kind: DocumentKind::Incident,
        severity: Some(Severity::Critical),
        at: 1_700_000_000_000_000_000,
        body: "{}".to_owned(),
        brief: brief.to_bytes(),
    };
    let of_flow = DocumentRow { kind: DocumentKind::Flow, severity: None, ..of_incident.clone() };
    [of_incident, of_flow]
}
