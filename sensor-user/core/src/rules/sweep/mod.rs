//! Sweep: one machine tries the Windows networking of many others across the border.
//!
//! Takes flows that a rule is about, counts the distinct targets of each client, and gives the [`Sweep`]s among them. A flow
//! below `smb` whose client is sweeping is folded into the sweep. A target is counted when its flow began, not when more is heard
//! of that flow. Bounded: of a sweep with more targets than there is room for it is said that there are at least so many.

mod followed;
mod limits;
mod summary;
mod suspects;
mod touch;

use std::{collections::HashMap, net::IpAddr};

use sensor_common::slot::mark;

use self::{
    followed::{Followed, MOST_IN_ALL},
    suspects::Suspects,
    touch::Touch,
};
pub use self::{
    limits::SweepLimits,
    summary::{Reached, Sweep},
};
use super::{Direction, Rule, Severity, Sight, concerns};
use crate::{attack::NETWORK_SERVICE_DISCOVERY, flow::Evidence};

const SECOND: i128 = 1_000_000_000;

/// Sweeps that are followed at a time.
const MOST_SWEEPS: usize = 4_096;

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

/// The clients and their targets.
pub struct Sweeps {
    limits: SweepLimits,
    suspects: Suspects,
    open: HashMap<IpAddr, Followed>,
    /// Targets of all open sweeps.
    held: usize,
    /// Sweeps that there were so far.
    begun: u64,
}

/// Into which sweep a flow was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    source: IpAddr,
    sweep: u64,
}

impl Sweeps {
    /// Nobody sweeps yet.
    #[must_use]
    pub fn new(limits: SweepLimits) -> Self {
        Self { limits, suspects: Suspects::new(limits), open: HashMap::new(), held: 0, begun: 0 }
    }

    /// Notes the target of a flow that a rule is about; the same flow may be noted any number of times.
    pub fn note(&mut self, sight: &Sight<'_>, now: i128) {
        let touch = Touch::of(sight);
        // Later than this a flow tells how its target came off, and no longer that somebody tries: it may end hours later.
        let fresh = (-SECOND..self.window()).contains(&(now - touch.began));
        let source = sight.client.ip();
        if let Some(followed) = self.open.get_mut(&source) {
            self.held += followed.note(&touch, fresh, MOST_IN_ALL.saturating_sub(self.held));
            return;
        }
        if self.open.len() >= MOST_SWEEPS {
            return;
        }
        if let Some(touches) = self.suspects.note(source, touch, fresh, now) {
            self.begun += 1;
            let followed = Followed::of(self.begun, source, sight.direction, &touches);
            self.held += followed.held();
            self.open.insert(source, followed);
        }
    }

    /// Folds a flow that a rule is about into the sweep of its client, if that is sweeping and the flow is none that has to be
    /// told by itself.
    pub fn fold(&mut self, sight: &Sight<'_>) -> Option<Folded> {
        if !concerns(sight) || !is_foldable(sight) {
            return None;
        }
        let source = sight.client.ip();
        let followed = self.open.get_mut(&source)?;
        followed.sweep.folded += 1;
        Some(Folded { source, sweep: followed.number })
    }

    /// Counts a flow no longer that was folded and now has to be told by itself. What was said of a sweep that is over stands.
    pub fn unfold(&mut self, folded: Folded) {
        if let Some(followed) = self.open.get_mut(&folded.source)
            && followed.number == folded.sweep
        {
            followed.sweep.folded -= 1;
        }
    }

    /// Sweeps of which something is to be told at `now`, in the order in which they began. One that is over is given once.
    pub fn due(&mut self, now: i128) -> Vec<(Stage, Sweep)> {
        let window = self.window();
        self.tell(now, |followed| followed.stage(now, window))
    }

    /// Every sweep as it stands, as at the end of the run. Nothing is remembered of any client.
    pub fn drain(&mut self, now: i128) -> Vec<(Stage, Sweep)> {
        self.suspects = Suspects::new(self.limits);
        let mut told = self.tell(now, |followed| (!followed.is_told()).then_some(Stage::Opened));
        told.extend(self.tell(now, |_| Some(Stage::Over)));
        told
    }

    fn tell(&mut self, now: i128, stage: impl Fn(&Followed) -> Option<Stage>) -> Vec<(Stage, Sweep)> {
        let mut told = Vec::new();
        self.open.retain(|_, followed| {
            let Some(stage) = stage(followed) else { return true };
            told.push((stage, followed.tell(now)));
            if stage == Stage::Over {
                self.held -= followed.held();
            }
            stage != Stage::Over
        });
        told.sort_by_key(|(_, sweep)| (sweep.first, sweep.source));
        told
    }

    fn window(&self) -> i128 {
        i128::from(self.limits.window) * SECOND
    }
}

/// Whether the sweep of its client says all there is to say of this flow: it did not get as far as SMB, and no threat list warns of
/// whom it connected with.
#[must_use]
pub fn is_foldable(sight: &Sight<'_>) -> bool {
    let flow = sight.flow;
    let warned_of = flow.marks & mark::THREAT != 0 && flow.evidence >= Evidence::Established;
    flow.evidence < Evidence::Smb && !warned_of
}

#[cfg(test)]
pub(crate) mod tests;
