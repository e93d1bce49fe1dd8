//! Metrics of documents, the store and the outputs.

use std::fmt;

use super::families::{Families, seconds};
use crate::{http::snapshot::Snapshot, storage::StorageCounts};

pub(super) fn encode(
    snapshot: &Snapshot,
    store: &StorageCounts,
    store_bytes: Option<u64>,
    families: &mut Families<'_>,
) -> fmt::Result {
    let output = &snapshot.statistics.output;
    families.counter("documents", "Documents that were made", output.documents)?;
    families.gauge("unsaved_documents", "Documents that are not in the store yet", output.unsaved as f64)?;
    families.counter(
        "dropped_documents",
        "Documents that the store never took and that did not fit into memory",
        output.dropped,
    )?;
    families.counter(
        "lost_documents",
        "Documents that the store refused or could not read from a damaged database",
        store.lost,
    )?;
    families.counter(
        "expired_documents",
        "Documents that were removed as too old or too many",
        store.expired,
    )?;
    families.gauge("store_waiting_batches", "Batches that wait for the store", store.waiting as f64)?;
    families.counter("store_commits", "Batches that the store committed", store.committed)?;
    families.counter("store_commit_failures", "Commits that failed and were tried again", store.failures)?;
    families.counter(
        "store_refused_batches",
        "Batches that the store had no room for at first",
        store.refused,
    )?;
    families.gauge(
        "store_failing",
        "Whether the last commit failed: 1 or 0",
        f64::from(u8::from(store.is_failing)),
    )?;
    if let Some(bytes) = store_bytes {
        families.gauge("store_size_bytes", "Size of the database and its write-ahead log", bytes as f64)?;
    }
    outputs(snapshot, families)
}

fn outputs(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let all = || snapshot.outputs.iter().map(|one| ([("output", one.name.as_str())], one));
    families.gauges(
        "output_up",
        "Whether an output could deliver when that was last seen: 1 or 0",
        all().filter_map(|(labels, one)| Some((labels, f64::from(u8::from(one.ability.as_ref()?.is_ok()))))),
    )?;
    families.counters(
        "output_delivered_documents",
        "Documents that an output delivered",
        all().map(|(labels, one)| (labels, one.written)),
    )?;
    families.gauges(
        "output_waiting_documents",
        "Documents in the store that an output has not reached: its lag",
        all().map(|(labels, one)| (labels, one.waiting as f64)),
    )?;
    families.counters(
        "output_errors",
        "Attempts of an output that failed",
        all().map(|(labels, one)| (labels, one.errors)),
    )?;
    families.counters(
        "output_refused_documents",
        "Documents that the destination of an output refused for good",
        all().map(|(labels, one)| (labels, one.refused)),
    )?;
    families.counters(
        "output_lost_documents",
        "Documents that the store removed before an output delivered them",
        all().map(|(labels, one)| (labels, one.lost)),
    )?;
    families.latencies(
        "output_delivery_duration_seconds",
        "Time from making an incident's document until an output delivered it",
        all().map(|(labels, one)| (labels, &one.latency)),
    )?;
    families.gauges(
        "output_last_success_time_seconds",
        "When an output last delivered something, since the Unix epoch",
        all().filter_map(|(labels, one)| Some((labels, seconds(one.last_success?)))),
    )
}
