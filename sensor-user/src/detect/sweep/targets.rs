//! The targets of one sweep, and how far it got with each.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
};

use crate::flow::Evidence;

/// Distinct targets of one sweep that are told apart, and of all sweeps together.
const MOST: usize = 1 << 16;
pub(super) const MOST_IN_ALL: usize = 1 << 18;

/// Targets that are named.
const SAMPLE: usize = 16;

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
}

/// The targets of one sweep.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    known: HashMap<IpAddr, Evidence>,
    sample: Vec<IpAddr>,
    answered: Vec<IpAddr>,
    reached: Reached,
}

impl Targets {
    /// Takes a target in, where `room` more may be; gives how many there are more.
    pub(super) fn note(&mut self, target: IpAddr, evidence: Evidence, room: usize) -> usize {
        if evidence >= Evidence::Established
            && self.answered.len() < SAMPLE
            && !self.answered.contains(&target)
        {
            self.answered.push(target);
        }
        let full = self.known.len() >= MOST || room == 0;
        match self.known.entry(target) {
            Entry::Occupied(mut known) => {
                if evidence > *known.get() {
                    count(&mut self.reached, *known.get(), -1);
                    count(&mut self.reached, evidence, 1);
                    known.insert(evidence);
                }
                0
            }
            Entry::Vacant(_) if full => {
                self.reached.at_least = true;
                0
            }
            Entry::Vacant(new) => {
                new.insert(evidence);
                count(&mut self.reached, evidence, 1);
                self.reached.targets += 1;
                if self.sample.len() < SAMPLE {
                    self.sample.push(target);
                }
                1
            }
        }
    }

    pub(super) const fn reached(&self) -> Reached {
        self.reached
    }

    pub(super) fn sample(&self) -> &[IpAddr] {
        &self.sample
    }

    pub(super) fn answered(&self) -> &[IpAddr] {
        &self.answered
    }

    pub(super) fn held(&self) -> usize {
        self.known.len()
    }
}

/// Adds `change` to the counts that a target of this evidence stands in.
fn count(reached: &mut Reached, evidence: Evidence, change: i64) {
    let add = |number: &mut u64| *number = number.saturating_add_signed(change);
    match evidence {
        Evidence::Attempt => add(&mut reached.unanswered),
        Evidence::Refused => add(&mut reached.refused),
        Evidence::Established => add(&mut reached.answered),
        _ => {
            add(&mut reached.answered);
            add(&mut reached.spoke);
        }
    }
}
