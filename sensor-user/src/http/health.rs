//! `/healthz` and `/readyz`: whether the agent works, and whether it can do its job.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::snapshot::Snapshot;
use crate::storage::StorageCounts;

/// Time without a sign of life of the reader after which the agent counts as hanging.
const HANGS: Duration = Duration::from_secs(30);

/// Time without a sign of life of the reader, or without a commit while documents wait, after which it is not ready.
const SILENT: Duration = Duration::from_secs(5);

/// Watches whether the store commits what waits for it.
#[derive(Debug)]
pub(super) struct StoreWatch(Mutex<Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    committed: u64,
    /// When something was committed last, or nothing waited.
    at: Instant,
}

impl StoreWatch {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Seen { committed: 0, at: Instant::now() }))
    }

    /// Takes the counts at a moment; gives for how long batches have waited without a commit. To be called once a second.
    pub(super) fn look(&self, store: &StorageCounts, now: Instant) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if store.waiting == 0 || store.committed != seen.committed {
            *seen = Seen { committed: store.committed, at: now };
        }
        now.saturating_duration_since(seen.at)
    }
}

/// Why the agent does not work, if it does not.
pub(super) fn hangs(snapshot: Option<&Snapshot>, now: Instant) -> Option<String> {
    reader_silent(snapshot?, now, HANGS)
}

/// Why the agent is not ready; nothing if it is.
pub(super) fn not_ready(
    snapshot: Option<&Snapshot>,
    store: &StorageCounts,
    stuck: Duration,
    now: Instant,
) -> Vec<String> {
    let Some(snapshot) = snapshot else {
        return vec!["the agent is starting".to_owned()];
    };
    let mut reasons: Vec<String> = reader_silent(snapshot, now, SILENT).into_iter().collect();
    for interface in &snapshot.interfaces {
        if let Err(reason) = &interface.state {
            reasons.push(format!("interface {} is not watched: {reason}", interface.name));
        }
    }
    if store.is_failing {
        reasons.push("the store cannot write its database; the log says why".to_owned());
    } else if stuck >= SILENT {
        reasons.push(format!("the store has not committed anything for {} s", stuck.as_secs()));
    }
    reasons
}

fn reader_silent(snapshot: &Snapshot, now: Instant, limit: Duration) -> Option<String> {
    let silent = now.saturating_duration_since(snapshot.taken);
    (silent >= limit).then(|| format!("the reader has not worked for {} s", silent.as_secs()))
}
