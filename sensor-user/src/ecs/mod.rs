//! Documents: events of the core in the Elastic Common Schema.
//!
//! Takes typed events, gives [`Document`]s, each one line of JSON. Outside `smb_sensor.*` they only have fields of ECS, with
//! allowed values (except `type` and `flow.*` of flows, which are Packetbeat's). An output whose destination wants another format
//! takes its fields from the [`Brief`] of the document. The JSON schemas under `schema/` are generated from the structs here.

mod brief;
mod campaign;
mod endpoint;
mod exec;
mod fields;
mod flow;
mod incident;
mod name_of;
mod netbios;
mod quic;
mod quota;
mod response;
mod sensor;
mod smb;
mod techniques;
#[cfg(test)]
mod tests;
mod verdict;
mod webdav;

use crate::{
    response::{Entry, Verdict, VerdictEntry, exec::ExecRun},
    storage::DocumentKind,
};
use schemars::{JsonSchema, Schema};
use sensor_core::{
    event::FlowSummary,
    incident::{CampaignSummary, Incident, IncidentEvent, QuotaSummary},
    level::Severity,
    service::Service,
    time::Timestamp,
};

use self::brief::Briefed;
pub use self::{
    brief::{Brief, End},
    fields::Outcome,
    sensor::Sensor,
};

/// Version of the Elastic Common Schema.
pub const ECS_VERSION: &str = "9.3.0";

/// A document, ready to be written.
#[derive(Clone, Debug)]
pub struct Document {
    id: String,
    line: String,
    brief: Brief,
}

impl Document {
    fn of(id: String, body: &impl Briefed) -> Self {
        // Plain data with text keys: this does not fail.
        Self { id, line: serde_json::to_string(body).unwrap_or_default(), brief: body.brief() }
    }

    /// What outputs with a format of their own say of it.
    #[must_use]
    pub const fn brief(&self) -> &Brief {
        &self.brief
    }

    /// Its identifier, unique among all documents: two documents with the same identifier are the same.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The document as one line of JSON, without a line break.
    #[must_use]
    pub fn line(self) -> String {
        self.line
    }
}

/// The document of an event of an incident.
#[must_use]
pub fn incident(event: &IncidentEvent, sensor: &Sensor) -> Document {
    let body = incident::document(event, sensor);
    Document::of(format!("{}-{}", event.incident.id, event.sequence), &body)
}

/// The document of incidents that were only counted.
#[must_use]
pub fn quota(summary: &QuotaSummary, sensor: &Sensor) -> Document {
    Document::of(quota::id(summary), &quota::document(summary, sensor))
}

/// The identifier of that document.
#[must_use]
pub fn quota_id(summary: &QuotaSummary) -> String {
    quota::id(summary)
}

/// The document of incidents that have something in common.
#[must_use]
pub fn campaign(summary: &CampaignSummary, sensor: &Sensor) -> Document {
    Document::of(campaign::id(summary), &campaign::document(summary, sensor))
}

/// The document of a response.
#[must_use]
pub fn response(entry: &Entry, sensor: &Sensor) -> Document {
    Document::of(response::id(entry), &response::document(entry, sensor))
}

/// The document of a program that was run for an incident, which was over at this time.
#[must_use]
pub fn exec_run(at: Timestamp, run: &ExecRun, sensor: &Sensor) -> Document {
    Document::of(exec::id(at, run), &exec::document(at, run, sensor))
}

/// The document of a verdict that replaces another one, if there was one before.
#[must_use]
pub fn verdict(
    incident: &Incident,
    verdict_entry: &VerdictEntry,
    before: Option<Verdict>,
    sensor: &Sensor,
) -> Document {
    let body = verdict::document(incident, verdict_entry, before, sensor);
    Document::of(verdict::id(incident, verdict_entry), &body)
}

/// `event.severity` of responses.
pub const RESPONSE_SEVERITY: Severity = response::SEVERITY;

/// The document of a finished connection.
#[must_use]
pub fn flow(summary: &FlowSummary, sensor: &Sensor) -> Document {
    Document::of(flow::id(&summary.view()), &flow::document(summary, sensor))
}

/// The identifier of the document of a finished connection.
#[must_use]
pub fn flow_id(summary: &FlowSummary) -> String {
    flow::id(&summary.view())
}

/// The name of the data stream of such documents.
#[must_use]
pub fn data_stream(kind: DocumentKind) -> String {
    fields::DataStream::of(kind).name()
}

/// The name of a service in `smb_sensor.service`.
#[must_use]
pub const fn service(service: Service) -> &'static str {
    endpoint::service(service)
}

/// The JSON schemas of all documents, by file name.
#[must_use]
pub fn schemas() -> [(&'static str, Schema); 7] {
    [
        ("incident.schema.json", schema::<incident::IncidentDocument>("An event of an incident")),
        ("quota.schema.json", schema::<quota::QuotaDocument>("Incidents that were counted and not opened")),
        (
            "campaign.schema.json",
            schema::<campaign::CampaignDocument>("Incidents that have something in common"),
        ),
        ("response.schema.json", schema::<response::ResponseDocument>("Something that was done")),
        ("exec.schema.json", schema::<exec::ExecDocument>("A program that was run for an incident")),
        ("verdict.schema.json", schema::<verdict::VerdictDocument>("A verdict on an incident")),
        ("flow.schema.json", schema::<flow::FlowDocument>("A connection that is over")),
    ]
}

fn schema<T: JsonSchema>(title: &str) -> Schema {
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema
}
