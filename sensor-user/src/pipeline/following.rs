//! Keeps the state in the store in step with the records of the kernel program.
//!
//! Where the kernel program outlives the agent, each connection is saved when it changes. The same transaction saves the
//! documents and incidents that result from the change, and the position in the ring. So the next agent knows which records that
//! state contains, and reads the others again: none is lost, and none counts twice. The ring keeps records until they are saved.
//!
//! In a flood that would be too much work. Then connections are saved every few seconds, as if the kernel program ended with the
//! agent, and the ring keeps no records for them.

use std::time::Duration;

use sensor_core::{
    Input,
    time::{Moment, Timestamp},
};

use super::{Batch, LAST_WRITES, Pipeline, SAVE_CONNECTIONS};
use crate::storage::RingPlace;

/// Time between two savings of connections that changed.
const SAVE: Duration = Duration::from_millis(100);

/// Connections that are saved at a time. If more changed, none is saved by itself until the next saving of all.
const MAX_CHANGED: usize = 2_000;

/// Connections that a saving of all may have. Of more, those of incidents are saved.
const MAX_ALL: usize = 16_384;

/// How far the state in the store is.
#[derive(Debug)]
pub struct Following {
    /// Up to where records were taken from the ring.
    place: RingPlace,
    /// The store has every connection, apart from those that changed since.
    complete: bool,
    saved_at: Option<Timestamp>,
    /// When all were saved last.
    all_saved_at: Option<Timestamp>,
}

impl Following {
    /// Follows a ring from here on.
    #[must_use]
    pub const fn from(place: RingPlace) -> Self {
        Self { place, complete: false, saved_at: None, all_saved_at: None }
    }

    pub(super) const fn read_until(&mut self, position: u64) {
        self.place.position = position;
    }

    /// Packets that were accounted to connections before.
    pub(super) const fn accounted(&self) -> i64 {
        self.place.accounted
    }

    /// How much of the ring was taken, if so many packets are accounted now.
    pub(super) const fn place(&self, accounted: i64) -> RingPlace {
        RingPlace { accounted, ..self.place }
    }

    /// The position from which on records must stay in the ring, if `committed` is how much of it is saved.
    pub(super) fn unsaved_from(&self, committed: u64) -> Option<u64> {
        self.complete.then(|| committed.min(self.place.position))
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether a saving of all takes the connections without an incident too.
    pub(super) const fn takes_all(&self, connections: usize) -> bool {
        connections <= MAX_ALL
    }

    /// Whether connections that changed are to be saved now.
    pub(super) fn is_due(&self, changed: usize, now: Timestamp) -> bool {
        self.complete && changed > 0 && self.saved_at.is_none_or(|at| now.distance(at) >= SAVE)
    }

    /// Whether to save all, since more changed than are saved one by one: so the store lacks nothing, unless this happened a moment ago.
    pub(super) fn is_to_save_all(&self, changed: usize, now: Timestamp) -> bool {
        let is_soon = self.all_saved_at.is_some_and(|at| now.distance(at) < SAVE_CONNECTIONS);
        self.complete && changed > MAX_CHANGED && !is_soon
    }

    /// Whether to save this many connections that changed, one by one. `with_all` says that all are saved at the same time.
    pub(super) fn takes(&mut self, changed: usize, with_all: bool, now: Timestamp) -> bool {
        self.saved_at = Some(now);
        if with_all {
            self.complete = true;
            self.all_saved_at = Some(now);
            return false;
        }
        self.complete &= changed <= MAX_CHANGED;
        self.complete
    }
}

impl Pipeline {
    /// Saves each connection that changes, with the position in the ring up to which `following` knows it.
    #[must_use]
    pub fn with_following(mut self, following: Following) -> Self {
        self.core.follow_connections();
        self.core.flows_mut().set_accounted(following.accounted());
        self.following = Some(following);
        self
    }

