//! The document of a program that was run for an incident.

use schemars::JsonSchema;
use sensor_core::time::Timestamp;
use sensor_dissect::escape::shown;
use serde::Serialize;

use super::{
    Sensor,
    brief::{Brief, Briefed},
    fields::{Category, DataStream, Ecs, Event, EventKind, EventType, Observer, Outcome, User},
    response::SEVERITY,
};
use crate::{
    response::exec::{ExecResult, ExecRun},
    rfc3339::rfc3339,
    storage::DocumentKind,
};

/// The document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecDocument {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    data_stream: DataStream,
    message: String,
    event: Event,
    process: Process,
    user: User,
    observer: Observer,
    smb_sensor: SmbSensor,
}

impl Briefed for ExecDocument {
    fn brief(&self) -> Brief {
        Brief {
            incident: Some(self.smb_sensor.exec.incident.clone()),
            message: Some(self.message.clone()),
            ..Brief::of(&self.event, &self.observer)
        }
    }
}

/// ECS `process`: the program.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Process {
    executable: String,
    exit_code: Option<i32>,
}

/// Fields that are not in ECS.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbSensor {
    exec: ExecFields,
}

/// A run.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExecFields {
    /// The incident whose document the program was given.
    incident: String,
    /// `succeeded`, `failed`, `timed-out` or `not-started`.
    result: &'static str,
    /// The signal that ended it.
    signal: Option<i32>,
    /// Why it was not started.
    reason: Option<String>,
    /// The end of its standard error.
    stderr: Option<String>,
}

/// Its identifier.
pub(super) fn id(at: Timestamp, run: &ExecRun) -> String {
    format!("exec-ended-{}-{}-{}", run.incident, run.number, at.unix_nanos())
}

/// Builds the document.
pub(super) fn document(at: Timestamp, run: &ExecRun, sensor: &Sensor) -> ExecDocument {
    let (code, signal, reason) = match &run.result {
        ExecResult::Exited(code) => (Some(*code), None, None),
        ExecResult::Signalled(signal) => (None, Some(*signal), None),
        ExecResult::TimedOut => (None, None, None),
        ExecResult::NotStarted(reason) => (None, None, Some(reason.clone())),
    };
    let (start, end) = (at - run.took, rfc3339(at));
    ExecDocument {
        timestamp: end.clone(),
        ecs: Ecs::new(),
        data_stream: DataStream::of(DocumentKind::Incident),
        message: format!("{} {}, for incident {}", run.program, run.result, run.incident),
        event: Event {
            kind: EventKind::Event,
            category: vec![Category::Process],
            types: vec![if reason.is_some() { EventType::Info } else { EventType::End }],
            action: "exec-ended".to_owned(),
            outcome: if code == Some(0) { Outcome::Success } else { Outcome::Failure },
            module: "smb_sensor",
            dataset: DocumentKind::Incident.dataset(),
            id: Some(id(at, run)),
            sequence: None,
            severity: Some(SEVERITY),
            risk_score: None,
            start: rfc3339(start),
            end: end.clone(),
            duration: u64::try_from(run.took.as_nanos()).unwrap_or(u64::MAX),
            created: None,
            ingested: Some(end),
        },
        process: Process { executable: run.program.clone(), exit_code: code },
        user: User { id: None, name: Some(run.user.clone()), domain: None },
        observer: Observer::of(sensor, None),
        smb_sensor: SmbSensor {
            exec: ExecFields {
                incident: run.incident.clone(),
                result: run.result.name(),
                signal,
                reason,
                stderr: (!run.stderr.is_empty()).then(|| shown(&run.stderr)),
            },
        },
    }
}
