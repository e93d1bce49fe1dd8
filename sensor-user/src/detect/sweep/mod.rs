//! Sweep: one machine tries the Windows networking of many others across the border.
//!
//! Takes flows that a rule is about, counts the distinct targets of each client, and gives the [`Sweep`]s among them. A flow
//! below `smb` whose client is sweeping is folded into the sweep. Bounded: of a sweep with more targets than there is room for
//! it is said that there are at least so many.

mod limits;
mod suspects;
mod targets;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

pub use self::{limits::SweepLimits, targets::Reached};
use self::{
    suspects::{Suspects, Touch},
    targets::Targets,
};
use super::{Direction, Rule, Severity, Sight};
use crate::{attack::NETWORK_SERVICE_DISCOVERY, flow::Evidence};

const SECOND: i128 = 1_000_000_000;

/// Shortest and longest time between two updates of one sweep.
const UPDATE_PAUSE: (i128, i128) = (10 * SECOND, 300 * SECOND);

/// Sweeps that are followed at a time.
const MOST_SWEEPS: usize = 4_096;

/// Ports of a sweep that are named.
const MOST_PORTS: usize = 16;

/// What the rule says of itself.
pub static RULE: Rule = Rule {
    id: "smb-sweep",
    name: "Sweep for Windows networking across the border",
    description: "One machine tried SMB, NetBIOS or DCE-RPC on many others at the far side of the border within minutes. From the inside that is \
                  how a worm or an intruder with a scanner spreads out; from the outside somebody is looking for what is open.",
    false_positives: &[
        "a monitoring or inventory system that polls many hosts at a provider: exempt it with a reason",
        "a vulnerability scan that you ordered: exempt the scanner while it runs",
        "public addresses of your own organisation that are not listed as internal networks",
    ],
    severity: Severity::High,
    risk_score: 82,
    techniques: &[&NETWORK_SERVICE_DISCOVERY],
    check: "Whether any target answered, and which program on the source does this: an internal machine that sweeps the Internet is \
            rarely meant to. Alerts of their own tell of targets that went as far as SMB.",
    contain: "From the inside: isolate the source, it may be infected. From the outside: close the ports at the border, and look at \
              every target that answered.",
};

/// How bad a sweep is. Whoever is on the Internet is swept all day; an internal machine that sweeps is another matter.
#[must_use]
pub const fn weight(sweep: &Sweep) -> (Severity, u8) {
    match sweep.direction {
        Direction::Outbound => (RULE.severity, RULE.risk_score),
        Direction::Inbound => (Severity::Medium, 47),
    }
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
    /// Flows that have no alert of their own.
    pub folded: u64,
    /// Records that the ring had lost when the first of its flows was seen.
    pub lost_before: u64,
    targets: Targets,
    heard_at: i128,
    told: Option<Told>,
    /// Whether there is anything that was not told.
    changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    began: i128,
    at: i128,
}

/// Where a sweep is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was recognised.
    Opened,
    /// It grew.
    Grew,
    /// It came to rest.
    Over,
}

impl Sweep {
    fn of(source: IpAddr, direction: Direction, touches: &[Touch]) -> Self {
        let mut sweep = Self {
            source,
            direction,
            first: i128::MAX,
            last: i128::MIN,
            ports: BTreeSet::new(),
            folded: 0,
            lost_before: u64::MAX,
            targets: Targets::default(),
            heard_at: i128::MIN,
            told: None,
            changed: true,
        };
        for touch in touches {
            sweep.note(touch, touch.heard_at, usize::MAX);
        }
        sweep
    }

    /// Takes a target in; gives how many targets there are more.
    fn note(&mut self, touch: &Touch, now: i128, room: usize) -> usize {
        self.first = self.first.min(touch.first);
        self.last = self.last.max(touch.last);
        self.lost_before = self.lost_before.min(touch.lost_before);
        self.heard_at = now;
        if self.ports.len() < MOST_PORTS {
            self.changed |= self.ports.insert(touch.port);
        }
        let before = self.targets.reached();
        let more = self.targets.note(touch.target, touch.evidence, room);
        self.changed |= self.targets.reached() != before;
        more
    }

    /// How many targets there were, and how far it got with them.
    #[must_use]
    pub const fn reached(&self) -> Reached {
        self.targets.reached()
    }

