//! The latest flows that ended, if their summaries are kept.

use askama::Template;
use axum::{extract::State, response::Response};
use sensor_core::{rules::sentence::bytes, time::Timestamp};
use sensor_dissect::escape::shown;
use serde_json::Value;

use super::{
    frame::{Frame, rendered},
    read,
    words::second,
};
use crate::{
    http::Source,
    storage::{DocumentKind, DocumentRow, FLOW_DOCUMENTS},
};

/// Flows on the page.
const LISTED: u64 = 100;

#[derive(Template)]
#[template(path = "flows.html")]
struct Flows {
    frame: Frame,
    are_kept: bool,
    flows: Vec<FlowRow>,
}

struct FlowRow {
    last: String,
    client: String,
    server: String,
    service: String,
    level: String,
    left: String,
    came: String,
    incident: Option<String>,
    is_exempt: bool,
}

pub(super) async fn page(State(source): State<Source>) -> Response {
    read(source, |source, reader| {
        let are_kept = reader.value(FLOW_DOCUMENTS)?.is_some_and(|kept| kept == [1]);
        let flows = reader.latest(DocumentKind::Flow, LISTED)?.iter().filter_map(FlowRow::of).collect();
        Ok(rendered(&Flows { frame: Frame::of(source, "flows"), are_kept, flows }))
    })
    .await
}

impl FlowRow {
    /// What a summary says; `None` if it is no JSON, which the agent does not write.
    fn of(row: &DocumentRow) -> Option<Self> {
        let document: Value = serde_json::from_str(&row.body).ok()?;
        let text = |pointer: &str| {
            let value = document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            shown(value.as_bytes())
        };
        let volume = |pointer: &str| bytes(document.pointer(pointer).and_then(Value::as_u64).unwrap_or(0));
        let end = |side: &str| match document.pointer(&format!("/{side}/port")).and_then(Value::as_u64) {
            Some(port) => format!("{}, port {port}", text(&format!("/{side}/ip"))),
            None => text(&format!("/{side}/ip")),
        };
        let incident = text("/smb_sensor/incident/id");
        Some(Self {
            last: second(Timestamp::from_unix_nanos(row.at)),
            client: end("source"),
            server: end("destination"),
            service: text("/smb_sensor/service"),
            level: text("/smb_sensor/evidence/level"),
            left: volume("/smb_sensor/evidence/left_bytes"),
            came: volume("/smb_sensor/evidence/came_bytes"),
            is_exempt: document.pointer("/smb_sensor/exempt").is_some(),
            incident: (!incident.is_empty()).then_some(incident),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_what_the_summary_says() {
        let body = r#"{"source":{"ip":"10.0.0.2","port":5},"destination":{"ip":"8.8.4.4","port":445},"smb_sensor":{
            "service":"smb","evidence":{"level":"share","left_bytes":2048,"came_bytes":0},"incident":{"id":"c6\u202e"}}}"#;
        let document = |body: &str| DocumentRow {
            sequence: 1,
            id: String::new(),
            kind: DocumentKind::Flow,
            severity: 0,
            at: 0,
            body: body.to_owned(),
        };
        let row = FlowRow::of(&document(body)).unwrap();
        assert_eq!((row.client.as_str(), row.server.as_str()), ("10.0.0.2, port 5", "8.8.4.4, port 445"));
        assert_eq!((row.level.as_str(), row.left.as_str(), row.is_exempt), ("share", "2.0 KiB", false));
        assert_eq!(row.incident.as_deref(), Some("c6\\u{202e}"), "escaped");
        assert!(FlowRow::of(&document("{")).is_none());
    }
}
