//! Marks of ports on which SMB or WebDAV was recognised, and when they expire.
//!
//! The kernel program marks such a port, and from then on keeps the flows on it that are in a slot. This module takes the time of
//! the last packet of each connection on these ports, and says which marks have expired. The kernel also marks a port after an
//! OPTIONS request, which browsers send too. Such a mark stays only for minutes, unless the connection turns out to be WebDAV.

use std::{collections::HashMap, time::Duration};

use sensor_common::slot::mark;

use crate::{record::Observation, time::Timestamp};

/// Time that a mark stays after the last packet of a connection of SMB or WebDAV.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Time that a mark stays after a connection of HTTP that is not known to be WebDAV.
const OTHER_HTTP_LIFETIME: Duration = Duration::from_secs(300);

/// The ports on which SMB or WebDAV was recognised.
#[derive(Debug, Default)]
pub(super) struct MarkedPorts {
    /// When the mark of each ends.
    ends: HashMap<u16, Timestamp>,
}

impl MarkedPorts {
    /// Takes an observation whose last packet passed at `last`.
    pub(super) fn observe(&mut self, seen: &Observation, last: Timestamp, is_webdav: bool) {
        let is_smb = seen.marks & (mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE) != 0;
        let is_other_http = seen.marks & mark::HTTP != 0 && !is_smb && !is_webdav;
        let end = last + if is_other_http { OTHER_HTTP_LIFETIME } else { LIFETIME };
        for (server, address) in
            [(mark::SERVER_IS_LOCAL, seen.id.tuple.local), (mark::SERVER_IS_REMOTE, seen.id.tuple.remote)]
        {
            if seen.marks & server != 0 {
                let known = self.ends.entry(address.port()).or_insert(end);
                *known = end.max(*known);
            }
        }
    }

    /// The marked ports whose marks have ended. Others are forgotten.
    pub(super) fn expired(&mut self, marked: &[u16], now: Timestamp) -> Vec<u16> {
        let mut kept = HashMap::with_capacity(marked.len());
        let mut expired = Vec::new();
        for port in marked {
            // An end that is further away was noted before the clock was set back.
            let longest = now + LIFETIME;
            let end = self.ends.get(port).map_or(longest, |end| (*end).min(longest));
            if now >= end {
                expired.push(*port);
            } else {
                kept.insert(*port, end);
            }
        }
        self.ends = kept;
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
        ports.observe(&seen(mark::SERVER_IS_REMOTE), at(0), false);
        assert!(ports.expired(&[4_445], at(HOUR - 1)).is_empty());
        // The same connection continues; others are no SMB, or have their server at the other end.
        ports.observe(&seen(mark::SERVER_IS_REMOTE), at(HOUR / 2), false);
        ports.observe(&seen(0), at(HOUR), false);
        ports.observe(&seen(mark::SERVER_IS_LOCAL), at(HOUR), false);
        assert!(ports.expired(&[4_445], at(HOUR * 3 / 2 - 1)).is_empty());
        assert_eq!(ports.expired(&[4_445], at(HOUR * 3 / 2)), [4_445]);
        assert!(ports.expired(&[], at(HOUR * 2)).is_empty() && ports.ends.is_empty());
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
        ports.observe(&seen(mark::SERVER_IS_REMOTE), at(100 * HOUR), false);
        assert!(ports.expired(&[4_445], at(HOUR)).is_empty());
        assert_eq!(ports.expired(&[4_445], at(2 * HOUR)), [4_445]);
    }

    #[test]
    fn mark_for_http_that_is_no_webdav_ends_after_minutes() {
        let http = mark::SERVER_IS_REMOTE | mark::HTTP;
        let ends = |marks: u16, is_webdav: bool| {
            let mut ports = MarkedPorts::default();
            ports.observe(&seen(marks), at(0), is_webdav);
            [299, 300, HOUR].map(|seconds| ports.expired(&[4_445], at(seconds)).len())
        };
        assert_eq!(ends(http, false)[..2], [0, 1]);
        assert_eq!(ends(http, true), [0, 0, 1]);
        assert_eq!(ends(http | mark::SMB_FROM_LOCAL, false), [0, 0, 1]);
    }
}
