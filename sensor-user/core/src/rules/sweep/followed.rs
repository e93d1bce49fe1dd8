//! A sweep that goes on: its targets, and when it is told of again.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    net::IpAddr,
};

use super::{
    Direction, SECOND, Stage, Sweep,
    summary::Reached,
    touch::{Touch, common},
};
use crate::flow::Evidence;

/// Shortest and longest time between two updates of one sweep.
const UPDATE_PAUSE: (i128, i128) = (10 * SECOND, 300 * SECOND);

/// Distinct targets of one sweep that are told apart, and of all sweeps together.
const MOST: usize = 1 << 16;
pub(super) const MOST_IN_ALL: usize = 1 << 18;

/// Targets that are named.
const SAMPLE: usize = 16;

/// Ports of a sweep that are named.
const MOST_PORTS: usize = 16;

/// A sweep that is not over.
pub(super) struct Followed {
    /// Which one it is, counted over the run.
    pub(super) number: u64,
    pub(super) sweep: Sweep,
    targets: HashMap<IpAddr, Target>,
    /// When the newest of its flows began.
    newest: i128,
    told: Option<Told>,
}

/// What came of one target.
#[derive(Clone, Copy)]
struct Target {
    evidence: Evidence,
    listed: bool,
    dropped: bool,
}

/// What was told of it last.
#[derive(Clone, Copy)]
struct Told {
    began: i128,
    at: i128,
    targets: u64,
    evidence: Evidence,
}

impl Followed {
    /// A sweep of these targets; of none yet without any.
    pub(super) fn of(number: u64, source: IpAddr, direction: Direction, touches: &[Touch]) -> Self {
        let sweep = Sweep {
            source,
            direction,
            first: i128::MAX,
            last: i128::MIN,
            ports: BTreeSet::new(),
            folded: 0,
            lost_before: u64::MAX,
            owner: touches.first().and_then(|touch| touch.owner.clone()),
            reached: Reached::default(),
            sample: vec![],
            answered: vec![],
        };
        let mut followed = Self { number, sweep, targets: HashMap::new(), newest: i128::MIN, told: None };
        for touch in touches {
            followed.note(touch, true, usize::MAX);
        }
        followed
    }

    /// Takes a target in, where `room` more may be; gives how many there are more. A flow that is not `fresh` only tells how a
    /// target came off that is known.
    pub(super) fn note(&mut self, touch: &Touch, fresh: bool, room: usize) -> usize {
        let held = self.targets.len();
        let full = held >= MOST || room == 0;
        let sweep = &mut self.sweep;
        if fresh {
            sweep.first = sweep.first.min(touch.began);
            sweep.lost_before = sweep.lost_before.min(touch.lost_before);
            sweep.owner = common(sweep.owner.take(), touch.owner.as_ref());
            self.newest = self.newest.max(touch.began);
            if sweep.ports.len() < MOST_PORTS {
                sweep.ports.insert(touch.port);
            }
        }
        let target = match self.targets.entry(touch.target) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if !fresh => return 0,
            Entry::Vacant(_) if full => {
                sweep.reached.at_least = true;
                sweep.last = sweep.last.max(touch.last);
                return 0;
            }
            Entry::Vacant(new) => {
                sweep.reached.targets += 1;
                sweep.reached.count(Evidence::Attempt, 1);
                if sweep.sample.len() < SAMPLE {
                    sweep.sample.push(touch.target);
                }
                new.insert(Target { evidence: Evidence::Attempt, listed: false, dropped: false })
            }
        };
        sweep.last = sweep.last.max(touch.last);
        target.learn(touch, sweep);
        self.targets.len() - held
    }

    /// Targets that it holds.
    pub(super) fn held(&self) -> usize {
        self.targets.len()
    }

    /// Whether anything was told of it.
    pub(super) const fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Whether it is to be told now, and as what: again when it got farther or has twice the targets. The longer it lasts, the
    /// longer the pause.
    pub(super) fn stage(&self, now: i128, window: i128) -> Option<Stage> {
        let Some(told) = self.told else { return Some(Stage::Opened) };
        // A clock that was set back must not keep it open for ever.
        if (now - self.newest).abs() >= window {
            return Some(Stage::Over);
        }
        let grew = self.sweep.reached.targets >= 2 * told.targets || self.sweep.evidence() > told.evidence;
        let pause = ((now - told.began) / 4).clamp(UPDATE_PAUSE.0, UPDATE_PAUSE.1);
        (grew && (now - told.at).abs() >= pause).then_some(Stage::Grew)
    }

    /// What is to be told of it now.
    pub(super) fn tell(&mut self, now: i128) -> Sweep {
        let began = self.told.map_or(now, |told| told.began);
        let (targets, evidence) = (self.sweep.reached.targets, self.sweep.evidence());
        self.told = Some(Told { began, at: now, targets, evidence });
        self.sweep.clone()
    }
}

impl Target {
    /// Takes over what a flow says of it, and counts that in the sweep.
    fn learn(&mut self, touch: &Touch, sweep: &mut Sweep) {
        let reached = &mut sweep.reached;
        if touch.evidence > self.evidence {
            reached.count(self.evidence, -1);
            reached.count(touch.evidence, 1);
            self.evidence = touch.evidence;
        }
        if touch.listed && !self.listed {
            self.listed = true;
            reached.listed = if sweep.direction == Direction::Inbound { 1 } else { reached.listed + 1 };
        }
        if touch.dropped && !self.dropped {
            self.dropped = true;
            reached.dropped += 1;
        }
        let named = &mut sweep.answered;
        if touch.evidence >= Evidence::Established && named.len() < SAMPLE && !named.contains(&touch.target) {
            named.push(touch.target);
        }
    }
}
