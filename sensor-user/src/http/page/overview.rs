//! The first page: whether the sensor works, the packets that it sees, and the open incidents.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use sensor_common::counter::Counter;
use sensor_core::{level::Severity, rules::sentence::bytes};
use sensor_dissect::escape::shown;

use super::{
    decoded,
    format::{number, second},
    frame::{Frame, rendered},
    read,
    rows::Row,
};
use crate::{
    http::{Snapshot, Source, store_bytes},
    sinks::OutputStatus,
    storage::IdentifierQuery,
};

/// Incidents on the first page.
const LISTED: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    now: Option<Now>,
    rows: Vec<Row>,
    more: usize,
}

/// The state of the agent.
struct Now {
    /// Open incidents, the worst severity first.
    open: Vec<(&'static str, String)>,
    interfaces: Vec<(String, bool, String)>,
    seen: String,
    /// Outcomes of packets: name, number, share of all in percent.
    outcomes: Vec<(String, String, u64)>,
    lost: u64,
    unaccounted: i64,
    unparsed: String,
    connections: String,
    slots: String,
    outputs: Vec<OutputRow>,
    exemptions: Vec<(String, bool, String, String)>,
    facts: Vec<(&'static str, String)>,
}

struct OutputRow {
    name: String,
    delivered: String,
    waiting: u64,
    errors: u64,
    refused: u64,
    can_deliver: &'static str,
    last_success: String,
    last_error: String,
}

pub(super) async fn page(State(source): State<Source>) -> Response {
    read(source, |source, reader| {
        let open = IdentifierQuery { open: Some(true), ..IdentifierQuery::default() };
        let ids = reader.identifiers(&open)?;
        let mut rows = Vec::new();
        for id in ids.iter().take(LISTED) {
            rows.extend(
                reader.identified(id)?.map(|row| decoded(&row)).transpose()?.map(|one| Row::of(&one)),
            );
        }
        let now = source.snapshot().map(|snapshot| Now::of(&snapshot, source));
        let frame = Frame::of(source, "overview");
        Ok(rendered(&Overview { frame, now, rows, more: ids.len().saturating_sub(LISTED) }))
    })
    .await
}

impl Now {
    fn of(snapshot: &Arc<Snapshot>, source: &Source) -> Self {
        let all = &snapshot.statistics;
        let kernel = &all.kernel;
        let seen = kernel.get(Counter::Seen);
        let outcome = |counter: &Counter| {
            let count = kernel.get(*counter);
            let share = (count * 100).checked_div(seen).unwrap_or(0);
            (counter.name().replace('_', " "), number(count), share)
        };
        let outcomes = Counter::OUTCOMES.iter().filter(|one| kernel.get(**one) > 0).map(outcome).collect();
        let open = Severity::ALL.into_iter().zip(snapshot.incidents.open).rev();
        let (used, slots) = snapshot.slots;
        let kept = i64::try_from(kernel.get(Counter::Kept)).unwrap_or(i64::MAX);
        Self {
            open: open.map(|(severity, count)| (severity.name(), number(count))).collect(),
            interfaces: snapshot
                .interfaces
                .iter()
                .map(|one| {
                    let state = one.state.clone();
                    (shown(one.name.as_bytes()), state.is_ok(), state.unwrap_or_else(|reason| reason))
                })
                .collect(),
            seen: number(seen),
            outcomes,
            lost: kernel.sum(Counter::LOST_RECORDS),
            unaccounted: kept - all.flow_packets,
            unparsed: number(kernel.sum(Counter::UNPARSED)),
            connections: number(all.core.connections as u64),
            slots: format!("{} of {}", number(used as u64), number(slots as u64)),
            outputs: snapshot.outputs.iter().map(OutputRow::of).collect(),
            exemptions: snapshot
                .exemptions
                .iter()
                .map(|one| {
                    let last = one.last.map_or_else(|| "never".to_owned(), second);
                    (shown(one.id.as_bytes()), one.in_force, number(one.connections), last)
                })
                .collect(),
            facts: facts(snapshot, source),
        }
    }
}

impl OutputRow {
    fn of(status: &OutputStatus) -> Self {
        let error = status.last_error.as_ref();
        Self {
            name: status.name.clone(),
            delivered: number(status.written),
            waiting: status.waiting,
            errors: status.errors,
            refused: status.refused + status.lost,
            can_deliver: match &status.ability {
                None => "not known yet",
                Some(Ok(())) => "yes",
                Some(Err(_)) => "no",
            },
            last_success: status.last_success.map_or_else(|| "never".to_owned(), second),
            last_error: error
                .map(|(at, why)| format!("{}: {}", second(*at), shown(why.as_bytes())))
                .unwrap_or_default(),
        }
    }
}

fn facts(snapshot: &Snapshot, source: &Source) -> Vec<(&'static str, String)> {
    let store = source.committed.counts();
    let reloads = &snapshot.reloads;
    let mut facts = vec![
        ("running since", second(snapshot.started)),
        ("profile", snapshot.profile.to_owned()),
        ("enforcement", snapshot.enforcement.clone()),
        (
            "configuration",
            format!(
                "of {}{}",
                second(reloads.applied_at),
                if reloads.last_applied { "" } else { "; the last reload was refused" }
            ),
        ),
    ];
    if let Some(until) = snapshot.learning_until {
        facts.push((
            "learning",
            format!("until {}: no destination is reported as rare before", second(until)),
        ));
    }
    if let Some(size) = store_bytes(&source.state_dir) {
        facts.push(("database", bytes(size)));
    }
    let lost = snapshot.statistics.output.dropped + store.lost;
    facts.push(("documents", format!("{} made, {lost} lost", number(snapshot.statistics.output.documents))));
    facts
}
