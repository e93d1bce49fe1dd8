//! A sweep as it is told.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::Direction;
use crate::{flow::Evidence, owner::Owner};

/// How many targets there were, each counted by how far the sweep got with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Distinct targets.
    pub targets: u64,
    /// There were more, for which there was no room.
    pub at_least: bool,
    /// Targets that answered.
    pub answered: u64,
    /// Those of them that spoke SMB or handed out data; each of these flows has alerts of its own.
    pub spoke: u64,
    /// Targets that refused.
    pub refused: u64,
    /// Targets that said nothing.
    pub unanswered: u64,
    /// External addresses of it that a threat list names: targets, or the source of one from outside.
    pub listed: u64,
    /// Targets towards which enforcement dropped a flow.
    pub dropped: u64,
}

/// A sweep and what is known of it.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Who sweeps.
    pub source: IpAddr,
    /// Which way across the border.
    pub direction: Direction,
    /// First packet, nanoseconds since the Unix epoch.
    pub first: i128,
    /// Last packet that was heard of.
    pub last: i128,
    /// Transport and port of the services that were tried, some of them if there were very many.
    pub ports: BTreeSet<(u8, u16)>,
    /// Flows that have no alert of their own because they are part of it.
    pub folded: u64,
    /// Records that the ring had lost when the first of its flows was seen.
    pub lost_before: u64,
    /// The process on this machine that opened all of its flows, if it was one and is known.
    pub owner: Option<Arc<Owner>>,
    /// How many targets there were, and how far it got with them.
    pub reached: Reached,
    /// The first targets, in the order in which they were tried.
    pub sample: Vec<IpAddr>,
    /// The first targets that answered.
    pub answered: Vec<IpAddr>,
}

impl Sweep {
    /// How far it got with the target with which it got farthest.
    #[must_use]
    pub const fn evidence(&self) -> Evidence {
        match self.reached {
            Reached { spoke: 1.., .. } => Evidence::Smb,
            Reached { answered: 1.., .. } => Evidence::Established,
            Reached { refused: 1.., .. } => Evidence::Refused,
            _ => Evidence::Attempt,
        }
    }
}

impl Reached {
    /// Adds `change` to the counts that a target of this evidence stands in.
    pub(super) fn count(&mut self, evidence: Evidence, change: i64) {
        let add = |number: &mut u64| *number = number.saturating_add_signed(change);
        match evidence {
            Evidence::Attempt => add(&mut self.unanswered),
            Evidence::Refused => add(&mut self.refused),
            Evidence::Established => add(&mut self.answered),
            _ => {
                add(&mut self.answered);
                add(&mut self.spoke);
            }
        }
    }
}
