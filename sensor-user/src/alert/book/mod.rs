//! Which alerts are open on which flow.

mod judged;
mod late;
mod news;
mod recall;
mod sweeping;

use std::collections::{BTreeSet, HashMap, hash_map::Entry};

use serde_json::Value;

use self::{
    judged::Judged,
    late::Late,
    news::{News, Told},
    sweeping::SweepAlerts,
};
use super::{
    Context, Status,
    admission::{Admission, Summary},
    suppression,
};
use crate::{
    config::{Config, ServicePorts},
    detect::{
        Limits, Sight, concerns,
        sweep::{Stage, Sweep, Sweeps, is_foldable},
    },
    exempt::{Exemption, Exemptions, Question},
    flow::{Conversation, Evidence, Flow},
    profile::{Judges, ProfileName, Rulebook},
    terms::KnownTerms,
};

/// The open alerts.
pub struct AlertBook {
    services: ServicePorts,
    exemptions: Exemptions,
    limits: Limits,
    /// Rules of another than the sensor's own profile.
    profile: Option<Rulebook>,
    sweeps: Sweeps,
    sweep_alerts: SweepAlerts,
    admission: Admission,
    late: Late,
    /// A window is over, and who waited for that was not told since.
    recalls: bool,
    flows: HashMap<Conversation, Judged>,
    /// Those of them of which something waits to be told.
    owed: BTreeSet<Conversation>,
    opened: u64,
    exempted: u64,
}

impl AlertBook {
    /// An empty book.
    #[must_use]
    pub fn new(services: ServicePorts, exemptions: Vec<Exemption>, limits: Limits) -> Self {
        Self {
            services,
            exemptions: Exemptions::new(exemptions),
            limits,
            profile: None,
            sweeps: Sweeps::new(limits.sweep),
            sweep_alerts: SweepAlerts::default(),
            admission: Admission::new(limits.alerts_per_window),
            late: Late::default(),
            recalls: false,
            flows: HashMap::new(),
            owed: BTreeSet::new(),
            opened: 0,
            exempted: 0,
        }
    }

    /// Judges by the profile of this configuration.
    #[must_use]
    pub fn with_profile(mut self, config: &Config) -> Self {
        self.set_profile(config);
        self
    }

    /// Judges by the profile of this configuration from now on.
    pub fn set_profile(&mut self, config: &Config) {
        self.profile = (config.profile != ProfileName::Sensor).then(|| Rulebook::of(config.profile, config));
    }

    /// The exemptions that it judges by, and their hits.
    pub const fn exemptions(&mut self) -> &mut Exemptions {
        &mut self.exemptions
    }

    /// Whether an exemption covers this flow at `now`.
    #[must_use]
    pub fn exempts(&self, flow: &Flow, now: i128) -> bool {
        Sight::of(flow, &self.services).is_some_and(|sight| self.covers(&sight, now))
    }

    fn covers(&self, sight: &Sight<'_>, now: i128) -> bool {
        self.exemptions.covering(&Question::of(sight), now).is_some()
    }

    /// There is something new about a flow: opens its alerts, or updates them. What is below `smb` waits for its time to be
    /// answered, since it may be one of a sweep.
    pub fn look(&mut self, flow: &Flow, terms: &mut impl KnownTerms, context: &Context<'_>) -> Vec<Value> {
        let Some(sight) = Sight::of(flow, &self.services) else { return vec![] };
        let exempt = self.note(&sight, context);
        if flow.evidence < Evidence::Smb && !flow.settled {
            return vec![];
        }
        self.judge(&sight, exempt, false, terms, context)
    }

    /// A flow is over: closes its alerts with the totals. One that was never judged is judged now.
    pub fn close(&mut self, flow: &Flow, terms: &mut impl KnownTerms, context: &Context<'_>) -> Vec<Value> {
        let Some(sight) = Sight::of(flow, &self.services) else {
            self.flows.remove(&flow.ends);
            return vec![];
        };
        let exempt = self.note(&sight, context);
        let mut documents = self.judge(&sight, exempt, true, terms, context);
        if let Some(mut judged) = self.flows.remove(&flow.ends) {
            documents.extend(judged.tell(&sight, true, Status::Closed, context));
            self.owed.remove(&flow.ends);
            self.late.keep(flow, judged.alerts, &self.admission);
        }
        documents
    }

