//! The journal as the output reads it: from a cursor that outlives the process.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    Entry, JournalError, Kind, Reader,
    threads::pause,
    writer::{Shared, State},
};

/// Documents that the output is given at a time.
const BATCH: usize = 256;

/// What the output reads.
pub struct Feed(Arc<Shared>);

impl Feed {
    pub(super) const fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The next documents for the output, in order; waits for them. `None` when the journal ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next(&self) -> Result<Option<Vec<Arc<Entry>>>, JournalError> {
        loop {
            let (cursor, first, flows) = {
                let mut state = self.0.lock();
                loop {
                    if state.ended {
                        return Ok(None);
                    }
                    // What is committed and behind the cursor comes first.
                    let first = state.staged.front().map_or(state.next, |(entry, _)| entry.sequence);
                    if state.cursor < first {
                        break (state.cursor, first, state.flows);
                    }
                    let found = at_hand(&state);
                    if !found.is_empty() {
                        return Ok(Some(found));
                    }
                    state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let found = self.stored(cursor, flows)?;
            if !found.is_empty() {
                return Ok(Some(found));
            }
            // Nothing that is committed is for the output.
            self.0.lock().cursor = first;
        }
    }

    fn stored(&self, cursor: u64, flows: bool) -> Result<Vec<Arc<Entry>>, JournalError> {
        let reader = Reader(Arc::clone(&self.0.store));
        let read = || {
            let now = reader.now()?;
            let mut found = now.from(Kind::Alert, cursor, BATCH)?;
            if flows {
                found.extend(now.from(Kind::Flow, cursor, BATCH)?);
                found.sort_by_key(|entry| entry.sequence);
                found.truncate(BATCH);
            }
            Ok(found)
        };
        read().map_err(|error| reader.error(error))
    }

    /// The output has taken this document: it goes on behind it, also after a restart.
    pub fn taken(&self, entry: &Entry) {
        let mut state = self.0.lock();
        state.cursor = entry.sequence + 1;
        state.numbers.waiting = state.numbers.waiting.saturating_sub(1);
        self.0.changed.notify_all();
    }

    /// Waits, or until the journal ends; tells whether it did.
    #[must_use]
    pub fn pause(&self, length: Duration) -> bool {
        pause(&self.0, length);
        self.0.lock().ended
    }
}

/// What is staged for the output.
fn at_hand(state: &State) -> Vec<Arc<Entry>> {
    let staged = state.staged.iter().map(|(entry, _)| entry);
    let wanted = staged.filter(|entry| entry.sequence >= state.cursor && state.takes(entry.kind));
    wanted.take(BATCH).map(Arc::clone).collect()
}
