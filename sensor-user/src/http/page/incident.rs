//! One incident in full.

use anyhow::Result;
use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use sensor_core::{
    incident::{ConnectionRecord, FindingRecord, Incident, message, steps},
    level::{EvidenceLevel, Severity},
    rules::sentence::bytes,
};
use sensor_dissect::escape::shown;

use super::{
    block::BlockForm,
    decoded,
    exempt::ExemptForm,
    format::second,
    frame::{Frame, not_found, rendered, unavailable},
    picture::{Hosts, Timeline},
    read,
    verdict::VerdictForm,
};
use crate::{
    alerts,
    http::Source,
    response::VerdictEntry,
    rfc3339::rfc3339,
    storage::{IncidentRow, Reader},
};

/// Digits of an identifier.
const DIGITS: usize = 16;

#[derive(Template)]
#[template(path = "incident.html")]
struct Page {
    frame: Frame,
    id: String,
    severity: Severity,
    risk_score: u8,
    is_open: bool,
    sentence: String,
    opened: (String, String),
    last: (String, String),
    /// Evidence levels, and whether the incident got there.
    ladder: Vec<(&'static str, bool, bool)>,
    hosts: Hosts,
    timeline: Timeline,
    steps: Vec<String>,
    hint: Option<String>,
    benign: String,
    exempt: Option<ExemptForm>,
    verdict: Option<Given>,
    verdict_form: Option<VerdictForm>,
    block: Option<BlockForm>,
    findings: Vec<Finding>,
    connections: Vec<Connection>,
    lines: Vec<String>,
}

/// The verdict, as shown.
struct Given {
    verdict: &'static str,
    by: String,
    at: (String, String),
    note: String,
}

/// Forms that were sent and not taken.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) exempt: Option<ExemptForm>,
    pub(super) verdict: Option<VerdictForm>,
}

struct Finding {
    rule: String,
    severity: Severity,
    risk_score: u8,
    techniques: String,
    found: String,
    fact: String,
}

struct Connection {
    first: String,
    client: String,
    server: String,
    level: EvidenceLevel,
    left: String,
    came: String,
    is_open: bool,
}

pub(super) async fn page(State(source): State<Source>, Path(id): Path<String>) -> Response {
    let id = id.to_ascii_lowercase();
    let is_identifier =
        !id.is_empty() && id.len() <= DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    read(source, move |source, reader| {
        let unknown = || not_found(source, format!("There is no incident {}.", shown(id.as_bytes())));
        if !is_identifier {
            return Ok(unknown());
        }
        // A beginning of an identifier, as in the list of the command, leads to the whole one.
        if id.len() < DIGITS {
            return Ok(match reader.incident(&id) {
                Ok(Some(row)) => Redirect::to(&format!("/incidents/{}", row.id)).into_response(),
                Ok(None) => unknown(),
                Err(error) => unavailable(source, &error.into()),
            });
        }
        let Some(row) = reader.identified(&id)? else { return Ok(unknown()) };
        rendered_with(source, reader, &row, Sent::default())
    })
    .await
}

/// The page of an incident, with forms as they were sent.
pub(super) fn rendered_with(
    source: &Source,
    reader: &Reader,
    row: &IncidentRow,
    sent: Sent,
) -> Result<Response> {
    let incident = decoded(row)?;
    let text = alerts::in_full(&incident, reader)?;
    let verdict_entry = alerts::verdict_entry(&row.id, reader)?;
    let mut page = Page::of(&incident, &text, Frame::of(source, "incidents"));
    page.exempt = sent.exempt.or_else(|| ExemptForm::of(source, &incident, verdict_entry.as_ref()));
    page.verdict_form = sent.verdict.or_else(|| VerdictForm::of(source, &row.id));
    page.block = BlockForm::of(source, &incident);
    page.verdict = verdict_entry.as_ref().map(Given::of);
    Ok(rendered(&page))
}

impl Given {
    fn of(verdict_entry: &VerdictEntry) -> Self {
        Self {
            verdict: verdict_entry.verdict.name(),
            by: shown(verdict_entry.by.to_string().as_bytes()),
            at: (second(verdict_entry.at), rfc3339(verdict_entry.at)),
            note: shown(verdict_entry.note.as_deref().unwrap_or_default().as_bytes()),
        }
    }
}

impl Page {
    /// The page without verdict and forms.
    fn of(incident: &Incident, text: &str, frame: Frame) -> Self {
        let steps = steps::steps(incident, true);
        let level = |level: EvidenceLevel| (level.name(), incident.level >= level, incident.level == level);
        // A refusal is an end, and no step on the way.
        let is_step = |level: &EvidenceLevel| *level != EvidenceLevel::Refused || incident.level == *level;
        Self {
            frame,
            id: incident.id.to_string(),
            severity: incident.severity,
            risk_score: incident.risk_score,
            is_open: incident.closed.is_none(),
            sentence: shown(message::sentence(incident).as_bytes()),
            opened: (second(incident.opened), rfc3339(incident.opened)),
            last: (second(incident.last), rfc3339(incident.last)),
            ladder: EvidenceLevel::ALL.into_iter().filter(is_step).map(level).collect(),
            hosts: Hosts::of(incident),
            timeline: Timeline::of(incident),
            steps: steps.in_order().map(|step| shown(step.as_bytes())).collect(),
            hint: steps.hint.clone(),
            benign: shown(steps.benign.as_bytes()),
            exempt: None,
            verdict: None,
            verdict_form: None,
            block: None,
            findings: findings(incident),
            connections: incident.connections.iter().map(Connection::of).collect(),
            lines: text.lines().map(str::to_owned).collect(),
        }
    }
}

/// The leading finding first, then the worst.
fn findings(incident: &Incident) -> Vec<Finding> {
    let mut findings: Vec<&FindingRecord> = incident.findings.values().collect();
    findings
        .sort_by_key(|one| (one.rule != incident.rule, std::cmp::Reverse((one.severity, one.risk_score))));
    findings
        .into_iter()
        .map(|one| Finding {
            rule: shown(one.rule.as_bytes()),
            severity: one.severity,
            risk_score: one.risk_score,
            techniques: one.techniques.join(" "),
            found: second(one.first),
            fact: shown(one.fact.as_bytes()),
        })
        .collect()
}

impl Connection {
    fn of(record: &ConnectionRecord) -> Self {
        Self {
            first: second(record.first),
            client: record.client.to_string(),
            server: record.server.to_string(),
            level: record.level,
            left: bytes(record.bytes_left),
            came: bytes(record.bytes_came),
            is_open: !record.closed,
        }
    }
}
