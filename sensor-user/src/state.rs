//! Converts the core's state to rows of the store, and back.

mod ended;

use std::{collections::BTreeMap, net::IpAddr};

use sensor_core::{
    StateChanges,
    event::Event,
    exempt::Hit,
    flow::{ChangedFlow, StoredFlow},
    incident::{Incident, Link, StoredIncident},
    terms::{TermClock, TermRow},
};
use serde::{Serialize, de::DeserializeOwned};
use tracing::warn;

pub use self::ended::EndedFlow;
use crate::{
    ecs,
    response::{StoredBlocks, VerdictEntry},
    storage::{
        BLOCKS, Contact, IncidentRow, QuotaRow, RingPlace, RowBatch, Rows, TERM_CLOCK, VerdictRow, day_of,
    },
};

/// The state of an earlier run.
#[derive(Default)]
pub struct Restored {
    /// Incidents.
    pub incidents: Vec<StoredIncident>,
    /// Connections that were open.
    pub connections: Vec<StoredFlow<Link>>,
    /// Known terms.
    pub terms: Vec<TermRow>,
    /// Their clock; `None` at the first start.
    pub clock: Option<TermClock>,
    /// Hits of exemptions.
    pub hits: BTreeMap<String, Hit>,
    /// Blocks.
    pub blocks: StoredBlocks,
    /// How much of the ring the state contains.
    pub ring: Option<RingPlace>,
}

impl Restored {
    /// Reads the rows. A row that this version cannot read is skipped and reported; the rest is used.
    #[must_use]
    pub fn of(rows: &Rows) -> Self {
        let mut unreadable = 0_usize;
        let mut read_all = |all: &mut dyn Iterator<Item = &Vec<u8>>| -> Vec<_> {
            all.filter_map(|bytes| read(bytes, &mut unreadable)).collect()
        };
        let connections = read_all(&mut rows.connections.iter());
        let incidents = rows.incidents.iter().filter_map(|row| read(&row.state, &mut unreadable)).collect();
        let hits = rows
            .hits
            .iter()
            .filter_map(|(id, bytes)| Some((id.clone(), read(bytes, &mut unreadable)?)))
            .collect();
        let terms = rows
            .terms
            .iter()
            .filter_map(|(rule, value, last)| {
                Some(TermRow { rule: rule.clone(), address: value.parse().ok()?, last: *last })
            })
            .collect();
        let clock = rows.meta.get(TERM_CLOCK).and_then(|bytes| read(bytes, &mut unreadable));
        let blocks = rows.meta.get(BLOCKS).and_then(|bytes| read(bytes, &mut unreadable)).unwrap_or_default();
        if unreadable > 0 {
            warn!("{unreadable} rows of the store cannot be read by this version and are ignored");
        }
        Self { incidents, connections, terms, clock, hits, blocks, ring: rows.ring() }
    }
}

/// The incident of a row.
///
/// # Errors
/// Why it cannot be read.
pub fn incident(row: &IncidentRow) -> Result<Incident, String> {
    stored_incident(row).map(|stored| stored.incident)
}

/// The incident of a row, with what it has that others may have too.
///
/// # Errors
/// Why it cannot be read.
pub fn stored_incident(row: &IncidentRow) -> Result<StoredIncident, String> {
    rmp_serde::from_slice(&row.state).map_err(|error| error.to_string())
}

/// The verdict of a row.
///
/// # Errors
/// Why it cannot be read.
pub fn verdict_entry(row: &VerdictRow) -> Result<VerdictEntry, String> {
    rmp_serde::from_slice(&row.state).map_err(|error| error.to_string())
}

/// The row of a verdict.
#[must_use]
pub fn verdict_row(incident: String, verdict_entry: &VerdictEntry) -> VerdictRow {
    VerdictRow { incident, state: bytes(verdict_entry) }
}

/// Whether the stored incident holds this address somewhere. Most rows need not be read as a whole to see that they do not.
#[must_use]
pub fn may_hold(row: &IncidentRow, address: IpAddr) -> bool {
    let stored = bytes(&address);
    row.state.windows(stored.len()).any(|part| part == stored)
}

/// Adds changed state to a batch of rows.
pub fn add_changes(changes: &StateChanges, batch: &mut RowBatch) {
    batch.incidents.extend(changes.incidents.iter().map(incident_row));
    batch.contacts.extend(changes.incidents.iter().flat_map(|stored| contacts(&stored.incident)));
    let terms = &changes.terms;
    batch.terms.extend(terms.rows.iter().map(|row| (row.rule.clone(), row.address.to_string(), row.last)));
    batch.forgotten_terms.extend(terms.forgotten.iter().map(|(rule, before)| ((*rule).to_owned(), *before)));
    if terms.clock != TermClock::default() {
        batch.meta.push((TERM_CLOCK, bytes(&terms.clock)));
    }
}

