//! The summary of a campaign's incidents.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{CampaignAction, Incident, IncidentId, RelationKind, campaigns::Due, message, phrase::clean};
use crate::{
    level::{EvidenceLevel, Severity},
    rules::sentence::{self, counted},
    time::Timestamp,
};

/// Incidents, hosts and accounts that a summary lists.
const MAX_LISTED: usize = 32;

/// Incidents that are connected, as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignSummary {
    /// The identifier: that of its first incident.
    pub id: IncidentId,
    /// Why it is written.
    pub action: CampaignAction,
    /// When.
    pub at: Timestamp,
    /// How many incidents there are.
    pub incidents: u64,
    /// The first ones.
    pub listed: Vec<IncidentId>,
    /// Internal hosts: how many, and the first ones.
    pub internal: (u64, Vec<IpAddr>),
    /// External hosts.
    pub external: (u64, Vec<IpAddr>),
    /// Accounts, the first ones.
    pub accounts: Vec<String>,
    /// How the incidents are connected, with the number of times.
    pub kinds: BTreeMap<RelationKind, u64>,
    /// The worst severity.
    pub severity: Severity,
    /// The highest risk score.
    pub risk_score: u8,
    /// The highest evidence level.
    pub level: EvidenceLevel,
    /// The first packet.
    pub first: Timestamp,
    /// The last packet.
    pub last: Timestamp,
    /// Identifier of the leading rule of the worst incident.
    pub rule: String,
    /// What happened in the worst incident.
    pub worst: String,
}

impl CampaignSummary {
    /// Of these incidents, of which there is one at least.
    pub(super) fn of(due: &Due, members: &[&Incident], now: Timestamp) -> Option<Self> {
        let worst = members.iter().max_by_key(|one| (one.severity, one.risk_score, one.level))?;
        let accounts: BTreeSet<_> = members
            .iter()
            .flat_map(|one| one.credentials.iter().filter_map(super::Credential::account))
            .collect();
        Some(Self {
            id: due.id,
            action: due.action,
            at: now,
            incidents: members.len() as u64,
            listed: members.iter().map(|one| one.id).take(MAX_LISTED).collect(),
            internal: addresses(members.iter().flat_map(|one| &one.internal.addresses)),
            external: addresses(members.iter().flat_map(|one| &one.external.addresses)),
            accounts: accounts.into_iter().take(MAX_LISTED).collect(),
            kinds: due.kinds.clone(),
            severity: worst.severity,
            risk_score: members.iter().map(|one| one.risk_score).max()?,
            level: members.iter().map(|one| one.level).max()?,
            first: members.iter().map(|one| one.first).min()?,
            last: members.iter().map(|one| one.last).max()?,
            rule: worst.rule.clone(),
            worst: message::sentence(worst),
        })
    }

    /// The whole line, without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let shared: Vec<_> = self.kinds.keys().map(|kind| self.shared(*kind)).collect();
        format!(
            "{} of {} are connected by {}; the worst one: {}",
            counted(self.incidents, "incident"),
            counted(self.internal.0, "internal host"),
            sentence::list(&shared),
            self.worst
        )
    }

    fn shared(&self, kind: RelationKind) -> String {
        match (kind, self.external.1.as_slice(), self.accounts.as_slice()) {
            (RelationKind::ExternalHost, [one], _) if self.external.0 == 1 => {
                format!("the external host {one}")
            }
            (RelationKind::ExternalHost, ..) => "external hosts".to_owned(),
            (RelationKind::Credential, ..) => "a credential".to_owned(),
            (RelationKind::User, _, [one]) => format!("the user {}", clean(one)),
            (RelationKind::User, ..) => "users".to_owned(),
        }
    }
}

/// How many different addresses there are, and the first ones.
fn addresses<'a>(all: impl Iterator<Item = &'a IpAddr>) -> (u64, Vec<IpAddr>) {
    let all: BTreeSet<IpAddr> = all.copied().collect();
    (all.len() as u64, all.into_iter().take(MAX_LISTED).collect())
}
