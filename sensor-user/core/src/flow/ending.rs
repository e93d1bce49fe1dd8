//! Whether a connection ended, or continued after an apparent end.
//!
//! A reset or a FIN ends a connection only if the peers accept it (RFC 5961 3.2). A forged one with a sequence number outside
//! the window ends nothing. So the end is revoked if the connection continues after it.

use std::time::Duration;

use sensor_common::slot::{TCP, mark, tcp};
use serde::{Deserialize, Serialize};

use super::state::Flow;
use crate::{record::Counts, time::Timestamp};

/// Time after the end of a connection in which late packets still belong to it: they were in flight.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Marks of a message with evidence.
const MESSAGE_MARKS: u16 = mark::SMB_FROM_LOCAL
    | mark::SMB_FROM_REMOTE
    | mark::ENCRYPTED
    | mark::COMPRESSED
    | mark::SERVER_IS_LOCAL
    | mark::SERVER_IS_REMOTE;

/// The end of a connection.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ending {
    /// RST and FIN flags of each side that did not end it.
    ignored: [u8; 2],
    ended: Option<Ended>,
}

/// The state of a connection when it ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ended {
    at: Timestamp,
    activity: Activity,
}

/// The activity of a connection up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Activity {
    packets: [u64; 2],
    payload: [u64; 2],
    marks: u16,
}

impl Activity {
    pub(super) const fn of(counts: &Counts, marks: u16) -> Self {
        Self { packets: counts.packets, payload: counts.payload, marks: marks & MESSAGE_MARKS }
    }

    /// Whether `later` shows that the connection continues: payload, a new kind of message, or packets both ways. A single late
    /// packet shows nothing.
    pub(super) const fn goes_on_in(&self, later: &Self) -> bool {
        later.payload[0] > self.payload[0]
            || later.payload[1] > self.payload[1]
            || later.marks & !self.marks != 0
            || later.packets[0] > self.packets[0] && later.packets[1] > self.packets[1]
    }
}

impl Flow {
    /// Whether it ended: by a reset, or by a FIN from both sides.
    pub(super) const fn is_ended(&self) -> bool {
        self.ending.ended.is_some()
    }

    /// Its activity so far.
    pub(super) fn activity(&self) -> Activity {
        Activity::of(&self.counts(), self.marks)
    }

    /// Notices an end, and revokes one after which the connection continued.
    pub(super) fn update_ending(&mut self) {
        if self.tuple.transport != TCP {
            return;
        }
        match self.ending.ended {
            None if self.has_end_flags() => {
                self.ending.ended = Some(Ended { at: self.last, activity: self.activity() });
            }
            None => {}
            Some(ended) => {
                let activity = self.activity();
                if self.last <= ended.at + LINGER {
                    self.ending.ended = Some(Ended { activity, ..ended });
                } else if ended.activity.goes_on_in(&activity) {
                    self.ignore_end();
                }
            }
        }
    }

    /// A message that was sent at `at` shows that the connection continues, unless it was in flight.
    pub(super) fn goes_on_at(&mut self, at: Timestamp) -> bool {
        let goes_on = self.ending.ended.is_none_or(|ended| at > ended.at + LINGER);
        if goes_on && self.is_ended() {
            self.ignore_end();
        }
        goes_on
    }

    /// Its flags did not end it. A repetition of the same flags cannot be recognised, so the connection then
    /// ends by its idle time.
    const fn ignore_end(&mut self) {
        self.ending = Ending { ignored: self.tcp_flags, ended: None };
    }

    const fn has_end_flags(&self) -> bool {
        let [local, remote] = self.tcp_flags;
        let new = local & !self.ending.ignored[0] | remote & !self.ending.ignored[1];
        new & tcp::RST != 0 || new & tcp::FIN != 0 && local & remote & tcp::FIN != 0
    }
}
