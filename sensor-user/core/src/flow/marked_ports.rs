//! Marks of ports on which SMB was recognised, and when they expire.
//!
//! The kernel program marks such a port, and then keeps the flows there that are in a slot. This module takes the last packets
//! of SMB connections on unwatched ports, and says which marks have expired.

use std::{collections::HashMap, time::Duration};

use sensor_common::slot::mark;

use crate::{record::Observation, time::Timestamp};

/// Time that a mark stays after the last packet of an SMB connection.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// The ports on which SMB was recognised.
#[derive(Debug, Default)]
pub(super) struct MarkedPorts {
    /// When the last packet of an SMB connection passed on each, or when the mark was first seen.
    last: HashMap<u16, Timestamp>,
}

impl MarkedPorts {
    /// Takes an observation whose last packet passed at `last`.
    pub(super) fn observe(&mut self, seen: &Observation, last: Timestamp) {
        for (server, end) in
            [(mark::SERVER_IS_LOCAL, seen.id.tuple.local), (mark::SERVER_IS_REMOTE, seen.id.tuple.remote)]
        {
            if seen.marks & server != 0 {
                let known = self.last.entry(end.port()).or_insert(last);
                *known = last.max(*known);
            }
        }
    }

    /// The marked ports without SMB for an hour. Others are forgotten.
    pub(super) fn expired(&mut self, marked: &[u16], now: Timestamp) -> Vec<u16> {
        let mut kept = HashMap::with_capacity(marked.len());
        let mut expired = Vec::new();
        for port in marked {
            // A time in the future was noted before the clock was set back.
            let last = self.last.get(port).map_or(now, |last| (*last).min(now));
            if now.since(last) >= LIFETIME {
                expired.push(*port);
            } else {
                kept.insert(*port, last);
            }
        }
        self.last = kept;
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixtures::observed;

    const HOUR: i64 = 3_600;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn seen(marks: u16) -> Observation {
        Observation { marks, ..observed("8.8.4.4:4445") }
    }

    #[test]
    fn mark_ends_an_hour_after_the_last_smb_packet() {
        let mut ports = MarkedPorts::default();
        ports.observe(&seen(mark::SERVER_IS_REMOTE), at(0));
        assert!(ports.expired(&[4_445], at(HOUR - 1)).is_empty());
        // The same connection continues; others are no SMB, or have their server at the other end.
        ports.observe(&seen(mark::SERVER_IS_REMOTE), at(HOUR / 2));
        ports.observe(&seen(0), at(HOUR));
        ports.observe(&seen(mark::SERVER_IS_LOCAL), at(HOUR));
        assert!(ports.expired(&[4_445], at(HOUR * 3 / 2 - 1)).is_empty());
        assert_eq!(ports.expired(&[4_445], at(HOUR * 3 / 2)), [4_445]);
        assert!(ports.expired(&[], at(HOUR * 2)).is_empty() && ports.last.is_empty());
    }

    #[test]
    fn mark_without_a_flow_ends_after_an_hour() {
        let mut ports = MarkedPorts::default();
        assert!(ports.expired(&[80, 443], at(5 * HOUR)).is_empty());
        assert!(ports.expired(&[80], at(6 * HOUR - 1)).is_empty());
        assert_eq!(ports.expired(&[80, 443], at(6 * HOUR)), [80], "the other was unmarked meanwhile");
    }

    #[test]
    fn clock_set_back_keeps_no_mark_for_ever() {
        let mut ports = MarkedPorts::default();
        ports.observe(&seen(mark::SERVER_IS_REMOTE), at(100 * HOUR));
        assert!(ports.expired(&[4_445], at(HOUR)).is_empty());
        assert_eq!(ports.expired(&[4_445], at(2 * HOUR)), [4_445]);
    }
}