    /// How far it got with the target with which it got farthest.
    #[must_use]
    pub const fn evidence(&self) -> Evidence {
        let reached = self.targets.reached();
        match reached {
            Reached { spoke: 1.., .. } => Evidence::Smb,
            Reached { answered: 1.., .. } => Evidence::Established,
            Reached { refused: 1.., .. } => Evidence::Refused,
            _ => Evidence::Attempt,
        }
    }

    /// The first targets, in the order in which they were tried.
    #[must_use]
    pub fn sample(&self) -> &[IpAddr] {
        self.targets.sample()
    }

    /// The first targets that answered.
    #[must_use]
    pub fn answered(&self) -> &[IpAddr] {
        self.targets.answered()
    }

    /// Whether it is to be told now, and as what. The longer it lasts, the longer the pause.
    fn stage(&self, now: i128, window: i128) -> Option<Stage> {
        let Some(told) = self.told else { return Some(Stage::Opened) };
        // A clock that was set back must not keep it open for ever.
        if (now - self.heard_at).abs() >= window {
            return Some(Stage::Over);
        }
        let pause = ((now - told.began) / 4).clamp(UPDATE_PAUSE.0, UPDATE_PAUSE.1);
        (self.changed && (now - told.at).abs() >= pause).then_some(Stage::Grew)
    }
}

/// The clients and their targets.
pub struct Sweeps {
    limits: SweepLimits,
    suspects: Suspects,
    open: HashMap<IpAddr, Sweep>,
    /// Targets of all open sweeps.
    held: usize,
}

impl Sweeps {
    /// Nobody sweeps yet.
    #[must_use]
    pub fn new(limits: SweepLimits) -> Self {
        Self { limits, suspects: Suspects::new(limits), open: HashMap::new(), held: 0 }
    }

    /// Notes the target of a flow that a rule is about; the same flow may be noted any number of times.
    pub fn note(&mut self, sight: &Sight<'_>, now: i128) {
        let touch = Touch::of(sight, now);
        let source = sight.client.ip();
        if let Some(sweep) = self.open.get_mut(&source) {
            self.held += sweep.note(&touch, now, targets::MOST_IN_ALL.saturating_sub(self.held));
            return;
        }
        if self.open.len() >= MOST_SWEEPS {
            return;
        }
        if let Some(touches) = self.suspects.note(source, touch) {
            self.held += touches.len();
            self.open.insert(source, Sweep::of(source, sight.direction, &touches));
        }
    }

    /// Folds a flow into the sweep of its client, if that is sweeping and the flow is none that has to be told by itself.
    pub fn fold(&mut self, sight: &Sight<'_>) -> bool {
        let Some(sweep) = self.open.get_mut(&sight.client.ip()) else { return false };
        let folds = sight.flow.evidence < Evidence::Smb;
        sweep.folded += u64::from(folds);
        sweep.changed |= folds;
        folds
    }

    /// Sweeps of which something is to be told at `now`, in the order in which they began. One that is over is given once.
    pub fn due(&mut self, now: i128) -> Vec<(Stage, Sweep)> {
        let window = i128::from(self.limits.window) * SECOND;
        self.tell(now, |sweep| sweep.stage(now, window))
    }

    /// Every sweep as it stands, as at the end of the run.
    pub fn drain(&mut self, now: i128) -> Vec<(Stage, Sweep)> {
        let mut told = self.tell(now, |sweep| sweep.told.is_none().then_some(Stage::Opened));
        told.extend(self.tell(now, |_| Some(Stage::Over)));
        told
    }

    fn tell(&mut self, now: i128, stage: impl Fn(&Sweep) -> Option<Stage>) -> Vec<(Stage, Sweep)> {
        let mut told = Vec::new();
        self.open.retain(|_, sweep| {
            let Some(stage) = stage(sweep) else { return true };
            let began = sweep.told.map_or(now, |told| told.began);
            sweep.told = Some(Told { began, at: now });
            sweep.changed = false;
            told.push((stage, sweep.clone()));
            if stage == Stage::Over {
                self.held -= sweep.targets.held();
            }
            stage != Stage::Over
        });
        told.sort_by_key(|(_, sweep)| (sweep.first, sweep.source));
        told
    }
}

#[cfg(test)]
pub(crate) mod tests;
