//! Campaigns: incidents that have something in common and concern several internal hosts.
//!
//! The first incident identifies a campaign. A campaign causes one alert, and an update when its severity
//! rises, when it has doubled, or when no incident was added for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{IncidentId, RelationKind, SETTLED};
use crate::{level::Severity, time::Timestamp};

/// Internal hosts from which on connected incidents are a campaign.
const MIN_HOSTS: usize = 2;

/// What was last written of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    incidents: usize,
    severity: Severity,
}

/// Connected incidents.
#[derive(Debug, Default)]
struct Campaign {
    members: BTreeSet<IncidentId>,
    /// How they are connected, with the number of times.
    kinds: BTreeMap<RelationKind, u64>,
    /// When the last one was added.
    grew: Timestamp,
    written: Option<Written>,
}

/// Why a campaign is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignAction {
    /// It is one now: an alert.
    Opened,
    /// Its severity rose.
    Escalated,
    /// It doubled, or nothing was added for a while.
    Updated,
}

/// A campaign that is to be written.
pub(super) struct Due {
    pub(super) id: IncidentId,
    pub(super) action: CampaignAction,
    pub(super) members: BTreeSet<IncidentId>,
    pub(super) kinds: BTreeMap<RelationKind, u64>,
}

/// What is known of the incidents of a campaign as they stand.
pub(super) struct Extent {
    /// Internal hosts.
    pub(super) hosts: usize,
    /// The worst severity.
    pub(super) severity: Severity,
}

/// All connected incidents.
#[derive(Debug, Default)]
pub(super) struct Campaigns {
    all: HashMap<IncidentId, Campaign>,
    of: HashMap<IncidentId, IncidentId>,
    /// Those of which something may have to be written.
    growing: BTreeSet<IncidentId>,
}

impl Campaigns {
    /// Two incidents are connected; `first` is the earlier one. Gives the incidents that belong to a campaign from now on that is
    /// written already, with its identifier.
    pub(super) fn connect(
        &mut self,
        (first, other): (IncidentId, IncidentId),
        kind: RelationKind,
        now: Timestamp,
    ) -> Vec<(IncidentId, IncidentId)> {
        let [into, from] = [first, other].map(|id| self.of.get(&id).copied());
        let id = into.or(from).unwrap_or(first);
        let mut new: BTreeSet<IncidentId> =
            [first, other].into_iter().filter(|one| !self.of.contains_key(one)).collect();
        let merged = from.filter(|from| *from != id).and_then(|from| {
            self.growing.remove(&from);
            self.all.remove(&from)
        });
        let is_merged = merged.is_some();
        let campaign = self.all.entry(id).or_default();
        *campaign.kinds.entry(kind).or_default() += 1;
        if let Some(merged) = merged {
            new.extend(merged.members);
            merged
                .kinds
                .into_iter()
                .for_each(|(kind, count)| *campaign.kinds.entry(kind).or_default() += count);
            campaign.written = campaign.written.or(merged.written);
        }
        self.growing.insert(id);
        if new.is_empty() {
            return vec![];
        }
        campaign.grew = now;
        campaign.members.extend(&new);
        self.of.extend(new.iter().map(|member| (*member, id)));
        match campaign.written {
            None => vec![],
            Some(_) if is_merged => campaign.members.iter().map(|member| (*member, id)).collect(),
            Some(_) => new.into_iter().map(|member| (member, id)).collect(),
        }
    }

    /// An incident of an earlier run belongs to a campaign of it, which was written as it stands.
    pub(super) fn restore(&mut self, member: IncidentId, id: IncidentId, severity: Severity) {
        self.of.insert(member, id);
        let campaign = self.all.entry(id).or_default();
        campaign.members.insert(member);
        let before = campaign.written.map_or(severity, |written| written.severity);
        let incidents = campaign.members.len();
        campaign.written = Some(Written { incidents, severity: before.max(severity) });
    }

    /// An incident is worse than it was.
    pub(super) fn note_change(&mut self, member: IncidentId) {
        self.growing.extend(self.of.get(&member));
    }

    /// An incident is forgotten.
    pub(super) fn forget(&mut self, member: IncidentId) {
        let Some(id) = self.of.remove(&member) else { return };
        if let Some(campaign) = self.all.get_mut(&id) {
            campaign.members.remove(&member);
            if campaign.members.is_empty() {
                self.all.remove(&id);
                self.growing.remove(&id);
            }
        }
    }

