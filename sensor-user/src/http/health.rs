//! `/healthz` and `/readyz`: whether the agent works, and whether it can do its job.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sensor_dissect::escape::shown;

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
    reader_silent(snapshot?.taken, now, HANGS)
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
    let mut reasons: Vec<String> = reader_silent(snapshot.taken, now, SILENT).into_iter().collect();
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

/// Outputs that cannot deliver. The agent is ready all the same: their documents wait in the store.
pub(super) fn notes(snapshot: Option<&Snapshot>) -> Vec<String> {
    let outputs = snapshot.into_iter().flat_map(|snapshot| &snapshot.outputs);
    outputs
        .filter_map(|one| {
            let reason = one.ability.as_ref()?.as_ref().err()?;
            Some(format!("the output {} cannot deliver: {}", one.name, shown(reason.as_bytes())))
        })
        .collect()
}

/// What there is to say of a reader with its last sign of life at `last`.
fn reader_silent(last: Instant, now: Instant, limit: Duration) -> Option<String> {
    let silent = now.saturating_duration_since(last);
    (silent >= limit).then(|| format!("the reader has not worked for {} s", silent.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_is_silent_after_its_limit() {
        let last = Instant::now();
        assert_eq!(reader_silent(last, last + Duration::from_secs(29), HANGS), None);
        let words = reader_silent(last, last + Duration::from_secs(31), HANGS).unwrap();
        assert_eq!(words, "the reader has not worked for 31 s");
    }

    #[test]
    fn store_is_stuck_while_batches_wait_and_none_is_committed() {
        let (watch, begin) = (StoreWatch::new(), Instant::now());
        let at = |second, waiting, committed| {
            let counts = StorageCounts { waiting, committed, ..StorageCounts::default() };
            watch.look(&counts, begin + Duration::from_secs(second)).as_secs()
        };
        assert_eq!(at(1, 0, 7), 0, "nothing waits");
        assert_eq!((at(2, 3, 7), at(9, 3, 7)), (1, 8));
        assert_eq!(at(10, 2, 8), 0, "something was committed");
        assert_eq!(at(14, 9, 8), 4);
    }
}
