//! What the pipeline keeps from one run to the next: known terms, the time by which they grow old, and what is only counted.

use log::warn;

use super::Pipeline;
use crate::{alert::rfc3339, kernel::ticks::Moment, terms::{Clocks, KnownTerms as _}};

/// Time before a store that failed is tried again, nanoseconds.
const STORE_RETRY: i128 = 1_000_000_000;

impl Pipeline {
    /// Tells what the clocks say, before anything is judged at that moment.
    pub fn keep_time(&mut self, now: Clocks) {
        let Some(step) = self.terms.keep_time(now) else { return };
        let learning = match self.terms.learning_until(now.wall) {
            Some(until) => format!(", and learning goes on until {}", rfc3339(until)),
            None => String::new(),
        };
        warn!(
            "the wall clock was set from {} to {}: known destinations are no older for it{learning}",
            rfc3339(step.from),
            rfc3339(step.to)
        );
    }

    /// Keeps what is hidden as it is counted now, if that changed: a crash loses what a second brought at most.
    pub(super) fn keep_counts(&mut self, now: Moment) {
        if let Some(standing) = self.ask(now, |teller| teller.book.standing(&teller.context)) {
            self.output.keep(standing);
        }
    }

    /// Saves what the documents made known once they are safe: a crash in between tells a destination twice, never not at all.
    pub fn write(&mut self, now: Moment) {
        if self.output.numbers().unsaved > 0 {
            return;
        }
        if self.store_failing.is_some_and(|at| (now.unix_nanos - at).abs() < STORE_RETRY) {
            return;
        }
        match self.terms.commit(now.unix_nanos) {
            Err(error) => {
                if self.store_failing.is_none() {
                    warn!("known destinations are not saved yet and tried again: {error}");
                }
                self.store_failing = Some(now.unix_nanos);
            }
            Ok(()) if self.store_failing.take().is_some() => warn!("known destinations are saved again"),
            Ok(()) => {}
        }
    }
}
