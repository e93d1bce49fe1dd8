//! Which connections on unwatched ports are followed, by what the documentation says: from the first packet in which something is
//! recognised, on every CPU, until a SYN between the same ends. Words of memory that two connections share are not modelled.

use std::{collections::HashSet, net::SocketAddr};

/// The internal and the external end of a connection.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// Whether the flow of a connection has a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkState {
    /// It has one.
    Marked,
    /// It may have one: that depends on something that the oracle does not know.
    MaybeMarked,
    /// It has none.
    Unmarked,
}

/// The flows that have a mark, and those that may have one.
#[derive(Default)]
pub(super) struct MarkedFlows {
    certain: HashSet<Ends>,
    doubtful: HashSet<Ends>,
}

impl MarkedFlows {
    pub(super) fn mark_state(&self, ends: Ends) -> MarkState {
        if self.certain.contains(&ends) {
            MarkState::Marked
        } else if self.doubtful.contains(&ends) {
            MarkState::MaybeMarked
        } else {
            MarkState::Unmarked
        }
    }

    /// Something was recognised in it.
    pub(super) fn recognised(&mut self, ends: Ends) {
        self.doubtful.remove(&ends);
        self.certain.insert(ends);
    }

    /// A packet of it was kept, for what reason the oracle does not know.
    pub(super) fn kept(&mut self, ends: Ends) {
        if !self.certain.contains(&ends) {
            self.doubtful.insert(ends);
        }
    }

    /// A SYN ends it, except where it is in a slot that the SYN does not come to.
    pub(super) fn begun_anew(&mut self, ends: Ends) {
        if self.certain.remove(&ends) {
            self.doubtful.insert(ends);
        }
    }

    /// A mark was replaced; of which connection is not known.
    pub(super) fn doubt_all(&mut self) {
        self.doubtful.extend(self.certain.drain());
    }

    /// A frame cannot be read: it may be of every connection whose ports are in it, one behind the other.
    pub(super) fn unreadable(&mut self, frame: &[u8]) {
        let pairs: HashSet<&[u8]> = frame.windows(4).collect();
        let is_there = |one: SocketAddr, other: SocketAddr| {
            let ([a, b], [c, d]) = (one.port().to_be_bytes(), other.port().to_be_bytes());
            pairs.contains(&[a, b, c, d][..])
        };
        let doubted =
            self.certain.extract_if(|(one, other)| is_there(*one, *other) || is_there(*other, *one));
        self.doubtful.extend(doubted);
    }
}
