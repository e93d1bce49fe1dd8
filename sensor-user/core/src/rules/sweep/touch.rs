//! What one flow says of one target of its client.

use std::{net::IpAddr, sync::Arc};

use sensor_common::slot::mark;

use crate::{
    detect::{Direction, Sight},
    flow::Evidence,
    owner::Owner,
};

/// A target that a client tried.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    pub(super) target: IpAddr,
    pub(super) port: (u8, u16),
    pub(super) evidence: Evidence,
    /// When its flow began: however late more is heard of a flow, that is when the client tried.
    pub(super) began: i128,
    /// Last packet.
    pub(super) last: i128,
    /// Records that the ring had lost before.
    pub(super) lost_before: u64,
    /// Whether a threat list names the external end.
    pub(super) listed: bool,
    /// Whether enforcement dropped it.
    pub(super) dropped: bool,
    /// The process that opened it.
    pub(super) owner: Option<Arc<Owner>>,
}

impl Touch {
    pub(super) fn of(sight: &Sight<'_>) -> Self {
        let flow = sight.flow;
        Self {
            target: sight.server.ip(),
            port: (flow.ends.transport, sight.server.port()),
            evidence: flow.evidence,
            began: flow.first,
            last: flow.last,
            lost_before: flow.lost_before,
            listed: flow.marks & mark::THREAT != 0,
            dropped: flow.marks & mark::DROPPED != 0,
            owner: flow.owner.clone().filter(|_| sight.direction == Direction::Outbound),
        }
    }

    /// Takes in what another flow, or the same one later, says of the same target.
    pub(super) fn learn(&mut self, other: &Self) {
        if other.began > self.began {
            self.owner = common(self.owner.take(), other.owner.as_ref());
        }
        self.evidence = self.evidence.max(other.evidence);
        self.began = self.began.max(other.began);
        self.last = self.last.max(other.last);
        self.lost_before = self.lost_before.min(other.lost_before);
        self.listed |= other.listed;
        self.dropped |= other.dropped;
    }
}

/// The owner that two flows have in common: the same process, and its thread if that is the same as well.
pub(super) fn common(one: Option<Arc<Owner>>, other: Option<&Arc<Owner>>) -> Option<Arc<Owner>> {
    let (one, other) = (one?, other?);
    if one == *other {
        return Some(one);
    }
    let any_thread = Owner { thread: None, ..Owner::clone(&one) };
    (any_thread == Owner { thread: None, ..Owner::clone(other) }).then(|| Arc::new(any_thread))
}
