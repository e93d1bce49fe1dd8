//! Connects related incidents, and writes their campaigns.

use std::collections::{BTreeSet, HashMap};

use super::Book;
use crate::{
    incident::{
        CampaignAction, CampaignSummary, Incident, IncidentEvent, IncidentId, IncidentOutput,
        RelatedIncidents, RelationKind, StoredIncident, campaigns::Extent,
    },
    level::Severity,
    time::Timestamp,
};

impl Book {
    /// Connects an incident with those that have something in common with it.
    pub(super) fn relate(&mut self, id: IncidentId, now: Timestamp) {
        let Some(stored) = self.incidents.get_mut(&id) else { return };
        for (other, kind) in self.relations.note(&stored.incident, &mut stored.shared, now) {
            self.connect((other, id), kind, now);
        }
    }

    /// Counts again where incidents with the same things came or went. The counts are stored, and written where one is due.
    pub(super) fn settle_counts(&mut self, now: Timestamp, events: &mut Vec<IncidentEvent>) {
        for id in self.relations.outdated(now) {
            self.recount(id, now, Some(events));
        }
    }

    /// The same at the end of the run, for all of them. Where the state `is_kept`, they are written after the next start, as many at a
    /// time as now.
    pub(super) fn settle_last_counts(
        &mut self,
        now: Timestamp,
        is_kept: bool,
        events: &mut Vec<IncidentEvent>,
    ) {
        for id in self.relations.all_outdated() {
            self.recount(id, now, if is_kept { None } else { Some(events) });
        }
    }

    fn recount(&mut self, id: IncidentId, now: Timestamp, events: Option<&mut Vec<IncidentEvent>>) {
        let Some(stored) = self.incidents.get_mut(&id) else { return };
        if stored.count_left_out(&self.relations) {
            self.changed.insert(id);
        }
        let Some(events) = events else { return };
        if let Some(event) = stored.write_recounted(&self.relations, now) {
            self.changed.insert(id);
            events.push(event);
        }
    }

    fn connect(&mut self, (earlier, later): (IncidentId, IncidentId), kind: RelationKind, now: Timestamp) {
        if let [Some(before), Some(after)] = self.incidents.get_disjoint_mut([&earlier, &later]) {
            let known = &mut before.incident.related;
            let is_first = known.incidents.is_empty();
            if RelatedIncidents::link((earlier, known), (later, &mut after.incident.related), kind) {
                before.note_link(is_first, now);
                self.changed.extend([earlier, later]);
            }
        }
        for (member, campaign) in self.campaigns.connect((earlier, later), kind, now) {
            self.put_in(member, campaign);
        }
    }

    fn put_in(&mut self, member: IncidentId, campaign: IncidentId) {
        if let Some(stored) = self.incidents.get_mut(&member) {
            stored.incident.related.campaign = Some(campaign);
            self.changed.insert(member);
        }
    }

    /// Connects incidents of an earlier run again. What is known of them is not written again.
    pub(super) fn restore_campaigns(&mut self) {
        let mut order: Vec<_> =
            self.incidents.values().map(|stored| (stored.incident.opened, stored.incident.id)).collect();
        order.sort_unstable();
        for (_, id) in &order {
            if let Some(stored) = self.incidents.get(id)
                && let Some(campaign) = stored.incident.related.campaign
            {
                self.campaigns.restore(*id, campaign, stored.incident.severity);
            }
        }
        for (opened, id) in order {
            let Some(stored) = self.incidents.get_mut(&id) else { continue };
            for (other, kind) in self.relations.restore(&stored.incident, &mut stored.shared) {
                let _ = self.campaigns.connect((other, id), kind, opened);
            }
        }
    }

    /// Writes campaigns of which something is to be said.
    pub(super) fn write_campaigns(&mut self, now: Timestamp, is_end: bool, out: &mut Vec<IncidentOutput>) {
        let incidents = &self.incidents;
        let due = self.campaigns.due(now, is_end, |members| extent(incidents, members));
        for due in due {
            if due.action == CampaignAction::Opened {
                due.members.iter().for_each(|member| self.put_in(*member, due.id));
            }
            let mut members: Vec<_> = of(&self.incidents, &due.members).collect();
            members.sort_by_key(|one| (one.opened, one.id));
            let summary = CampaignSummary::of(&due, &members, now);
            out.extend(summary.map(|summary| IncidentOutput::Campaign(Box::new(summary))));
        }
    }
}

fn of<'a>(
    incidents: &'a HashMap<IncidentId, StoredIncident>,
    members: &'a BTreeSet<IncidentId>,
) -> impl Iterator<Item = &'a Incident> {
    members.iter().filter_map(|id| incidents.get(id)).map(|stored| &stored.incident)
}

fn extent(incidents: &HashMap<IncidentId, StoredIncident>, members: &BTreeSet<IncidentId>) -> Extent {
    let hosts: BTreeSet<_> = of(incidents, members).flat_map(|one| &one.internal.addresses).collect();
    let severity = of(incidents, members).map(|one| one.severity).max().unwrap_or(Severity::Low);
    Extent { hosts: hosts.len(), severity }
}