    /// Those of which something is to be written now, or at the end of the run. `extent` looks at the incidents of one.
    pub(super) fn due(
        &mut self,
        now: Timestamp,
        is_end: bool,
        extent: impl Fn(&BTreeSet<IncidentId>) -> Extent,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        let all = &mut self.all;
        self.growing.retain(|id| {
            let Some(campaign) = all.get_mut(id) else { return false };
            let Extent { hosts, severity } = extent(&campaign.members);
            let incidents = campaign.members.len();
            let settled = is_end || now.distance(campaign.grew) >= SETTLED;
            let action = match campaign.written {
                None if hosts >= MIN_HOSTS => Some(CampaignAction::Opened),
                None => None,
                Some(written) if severity > written.severity => Some(CampaignAction::Escalated),
                Some(written) if incidents >= 2 * written.incidents => Some(CampaignAction::Updated),
                Some(written) if incidents > written.incidents && settled => Some(CampaignAction::Updated),
                Some(_) => None,
            };
            if let Some(action) = action {
                campaign.written = Some(Written { incidents, severity });
                due.push(Due {
                    id: *id,
                    action,
                    members: campaign.members.clone(),
                    kinds: campaign.kinds.clone(),
                });
            }
            !settled
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::after;

    fn id(number: u64) -> IncidentId {
        IncidentId(number)
    }

    /// Each incident is of a host of its own.
    fn extent(members: &BTreeSet<IncidentId>) -> Extent {
        let severity = if members.contains(&id(99)) { Severity::Critical } else { Severity::High };
        Extent { hosts: members.len(), severity }
    }

    fn written(campaigns: &mut Campaigns, millis: i64) -> Vec<(CampaignAction, usize)> {
        let due = campaigns.due(after(millis), false, extent);
        due.into_iter().map(|due| (due.action, due.members.len())).collect()
    }

    #[test]
    fn thirty_incidents_of_one_host_are_one_campaign_with_few_documents() {
        use CampaignAction::{Escalated, Opened, Updated};
        let mut campaigns = Campaigns::default();
        let mut all = Vec::new();
        for number in 1..30 {
            let joined = campaigns.connect((id(0), id(number)), RelationKind::ExternalHost, after(0));
            assert_eq!(joined.is_empty(), number == 1, "two are no campaign before it is written");
            all.extend(written(&mut campaigns, 0));
        }
        assert_eq!(all, [(Opened, 2), (Updated, 4), (Updated, 8), (Updated, 16)]);
        assert_eq!(written(&mut campaigns, 299_999), []);
        assert_eq!(written(&mut campaigns, 300_000), [(Updated, 30)]);
        assert_eq!(written(&mut campaigns, 900_000), []);
        assert_eq!(campaigns.connect((id(0), id(99)), RelationKind::User, after(900_000)), [(id(99), id(0))]);
        assert_eq!(written(&mut campaigns, 900_000), [(Escalated, 31)]);
    }

    #[test]
    fn campaigns_that_are_connected_later_become_one_without_another_alert() {
        let mut campaigns = Campaigns::default();
        for (first, other) in [(1, 2), (11, 12)] {
            let _ = campaigns.connect((id(first), id(other)), RelationKind::ExternalHost, after(0));
        }
        assert_eq!(written(&mut campaigns, 0).len(), 2);
        let moved = campaigns.connect((id(2), id(12)), RelationKind::Credential, after(1));
        assert_eq!(moved, [1, 2, 11, 12].map(|member| (id(member), id(1))));
        assert_eq!(written(&mut campaigns, 1), [(CampaignAction::Updated, 4)]);
        assert_eq!(campaigns.all.len(), 1);
    }

    #[test]
    fn one_host_is_no_campaign_and_nothing_is_kept_of_forgotten_ones() {
        let mut campaigns = Campaigns::default();
        let _ = campaigns.connect((id(1), id(2)), RelationKind::ExternalHost, after(0));
        let one_host = |_: &BTreeSet<IncidentId>| Extent { hosts: 1, severity: Severity::Critical };
        assert!(campaigns.due(after(0), false, one_host).is_empty());
        [1, 2].into_iter().for_each(|number| campaigns.forget(id(number)));
        assert!(campaigns.all.is_empty() && campaigns.of.is_empty() && campaigns.growing.is_empty());
    }

    #[test]
    fn restored_campaign_is_not_announced_again() {
        let mut campaigns = Campaigns::default();
        [1, 2, 3].into_iter().for_each(|number| campaigns.restore(id(number), id(1), Severity::High));
        assert_eq!(written(&mut campaigns, 0), []);
        let _ = campaigns.connect((id(1), id(4)), RelationKind::ExternalHost, after(0));
        assert_eq!(written(&mut campaigns, 0), []);
        assert_eq!(written(&mut campaigns, 300_000), [(CampaignAction::Updated, 4)]);
    }
}
