//! The threads of the journal: one writes ahead what was pushed and hands it on, one commits it in groups. So the wait for the
//! disk holds up no alert.

use std::{
    mem,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use log::{debug, warn};

use super::{
    Entry, Reader,
    store::{Expired, Stand},
    writer::Shared,
};
use crate::wall_clock;

/// Time between two commits.
const GATHER: Duration = Duration::from_millis(20);

/// Time before a commit that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Time after which a cursor that moved is saved without documents to save; what was written in between may be written again
/// after a crash.
const CURSOR: Duration = Duration::from_secs(1);

/// Time after which old documents are looked for when nothing happens.
const IDLE: Duration = Duration::from_secs(3_600);

/// Commits what was written ahead and not committed. Gives the next place.
pub(super) fn take_in(reader: &Reader, left: Vec<Entry>, stand: &Stand) -> Result<u64, redb::Error> {
    let fresh: Vec<_> = left.into_iter().filter(|entry| entry.sequence >= stand.next).map(Arc::new).collect();
    let next = fresh.last().map_or(stand.next, |last| last.sequence + 1);
    if !fresh.is_empty() {
        reader.0.commit(&fresh, stand.cursor, now())?;
    }
    Ok(next)
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now() -> i64 {
    i64::try_from(wall_clock::now()).unwrap_or(i64::MAX)
}

/// The thread that writes ahead, and hands on.
pub(super) fn stage(shared: &Shared) {
    loop {
        let batch = {
            let mut state = shared.lock();
            while state.queue.is_empty() && !state.ended {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.queue.is_empty() {
                state.all_staged = true;
                shared.changed.notify_all();
                return;
            }
            state.staging = true;
            let batch = mem::take(&mut state.queue);
            (state.next..).zip(batch).map(|(sequence, entry)| Entry { sequence, ..entry }).collect::<Vec<_>>()
        };
        let mut ahead = shared.ahead();
        let written = ahead.append(&batch);
        let mut state = shared.lock();
        if let Err(error) = &written {
            // The commit that follows meets the same disk, and tells.
            debug!("the journal is not written ahead: {error}");
        } else {
            state.numbers.unsaved -= batch.len() as u64;
        }
        state.next += batch.len() as u64;
        state.staging = false;
        state.staged.extend(batch.into_iter().map(|entry| (Arc::new(entry), written.is_ok())));
        shared.changed.notify_all();
    }
}

/// The thread that commits.
pub(super) fn commit(shared: &Shared) {
    let mut saved = shared.lock().cursor;
    let mut failing = false;
    let mut losses = Losses::default();
    loop {
        let last = wait_for_work(shared, saved);
        // Nothing is staged between the two: what the one file has is what is committed now.
        let (entries, standing, cursor) = {
            let mut ahead = shared.ahead();
            ahead.switch();
            let state = shared.lock();
            let entries: Vec<_> = state.staged.iter().map(|(entry, _)| Arc::clone(entry)).collect();
            (entries, state.standing_now(), state.cursor)
        };
        match shared.store.commit_standing(&entries, standing.as_deref(), cursor, now()) {
            Ok(expired) => {
                if mem::take(&mut failing) {
                    warn!("the journal takes documents again");
                }
                saved = cursor;
                committed(shared, entries.len(), standing.as_ref(), &expired);
                losses.add(&expired);
                if let Err(error) = shared.ahead().clear() {
                    debug!("what is committed stays in the log ahead of the journal: {error}");
                }
            }
            Err(error) => {
                if !mem::replace(&mut failing, true) {
                    warn!(
                        "the journal does not take documents ({error}); they wait in memory and are tried again, and the output \
                         has them meanwhile"
                    );
                }
            }
        }
        if last {
            losses.tell();
            shared.store.close();
            return;
        }
        pause(shared, if failing { RETRY } else { GATHER });
    }
}

/// Waits until there is something to commit; tells whether it is the last.
fn wait_for_work(shared: &Shared, saved: u64) -> bool {
    let mut state = shared.lock();
    while state.staged.is_empty() && state.standing_now().is_none() && !state.all_staged {
        let patience = if state.cursor == saved { IDLE } else { CURSOR };
        let (waited, out) =
            shared.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
        state = waited;
        if out.timed_out() {
            break;
        }
    }
    state.all_staged
}

pub(super) fn pause(shared: &Shared, length: Duration) {
    let state = shared.lock();
    let waited = shared.changed.wait_timeout_while(state, length, |state| !state.ended);
    drop(waited);
}

fn committed(shared: &Shared, count: usize, standing: Option<&Arc<str>>, expired: &Expired) {
    let mut state = shared.lock();
    // What came meanwhile is for the next commit.
    state.standing.take_if(|newer| standing.is_some_and(|kept| Arc::ptr_eq(kept, newer)));
    for (entry, ahead) in state.staged.drain(..count).collect::<Vec<_>>() {
        state.bytes -= entry.size();
        state.numbers.unsaved -= u64::from(!ahead);
    }
    let flows = if state.flows { expired.flows_not_taken } else { 0 };
    let lost = expired.alerts_not_taken + flows;
    state.numbers.waiting = state.numbers.waiting.saturating_sub(lost);
    state.numbers.expired += expired.documents;
    state.numbers.expired_waiting += lost;
    shared.changed.notify_all();
}

/// Alerts that were dropped before the output had them, told once a minute at most.
#[derive(Default)]
struct Losses {
    untold: u64,
    told: Option<Instant>,
}

impl Losses {
    const PAUSE: Duration = Duration::from_secs(60);

    fn add(&mut self, expired: &Expired) {
        self.untold += expired.alerts_not_taken;
        if self.told.is_none_or(|told| told.elapsed() >= Self::PAUSE) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if self.untold > 0 {
            warn!(
                "the journal is over its bound: {} alert documents were dropped that the output had not taken. Mend the output, or \
                 raise journal.max_bytes",
                mem::take(&mut self.untold)
            );
            self.told = Some(Instant::now());
        }
    }
}