    /// All records before this position in the ring were taken.
    pub const fn read_until(&mut self, position: u64) {
        if let Some(following) = &mut self.following {
            following.read_until(position);
        }
    }

    /// The position in the ring from which on records must stay there, because what they say is not stored yet.
    #[must_use]
    pub fn unsaved_from(&self) -> Option<u64> {
        self.following.as_ref()?.unsaved_from(self.output.ring_committed())
    }

    /// Another kernel program counts from here on, with slots of its own.
    pub fn begin_slots(&mut self) {
        self.core.flows_mut().begin_slots();
    }

    /// The end of the run, while the kernel program continues to count: writes everything, and ends nothing.
    pub fn pause(&mut self, now: Moment) {
        self.core.step(Input::Pause, now, &mut self.events);
        self.saved_at = None;
        self.write(now);
        self.output.settle(LAST_WRITES);
    }

    /// Saves the connections that changed now, however short a time ago the last ones were saved.
    pub fn save_changed(&mut self, now: Moment) {
        if let Some(following) = &mut self.following {
            following.saved_at = None;
        }
        self.write(now);
    }

    /// Adds the connections that changed, and how much of the ring the batch contains.
    pub(super) fn follow(&mut self, batch: &mut Batch, now: Timestamp) {
        let Some(following) = &mut self.following else { return };
        let changed = self.core.changed_connections();
        if following.takes(changed, batch.connections.is_some(), now) {
            batch.changed_connections = self.core.take_changed_connections();
        } else {
            self.core.flows_mut().forget_changed();
        }
        batch.ring = Some(following.place(self.core.flows().accounted_packets()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn following() -> Following {
        Following::from(RingPlace { program: 7, position: 100, accounted: 3 })
    }

    const fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_unix_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn connections_are_saved_one_by_one_after_all_were_saved() {
        let mut following = following();
        assert!(!following.takes(1, false, at(0)) && !following.is_due(1, at(1_000)));
        assert_eq!(following.unsaved_from(100), None, "the ring waits for nothing that is not saved");
        assert!(!following.takes(1, true, at(0)), "that one is among all");
        assert!(following.is_complete() && following.takes(3, false, at(10)));
        assert!(!following.is_due(0, at(1_000)) && !following.is_due(1, at(100)));
        assert!(following.is_due(1, at(110)));
    }

    #[test]
    fn ring_keeps_what_is_not_saved() {
        let mut following = following();
        let _ = following.takes(0, true, at(0));
        following.read_until(500);
        let place = RingPlace { program: 7, position: 500, accounted: 9 };
        assert_eq!((following.place(9), following.unsaved_from(200)), (place, Some(200)));
        assert_eq!(following.unsaved_from(0), Some(0), "nothing was committed yet");
    }

    #[test]
    fn many_that_change_at_once_are_saved_with_all_the_others_but_not_time_after_time() {
        let mut following = following();
        assert!(!following.is_to_save_all(MAX_CHANGED + 1, at(0)), "that is due anyway");
        let _ = following.takes(0, true, at(0));
        assert!(!following.is_to_save_all(MAX_CHANGED, at(5_000)));
        assert!(!following.is_to_save_all(MAX_CHANGED + 1, at(4_999)));
        assert!(following.is_to_save_all(MAX_CHANGED + 1, at(5_000)));
        assert!(!following.takes(MAX_CHANGED + 1, true, at(5_000)) && following.is_complete());
        assert!(!following.is_to_save_all(MAX_CHANGED + 1, at(5_100)));
    }

    #[test]
    fn flood_is_not_saved_one_by_one() {
        let mut following = following();
        let _ = following.takes(0, true, at(0));
        assert!(!following.takes(MAX_CHANGED + 1, false, at(100)) && !following.is_complete());
        assert!(!following.takes(1, false, at(200)), "the store lacks what was left out");
        assert_eq!(following.unsaved_from(0), None);
        let _ = following.takes(1, true, at(5_000));
        assert!(following.takes(1, false, at(5_100)));
    }
}
