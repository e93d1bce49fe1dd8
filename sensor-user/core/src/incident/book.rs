//! The book of incidents: keeps them, adds changed connections to them, and decides when to write a document about one.

mod connecting;
mod placing;
mod tally;

pub use self::tally::IncidentTally;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    time::Duration,
};

use super::{
    Enriched, Incident, IncidentAction, IncidentEvent, IncidentId, IncidentOutput, QuotaSummary,
    campaigns::Campaigns,
    entry::{Key, StoredIncident},
    link::{Contribution, Link},
    quota::{Admission, Quota},
    relations::Relations,
};
use crate::{
    address::Direction,
    level::Severity,
    lru_map::LruMap,
    rules::{self, Finding},
    time::Timestamp,
    view::FlowView,
};

/// Time for which a pair of hosts is remembered: what shows nothing new in it continues its incident.
pub(super) const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// Incidents that are kept in memory; the store has those that went.
const MAX_INCIDENTS: usize = 1 << 16;

/// Clients whose first targets are remembered at least, and targets of each.
const CLIENTS: usize = 1 << 14;
const FIRST_TARGETS: usize = 2;

/// What a changed connection is worth: findings of rules and techniques that the evidence shows.
pub(crate) struct Assessment {
    /// Findings.
    pub(crate) findings: Vec<Finding>,
    /// Identifiers of techniques, each with the fact that shows it.
    pub(crate) techniques: Vec<(&'static str, String)>,
    /// Severity and risk score by the evidence.
    pub(crate) severity: (Severity, u8),
}

/// What the book needs to know beside a connection.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) identity: &'a [u8; 32],
    pub(crate) lost_records: u64,
    pub(crate) learning_until: Option<Timestamp>,
    /// Time after its last packet for which a new target continues the incident of a client that is closed.
    pub(crate) sweep_window: Duration,
}

/// The incidents.
#[derive(Debug)]
pub(crate) struct Book {
    incidents: HashMap<IncidentId, StoredIncident>,
    /// How many there may be.
    most: usize,
    keys: HashMap<Key, IncidentId>,
    /// The first targets of each client, so that a sweep is known before any of its attempts had its time.
    first_targets: LruMap<(IpAddr, u8), Vec<IpAddr>>,
    quota: Quota,
    idle: Duration,
    changed: BTreeSet<IncidentId>,
    relations: Relations,
    campaigns: Campaigns,
    /// Incidents that were forgotten before their time.
    forgotten_early: u64,
    by_severity: BTreeMap<Severity, u64>,
    /// Findings so far, by rule; each counts once for an incident.
    by_rule: BTreeMap<&'static str, u64>,
}

impl Book {
    pub(crate) fn new(incidents_per_window: u64, idle: Duration) -> Self {
        Self {
            incidents: HashMap::new(),
            most: MAX_INCIDENTS,
            keys: HashMap::new(),
            first_targets: LruMap::new(CLIENTS),
            quota: Quota::new(incidents_per_window),
            idle,
            changed: BTreeSet::new(),
            relations: Relations::default(),
            campaigns: Campaigns::default(),
            forgotten_early: 0,
            by_severity: BTreeMap::new(),
            by_rule: BTreeMap::new(),
        }
    }

    /// Takes over incidents of an earlier run.
    pub(crate) fn restore(&mut self, incidents: Vec<StoredIncident>) {
        for mut stored in incidents {
            if stored.incident.closed.is_none() {
                stored.incident.restarted = true;
            }
            let id = stored.incident.id;
            self.keys.insert(stored.key, id);
            self.incidents.insert(id, stored);
        }
        self.restore_campaigns();
    }

    /// Adds to an incident what was found about its hosts. An update says it, unless another document does.
    pub(crate) fn enrich(&mut self, enriched: &Enriched, is_said: bool) {
        let id = enriched.incident;
        let Some(stored) = self.incidents.get_mut(&id).filter(|stored| stored.is_announced()) else { return };
        if enriched.apply(&mut stored.incident) {
            stored.pending |= !is_said;
            self.changed.insert(id);
        }
    }

