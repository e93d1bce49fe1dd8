//! The counters of a packet that was kept.

use super::enforce::Enforced;
use crate::counter::Counter;

/// A packet that was accounted to its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// It took the slot of another flow, and one record reported both.
    pub replaced: bool,
    /// What enforcement decided.
    pub enforced: Enforced,
}

impl Kept {
    /// Calls `count` for every counter to increment.
    #[inline(always)]
    pub fn each(self, mut count: impl FnMut(Counter, u64)) {
        count(Counter::Seen, 1);
        count(Counter::Kept, 1);
        if self.replaced {
            count(Counter::Evicted, 1);
            count(Counter::RecordsSent, 2);
        }
        match self.enforced {
            Enforced::Pass => {}
            Enforced::WouldDropOutbound => count(Counter::WouldDropOutbound, 1),
            Enforced::WouldDropInbound => count(Counter::WouldDropInbound, 1),
            Enforced::DropOutbound => {
                count(Counter::WouldDropOutbound, 1);
                count(Counter::DroppedOutbound, 1);
            }
            Enforced::DropInbound => {
                count(Counter::WouldDropInbound, 1);
                count(Counter::DroppedInbound, 1);
            }
        }
    }
}
