//! A conversation in the table, and how long it stays there.

use std::sync::Arc;

use super::SECOND;
use crate::{
    decode::Piece,
    flow::{Evidence, Flow, reader::Reader},
};

/// Time after the end of a conversation in which late packets still belong to it and are waited for.
const LINGER: i128 = 2 * SECOND;

/// Time for which an ended conversation is remembered at least, so that a very late packet is no news.
const REMEMBER: i128 = 60 * SECOND;

/// Time after which it is forgotten even if its slot was never heard of again.
pub(super) const FORGET: i128 = 86_400 * SECOND;

/// Time without a packet after which an unanswered attempt is given up; Linux sends its last SYN after 127 s.
const ATTEMPT_IDLE: i128 = 150 * SECOND;

/// A conversation in the table.
pub(super) struct Entry {
    pub(super) flow: Flow,
    /// When its time to be answered is up.
    pub(super) ripe_at: i128,
    pub(super) closed_at: Option<i128>,
    pub(super) reader: Option<Box<Reader>>,
}

impl Entry {
    /// Reads a piece; tells whether there is something new.
    pub(super) fn read(&mut self, piece: &Piece<'_>) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        let new = reader.piece(piece, self.flow.client);
        if new {
            self.flow.learn(Arc::new(reader.facts().clone()), reader.position(), reader.read());
        }
        new
    }

    /// Whether it takes one of the places of those that are read.
    pub(super) fn is_read(&self) -> bool {
        self.reader.is_some() || self.flow.datagrams.is_some()
    }

    /// Forgets what its messages said, once it was told.
    pub(super) fn stop_reading(&mut self) {
        self.reader = None;
        self.flow.datagrams = None;
    }

    /// Whether it is over at `now`: ended and waited for, or idle for too long.
    pub(super) fn is_done(&self, now: i128, idle: i128, settle: i128) -> bool {
        let quiet = now - self.flow.last;
        match self.flow.evidence {
            _ if self.flow.over => quiet >= LINGER.max(settle),
            Evidence::Attempt => quiet >= ATTEMPT_IDLE.min(idle),
            _ => quiet > idle,
        }
    }

    /// Whether it is still remembered so long after it was given as closed.
    pub(super) fn is_remembered(&self, since: i128) -> bool {
        // While a slot still holds it, its settled record is to come, and that is no new conversation.
        since < if self.flow.in_slots() { FORGET } else { REMEMBER }
    }
}
