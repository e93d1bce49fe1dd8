//! How long a port stays under suspicion on which SMB was met.
//!
//! The kernel marks such a port, and from then on looks at the flows there more closely. Takes the last packets of conversations
//! that were SMB on a port that is not watched, and says which marks have had their time.

use std::collections::HashMap;

use sensor_common::slot::mark;

use crate::decode::Observation;

/// Time after the last packet of a conversation that was SMB, nanoseconds.
const STAY: i128 = 3_600 * 1_000_000_000;

/// The ports on which SMB was met.
#[derive(Debug, Default)]
pub(super) struct MarkedPorts {
    /// When the last packet of an SMB conversation passed there, or when the mark was first seen.
    last: HashMap<u16, i128>,
}

impl MarkedPorts {
    /// Notes what the kernel told of a flow whose last packet passed at `last`.
    pub(super) fn note(&mut self, seen: &Observation, last: i128) {
        for (server, end) in
            [(mark::SERVER_IS_LOCAL, seen.key.local), (mark::SERVER_IS_REMOTE, seen.key.remote)]
        {
            if seen.marks & server != 0 {
                let known = self.last.entry(end.port()).or_insert(last);
                *known = last.max(*known);
            }
        }
    }

    /// Of the ports that are marked now, those on which no conversation was SMB for an hour. Nothing is remembered of others.
    pub(super) fn expired(&mut self, marked: &[u16], now: i128) -> Vec<u16> {
        let mut kept = HashMap::with_capacity(marked.len());
        let mut expired = Vec::new();
        for port in marked {
            // What is ahead was noted before the clock was set back.
            let last = self.last.get(port).map_or(now, |last| (*last).min(now));
            if now - last >= STAY {
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
    use crate::decode::fixtures::observed;

    const HOUR: i128 = STAY;

    fn seen(marks: u16) -> Observation {
        Observation { marks, ..observed("8.8.4.4:4445") }
    }

    #[test]
    fn a_mark_goes_an_hour_after_the_last_packet_of_smb_there() {
        let mut ports = MarkedPorts::default();
        ports.note(&seen(mark::SERVER_IS_REMOTE), 0);
        assert!(ports.expired(&[4_445], HOUR - 1).is_empty());
        // The same conversation goes on; one that is no SMB, or with its server at the other end, is none there.
        ports.note(&seen(mark::SERVER_IS_REMOTE), HOUR / 2);
        ports.note(&seen(0), HOUR);
        ports.note(&seen(mark::SERVER_IS_LOCAL), HOUR);
        assert!(ports.expired(&[4_445], HOUR * 3 / 2 - 1).is_empty());
        assert_eq!(ports.expired(&[4_445], HOUR * 3 / 2), [4_445]);
        assert!(ports.expired(&[], HOUR * 2).is_empty() && ports.last.is_empty());
    }

    #[test]
    fn a_mark_of_which_no_flow_was_told_goes_an_hour_after_it_was_seen() {
        let mut ports = MarkedPorts::default();
        assert!(ports.expired(&[80, 443], 5 * HOUR).is_empty());
        assert!(ports.expired(&[80], 6 * HOUR - 1).is_empty());
        assert_eq!(ports.expired(&[80, 443], 6 * HOUR), [80], "the other was unmarked meanwhile");
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_mark_for_ever() {
        let mut ports = MarkedPorts::default();
        ports.note(&seen(mark::SERVER_IS_REMOTE), 100 * HOUR);
        assert!(ports.expired(&[4_445], HOUR).is_empty());
        assert_eq!(ports.expired(&[4_445], 2 * HOUR), [4_445]);
    }
}