    pub(crate) fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id).map(|stored| &stored.incident)
    }

    pub(crate) fn stored_mut(&mut self, id: IncidentId) -> Option<&mut StoredIncident> {
        self.incidents.get_mut(&id)
    }

    /// Incidents that were opened and not closed, by their present severity, rising.
    pub(crate) fn open_by_severity(&self) -> [usize; 4] {
        let open = self.incidents.values().filter(|one| one.is_announced() && one.incident.closed.is_none());
        let mut counts = [0; 4];
        for one in open {
            counts[one.incident.severity as usize] += 1;
        }
        counts
    }

    /// Incidents that were opened so far, by severity when they were.
    pub(crate) fn opened(&self) -> &BTreeMap<Severity, u64> {
        &self.by_severity
    }

    /// Findings of these incidents, by rule; each counts once for an incident.
    pub(crate) const fn findings(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_rule
    }

    pub(crate) const fn held_back(&self) -> u64 {
        self.quota.held_back()
    }

    /// Incidents that were forgotten for others, before seven days had passed.
    pub(crate) const fn forgotten_early(&self) -> u64 {
        self.forgotten_early
    }

    /// A connection began: its target counts for its client.
    pub(crate) fn note_target(&mut self, view: &FlowView<'_>) {
        let known = self.first_targets.entry((view.client.ip(), direction_number(view.direction)));
        let target = view.server.ip();
        if known.len() < FIRST_TARGETS && !known.contains(&target) {
            known.push(target);
        }
    }

    fn is_sweeping(&mut self, view: &FlowView<'_>) -> bool {
        self.first_targets.entry((view.client.ip(), direction_number(view.direction))).len() >= FIRST_TARGETS
    }

    /// The incident of one connection, as published profiles count.
    pub(crate) fn place_connection(
        &mut self,
        view: &FlowView<'_>,
        link: &mut Link,
        context: &Context<'_>,
    ) -> IncidentId {
        let known = link.incident.filter(|id| self.incidents.contains_key(id));
        let id = known.unwrap_or_else(|| {
            self.begin(Key::Connection { tuple: view.tuple, first: view.first }, view, context)
        });
        link.incident = Some(id);
        id
    }

    /// The connection of such an incident is over, and with it the incident.
    pub(crate) fn close_connection(&mut self, id: IncidentId, now: Timestamp) -> Option<IncidentEvent> {
        let stored = self.incidents.get_mut(&id).filter(|stored| stored.is_announced())?;
        if stored.incident.closed.is_some() {
            return None;
        }
        self.changed.insert(id);
        stored.close(&self.relations, now)
    }

    /// Takes a provisional incident back: nothing was found, or the quota holds it back.
    pub(crate) fn drop_unannounced(&mut self, id: IncidentId, link: &mut Link) {
        let Some(stored) = self.incidents.get_mut(&id) else { return };
        if stored.is_announced() {
            return;
        }
        let key = stored.key;
        self.keys.remove(&key);
        self.incidents.remove(&id);
        self.changed.remove(&id);
        link.incident = None;
        link.counted = Contribution::default();
        link.credentials.clear();
    }

    /// A connection was merged into an incident, and this is what it is worth: opens, raises or updates it.
    pub(crate) fn assess(
        &mut self,
        id: IncidentId,
        assessment: &Assessment,
        mut has_changed: bool,
        (client, found): (IpAddr, &mut BTreeSet<String>),
        now: Timestamp,
        out: &mut Vec<IncidentOutput>,
    ) -> Option<Admission> {
        let stored = self.incidents.get_mut(&id)?;
        self.changed.insert(id);
        let is_new = |rule: &&str| !stored.incident.findings.contains_key(*rule);
        let new_rules: Vec<_> = assessment.findings.iter().map(|one| one.rule.id).filter(is_new).collect();
        has_changed |= stored.incident.add_findings(assessment, found, now);
        let raised = stored.incident.raise(assessment.severity);
        if !stored.is_announced() {
            let leading = rules::leading(&assessment.findings)?.rule;
            let level = stored.incident.level;
            let (admission, summary) = self.quota.admit(id, leading, level, client, now);
            out.extend(summary.map(IncidentOutput::Quota));
            if admission == Admission::Open {
                stored.incident.opened = now;
                self.relate(id, now);
                let stored = self.incidents.get_mut(&id)?;
                *self.by_severity.entry(stored.incident.severity).or_default() += 1;
                count(&mut self.by_rule, &new_rules);
                out.push(IncidentOutput::Event(Box::new(stored.write(
                    IncidentAction::Opened,
                    &self.relations,
                    now,
                ))));
            }
            return Some(admission);
        }
        count(&mut self.by_rule, &new_rules);
        if has_changed {
            self.relate(id, now);
        }
        if raised {
            self.campaigns.note_change(id);
        }
        let stored = self.incidents.get_mut(&id)?;
        if raised {
            stored.quiet = false;
            out.push(IncidentOutput::Event(Box::new(stored.write(
                IncidentAction::Escalated,
                &self.relations,
                now,
            ))));
        } else if has_changed {
            stored.quiet = false;
            stored.pending = true;
            if stored.is_due(now) {
                out.push(IncidentOutput::Event(Box::new(stored.write(
                    IncidentAction::Updated,
                    &self.relations,
                    now,
                ))));
            }
        }
        Some(Admission::Open)
    }

    /// Time moved on: updates that waited are written, incidents are closed and forgotten, windows of the quota end. Gives whether a
    /// window ended, so that those who were held back may ask again.
    pub(crate) fn advance(&mut self, now: Timestamp, out: &mut Vec<IncidentOutput>) -> Vec<QuotaSummary> {
        let (idle, relations) = (self.idle, &self.relations);
        let mut events = Vec::new();
        let mut forgotten = Vec::new();
        for (id, stored) in &mut self.incidents {
            if stored.incident.closed.is_none() {
                if stored.is_due(now) {
                    events.push(stored.write(IncidentAction::Updated, relations, now));
                    self.changed.insert(*id);
                }
                if now.since(stored.incident.last) >= idle && stored.is_announced() {
                    events.extend(stored.close(relations, now));
                    self.changed.insert(*id);
                }
            } else if now.since(stored.incident.last) >= REMEMBERED {
                forgotten.push(*id);
            } else if stored.has_settled_links(now) {
                events.push(stored.write(IncidentAction::Updated, relations, now));
                self.changed.insert(*id);
            }
        }
        for id in forgotten {
            self.forget(id, now);
        }
        self.settle_counts(now, &mut events);
        events.sort_by_key(|event| (event.incident.first, event.incident.id));
        out.extend(events.into_iter().map(|event| IncidentOutput::Event(Box::new(event))));
        self.write_campaigns(now, false, out);
        self.quota.advance(now)
    }

    /// The end of the run. Where the state is kept, incidents stay open and what is not written yet is; else they are closed.
    pub(crate) fn finish(&mut self, now: Timestamp, is_kept: bool, out: &mut Vec<IncidentOutput>) {
        let (mut events, relations) = (Vec::new(), &self.relations);
        for (id, stored) in &mut self.incidents {
            let is_closed = stored.incident.closed.is_some();
            if !stored.is_announced() || is_closed && stored.linked.is_none() {
                continue;
            }
            self.changed.insert(*id);
            if is_closed {
                events.push(stored.write(IncidentAction::Updated, relations, now));
            } else if !is_kept {
                // The last that is heard of it: with its totals, also where it only continued.
                stored.quiet = false;
                events.extend(stored.close(relations, now));
            } else if stored.pending || stored.linked.is_some() || !stored.quiet && stored.has_grown() {
                events.push(stored.write(IncidentAction::Updated, relations, now));
            }
        }
        self.settle_last_counts(now, is_kept, &mut events);
        events.sort_by_key(|event| (event.incident.first, event.incident.id));
        out.extend(events.into_iter().map(|event| IncidentOutput::Event(Box::new(event))));
        self.write_campaigns(now, true, out);
        out.extend(self.quota.drain(now).into_iter().map(IncidentOutput::Quota));
    }

    /// Ends all windows of the quota, as at the end of the run.
    pub(crate) fn end_windows(&mut self, now: Timestamp) -> Vec<QuotaSummary> {
        self.quota.drain(now)
    }

    /// Incidents that changed since this was last asked, as they are to be stored.
    pub(crate) fn take_changes(&mut self) -> Vec<StoredIncident> {
        let changed = std::mem::take(&mut self.changed);
        let mut stored = Vec::new();
        for id in changed {
            if let Some(one) = self.incidents.get_mut(&id).filter(|one| one.is_announced()) {
                one.count_left_out(&self.relations);
                stored.push(one.clone());
            }
        }
        stored
    }

    fn forget(&mut self, id: IncidentId, now: Timestamp) {
        if let Some(stored) = self.incidents.remove(&id) {
            if self.keys.get(&stored.key) == Some(&id) {
                self.keys.remove(&stored.key);
            }
            self.relations.forget(id, &stored.shared, now);
        }
        self.campaigns.forget(id);
    }

    /// Makes room: the incident that was closed longest ago goes, or else the oldest of all.
    fn forget_oldest(&mut self, now: Timestamp) {
        let oldest = self.incidents.values().min_by_key(|stored| {
            (stored.incident.closed.is_none(), stored.incident.last, stored.incident.id)
        });
        if let Some((id, is_early)) = oldest.map(|stored| (stored.incident.id, stored.is_announced())) {
            self.forgotten_early += u64::from(is_early);
            self.forget(id, now);
        }
    }
}

fn count(by_rule: &mut BTreeMap<&'static str, u64>, rules: &[&'static str]) {
    for rule in rules {
        *by_rule.entry(rule).or_default() += 1;
    }
}

const fn direction_number(direction: Direction) -> u8 {
    match direction {
        Direction::Outbound => 0,
        Direction::Inbound => 1,
    }
}

#[cfg(test)]
mod tests;