/// Which hosts of an incident had to do with each other on its first and its last day; of many hosts those that it lists.
fn contacts(incident: &Incident) -> impl Iterator<Item = Contact> {
    let (internal, external) = (&incident.internal.addresses, &incident.external.addresses);
    let pairs =
        internal.iter().flat_map(move |internal| external.iter().map(move |external| (internal, external)));
    let days = [incident.first, incident.last].map(|at| day_of(at.unix_nanos()));
    let times = [Some(incident.first), (days[0] != days[1]).then_some(incident.last)];
    pairs.flat_map(move |(internal, external)| {
        times.into_iter().flatten().map(move |at| Contact {
            external: external.to_string(),
            internal: internal.to_string(),
            at: at.unix_nanos(),
            level: incident.level,
        })
    })
}

/// Adds what is read of summaries, of connections and of the quota, to a batch of rows with their documents.
pub fn add_summaries(events: &[Event], batch: &mut RowBatch) {
    for event in events {
        match event {
            Event::Flow(summary) => {
                batch.flows.push((ecs::flow_id(summary), bytes(&EndedFlow::of(summary))));
            }
            Event::Quota(summary) => batch.quotas.push(QuotaRow {
                document: ecs::quota_id(summary),
                rule: summary.rule.id.to_owned(),
                since: summary.since.unix_nanos(),
                held_back: summary.held_back,
            }),
            _ => {}
        }
    }
}

/// The latest connections that ended, as far as this version can read them.
#[must_use]
pub fn ended_flows(rows: &[Vec<u8>]) -> Vec<EndedFlow> {
    rows.iter().filter_map(|row| rmp_serde::from_slice(row).ok()).collect()
}

/// Adds open connections to a batch of rows.
pub fn add_connections(connections: &[StoredFlow<Link>], batch: &mut RowBatch) {
    let rows = connections.iter().map(|flow| (bytes(&flow.tuple()), bytes(flow)));
    batch.connections = Some(rows.collect());
}

/// Adds connections that changed to a batch of rows.
pub fn add_changed_connections(changed: &[ChangedFlow<Link>], batch: &mut RowBatch) {
    let rows = changed.iter().map(|(tuple, flow)| (bytes(tuple), flow.as_ref().map(bytes)));
    batch.changed_connections.extend(rows);
}

/// Adds hits of exemptions to a batch of rows.
pub fn add_hits(hits: &BTreeMap<String, Hit>, batch: &mut RowBatch) {
    batch.hits = Some(hits.iter().map(|(id, hit)| (id.clone(), bytes(hit))).collect());
}

/// Adds the blocks in force to a batch of rows.
pub fn add_blocks(blocks: &StoredBlocks, batch: &mut RowBatch) {
    batch.meta.push((BLOCKS, bytes(blocks)));
}

/// The stored hits of exemptions.
#[must_use]
pub fn hits(rows: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Hit> {
    Restored::of(&Rows { hits: rows, ..Rows::default() }).hits
}

/// The row of an incident.
#[must_use]
pub fn incident_row(stored: &StoredIncident) -> IncidentRow {
    let incident = &stored.incident;
    IncidentRow {
        id: incident.id.to_string(),
        severity: incident.severity,
        last: incident.last.unix_nanos(),
        open: incident.closed.is_none(),
        state: bytes(stored),
    }
}

/// Fields are stored by name, so that a later version can add some.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    // Plain data with plain keys: this does not fail.
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(bytes: &[u8], unreadable: &mut usize) -> Option<T> {
    let value = rmp_serde::from_slice(bytes);
    *unreadable += usize::from(value.is_err());
    value.ok()
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

    #[test]
    fn finds_the_addresses_of_a_stored_incident() {
        let mut leak = fixtures::leak_accepted();
        leak.external.addresses.push("2001:db8::200".parse().unwrap());
        let row = IncidentRow {
            id: "7f3a".into(),
            severity: leak.severity,
            last: 0,
            open: true,
            state: bytes(&leak),
        };
        let holds = |address: &str| may_hold(&row, address.parse().unwrap());
        assert!(holds("8.8.4.4") && holds("10.0.0.2") && holds("2001:db8::200"));
        assert!(!holds("9.9.9.9") && !holds("2001:db8::1"));
    }
}
