//! The latest flows that ended, if their summaries are kept.

use std::net::SocketAddr;

use askama::Template;
use axum::{extract::State, response::Response};
use sensor_core::rules::sentence::bytes;

use super::{
    format::second,
    frame::{Frame, rendered},
    read,
};
use crate::{
    ecs,
    http::Source,
    state::{self, EndedFlow},
    storage::FLOW_DOCUMENTS,
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
    service: &'static str,
    level: &'static str,
    left: String,
    came: String,
    incident: Option<String>,
    is_exempt: bool,
}

pub(super) async fn page(State(source): State<Source>) -> Response {
    read(source, |source, reader| {
        let are_kept = reader.value(FLOW_DOCUMENTS)?.is_some_and(|kept| kept == [1]);
        let flows = state::ended_flows(&reader.latest_flows(LISTED)?).iter().map(FlowRow::of).collect();
        Ok(rendered(&Flows { frame: Frame::of(source, "flows"), are_kept, flows }))
    })
    .await
}

impl FlowRow {
    fn of(flow: &EndedFlow) -> Self {
        let end = |side: SocketAddr| format!("{}, port {}", side.ip(), side.port());
        Self {
            last: second(flow.last),
            client: end(flow.client),
            server: end(flow.server),
            service: ecs::service(flow.service),
            level: flow.level.map_or("", |level| level.name()),
            left: bytes(flow.bytes_left),
            came: bytes(flow.bytes_came),
            incident: flow.incident.map(|id| id.to_string()),
            is_exempt: flow.exempt,
        }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{incident::IncidentId, level::EvidenceLevel, service::Service, time::Timestamp};

    use super::*;

    #[test]
    fn row_has_what_is_known_of_the_flow() {
        let flow = EndedFlow {
            last: Timestamp::from_unix_nanos(0),
            client: "10.0.0.2:5".parse().unwrap(),
            server: "[2a00::1]:445".parse().unwrap(),
            service: Service::Smb,
            level: Some(EvidenceLevel::Share),
            bytes_left: 2_048,
            bytes_came: 0,
            incident: Some(IncidentId(0xc6)),
            exempt: false,
        };
        let row = FlowRow::of(&flow);
        assert_eq!((row.client.as_str(), row.server.as_str()), ("10.0.0.2, port 5", "2a00::1, port 445"));
        assert_eq!((row.service, row.level, row.left.as_str()), ("smb", "share", "2.0 KiB"));
        assert_eq!(row.incident.as_deref(), Some("00000000000000c6"));
        let unknown = FlowRow::of(&EndedFlow { level: None, incident: None, exempt: true, ..flow });
        assert_eq!((unknown.level, unknown.incident, unknown.is_exempt), ("", None, true));
    }
}
