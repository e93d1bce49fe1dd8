//! Incidents: the reports to a person. One event is one incident, however many connections, ports and rules are involved.
//!
//! Takes connections and the findings of rules, gives [`IncidentEvent`]s. Never builds a document: that is rendering.

pub(crate) mod book;
mod campaign;
mod campaigns;
pub mod covered;
mod enriched;
mod entry;
mod findings;
#[cfg(any(test, feature = "test-fixtures"))]
pub mod fixtures;
mod link;
mod merge;
pub mod message;
mod model;
mod parts;
mod phrase;
pub(crate) mod quota;
mod relations;
pub mod steps;
pub mod timeline;

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

pub(crate) use self::link::Recorded;
pub use self::{
    book::IncidentTally,
    campaign::CampaignSummary,
    campaigns::CampaignAction,
    relations::{MAX_RELATED, RelatedIncidents, RelationKind},
};
pub use self::{enriched::Enriched, entry::StoredIncident, link::Link};
pub use crate::rules::TargetCounts;

pub use self::{
    model::Incident,
    parts::{
        AnsweringPort, ConnectionRecord, Counted, Credential, CredentialMethod, FindingRecord, LogonOutcome,
        Milestone, Party, Scope, Share, ShareKind, ThreatHit, TimelineEntry, WebDavSeen,
    },
};

/// Time without another related incident after which the numbers of related ones are written.
const SETTLED: Duration = Duration::from_secs(300);

/// Identifier of an incident: 64 bits, shown as 16 hexadecimal digits. People type the first four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for IncidentId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// What an event says of its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentAction {
    /// It was opened: an alert.
    Opened,
    /// Its severity rose: an alert.
    Escalated,
    /// Something is known that was not, or its counts doubled.
    Updated,
    /// An hour passed without activity, or the sensor ended.
    Closed,
}

impl IncidentAction {
    /// ECS `event.action`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "incident-opened",
            Self::Escalated => "incident-escalated",
            Self::Updated => "incident-updated",
            Self::Closed => "incident-closed",
        }
    }

    /// Whether a person is alerted by it: ECS `event.kind` is `alert`, and `event` otherwise.
    #[must_use]
    pub const fn is_alert(self) -> bool {
        matches!(self, Self::Opened | Self::Escalated)
    }
}

/// Something about an incident that is written.
#[derive(Clone, Debug)]
pub struct IncidentEvent {
    /// What.
    pub action: IncidentAction,
    /// Number of this event within its incident, from 1.
    pub sequence: u64,
    /// When it was written.
    pub at: crate::time::Timestamp,
    /// The incident as it stands.
    pub incident: Incident,
}

/// New incidents of one rule that were counted and not opened, since there were too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaSummary {
    /// The rule.
    pub rule: &'static crate::rules::RuleMeta,
    /// When the window began.
    pub since: crate::time::Timestamp,
    /// When it ends.
    pub until: crate::time::Timestamp,
    /// When this was written.
    pub at: crate::time::Timestamp,
    /// Number of the window of this rule, and of the summary within it, for an identifier.
    pub sequence: u64,
    /// Incidents that were opened in the window.
    pub opened: u64,
    /// Incidents that were not.
    pub held_back: u64,
    /// Whether the window is over and the counts are final.
    pub is_final: bool,
    /// Clients of which most were held back, each with their number.
    pub sources: Vec<(std::net::IpAddr, u64)>,
}

/// What the book of incidents gives.
#[derive(Clone, Debug)]
pub enum IncidentOutput {
    /// Something about an incident.
    Event(Box<IncidentEvent>),
    /// Incidents that were counted and not opened.
    Quota(QuotaSummary),
    /// Incidents that are connected.
    Campaign(Box<CampaignSummary>),
}