    /// Windows of suppression that are over are told of. Comes first where time moved on, before anything new asks for what the next
    /// ones have room for; those who wait for that are [recalled](Self::recall) second.
    pub fn turn(&mut self, context: &Context<'_>) -> Vec<Value> {
        let Some(summaries) = self.admission.due(context.now) else { return vec![] };
        self.recalls = true;
        summed_up(&summaries, context)
    }

    /// Time moved on: sweeps are told of.
    pub fn advance(&mut self, context: &Context<'_>) -> Vec<Value> {
        let sweeps = self.sweeps.due(context.now);
        self.tell_sweeps(&sweeps, context)
    }

    /// The end of the run, after every flow was closed: sweeps and windows are told of as they stand, and who waits for the next.
    pub fn finish(&mut self, context: &Context<'_>) -> Vec<Value> {
        let sweeps = self.sweeps.drain(context.now);
        let mut documents = self.tell_sweeps(&sweeps, context);
        documents.extend(summed_up(&self.admission.drain(context.now), context));
        documents.extend(self.tell_last_waiters(context));
        // Nobody is hidden in the windows of these: no more wait than fill one.
        self.admission.drain(context.now);
        documents
    }

    /// Summaries of what is hidden, as they would be told now; `None` where nothing changed since. [`turn`](Self::turn) and
    /// [`finish`](Self::finish) tell them in the end.
    pub fn standing(&mut self, context: &Context<'_>) -> Option<Vec<Value>> {
        Some(summed_up(&self.admission.standing(context.now)?, context))
    }

    fn tell_sweeps(&mut self, sweeps: &[(Stage, Sweep)], context: &Context<'_>) -> Vec<Value> {
        self.sweep_alerts.tell(sweeps, &mut self.admission, &mut self.opened, context)
    }

    /// Notes the flow's target, unless it is exempt; tells whether it is. Other profiles than the sensor's know no sweeps.
    fn note(&mut self, sight: &Sight<'_>, context: &Context<'_>) -> bool {
        let exempt = self.covers(sight, context.now);
        if !exempt && self.profile.is_none() && concerns(sight) {
            self.sweeps.note(sight, context.now);
        }
        exempt
    }

    fn judge(
        &mut self,
        sight: &Sight<'_>,
        exempt: bool,
        last_word: bool,
        terms: &mut impl KnownTerms,
        context: &Context<'_>,
    ) -> Vec<Value> {
        let news = News::of(sight, &self.limits);
        let mut is_news = true;
        let judged = match self.flows.entry(sight.flow.ends) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                // What opens for want of room alone tells everything that is known.
                let has_room = !exempt && known.waits_since(&self.admission).is_some();
                is_news = known.told.learns(news, last_word || has_room, context.now);
                if known.told.is_owed() {
                    self.owed.insert(sight.flow.ends);
                }
                let is_wanted = is_news || has_room;
                // One that was folded has no alert, and gets none before it has to be told by itself.
                if !is_wanted || known.alerts.is_empty() && is_foldable(sight) {
                    return vec![];
                }
                if let Some(folded) = known.folded.take() {
                    self.sweeps.unfold(folded);
                }
                known
            }
            Entry::Vacant(new) => {
                let new = new.insert(Judged::new(Told::new(news, context.now)));
                self.exempted += u64::from(self.exemptions.count(&Question::of(sight), context.now));
                if !exempt {
                    new.folded = self.sweeps.fold(sight);
                }
                if new.folded.is_some() {
                    return vec![];
                }
                new
            }
        };
        if exempt {
            return judged.tell(sight, is_news, Status::Updated, context);
        }
        // Evidence that rose may break a rule that it did not break before.
        let judges = Judges { profile: self.profile.as_ref(), limits: &self.limits };
        let findings = judges.judge(sight, terms, context.now);
        self.opened += judged.open(&findings, sight, &mut self.admission, context.now);
        judged.tell(sight, is_news, Status::Updated, context)
    }

    /// Alerts opened so far.
    #[must_use]
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// Alerts that were counted instead of written.
    #[must_use]
    pub const fn suppressed(&self) -> u64 {
        self.admission.hidden()
    }

    /// Flows that the agent (not the kernel) found exempt.
    #[must_use]
    pub const fn exempted(&self) -> u64 {
        self.exempted
    }
}

fn summed_up(summaries: &[Summary], context: &Context<'_>) -> Vec<Value> {
    summaries.iter().map(|summary| suppression::document(summary, context)).collect()
}

#[cfg(test)]
mod tests;
