//! The content of a report, independent of its form.

use anyhow::Result;
use nix::unistd::gethostname;
use sensor_core::{incident::Incident, level::Severity, time::Timestamp};
use serde::Serialize;

use super::{
    exempted::{Exempted, exempted},
    loss::Loss,
    pairs::Pairs,
    severities::Severities,
    verdicts::Verdicts,
    weeks::{Week, Weeks},
};
use crate::{
    alerts,
    exempt::Exemption,
    exposure::{ExposedHost, Exposures},
    rfc3339::rfc3339,
    state,
    storage::{IncidentQuery, Reader},
};

/// A report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Name of the machine on which it was made.
    pub(super) host: String,
    pub(super) version: &'static str,
    /// When it was made.
    pub(super) at: String,
    pub(super) since: String,
    pub(super) until: String,
    /// When the oldest document was written that the store has; earlier ones were removed, or there were none.
    pub(super) kept_since: Option<String>,
    /// Whether that is later than the beginning of the period.
    pub(super) begins_late: bool,
    pub(super) incidents: Incidents,
    pub(super) verdicts: Verdicts,
    pub(super) pairs: Pairs,
    pub(super) campaigns: Vec<Campaign>,
    pub(super) exposed: Vec<ExposedHost>,
    pub(super) exempted: Vec<Exempted>,
    pub(super) loss: Loss,
}

/// Incidents that were active in the period.
#[derive(Debug, Serialize)]
pub(super) struct Incidents {
    pub(super) total: u64,
    pub(super) open: u64,
    pub(super) by_severity: Severities,
    /// Those that were opened before the first week.
    pub(super) earlier: u64,
    /// The others, by the week in which they were opened.
    pub(super) weeks: Vec<Week>,
}

/// Incidents that have something in common.
#[derive(Debug, Serialize)]
pub(super) struct Campaign {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) last: String,
    pub(super) incidents: usize,
    pub(super) internal_hosts: usize,
    pub(super) external: String,
    /// What happened in the worst incident.
    pub(super) worst: String,
}

impl Report {
    /// Reads what happened between two times.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn read(
        reader: &Reader,
        exemptions: &[Exemption],
        (since, until): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Self> {
        let query = IncidentQuery { since: Some(since.unix_nanos()), ..IncidentQuery::default() };
        let (mut incidents, mut unreadable) = (Vec::new(), 0);
        for row in reader.incidents(&query)? {
            match state::incident(&row) {
                Ok(incident) if incident.first < until => incidents.push(incident),
                Ok(_) => {}
                Err(_) => unreadable += 1,
            }
        }
        let verdict_entries = reader.verdicts()?.into_iter().filter_map(|row| {
            let verdict_entry = state::verdict_entry(&row).ok()?;
            Some((row.incident, verdict_entry))
        });
        let verdicts = Verdicts::of(&incidents, verdict_entries.collect());
        let hits = state::hits(reader.hits()?);
        let held_back = reader.held_back(since.unix_nanos(), until.unix_nanos())?;
        let kept_since = reader.oldest()?.map(Timestamp::from_unix_nanos);
        let mut exposures = Exposures::default();
        for incident in &incidents {
            exposures.add(incident);
        }
        // Weeks from which nothing is kept are not shown as weeks without incidents.
        let shown_since = kept_since.map_or(since, |kept| kept.clamp(since, until));
        Ok(Self {
            host: gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            at: rfc3339(now),
            since: rfc3339(since),
            until: rfc3339(until),
            begins_late: kept_since.is_none_or(|kept| kept > since),
            kept_since: kept_since.map(rfc3339),
            incidents: Incidents::of(&incidents, shown_since, until),
            verdicts,
            pairs: Pairs::of(&incidents),
            campaigns: alerts::campaigns(&incidents).iter().map(Campaign::of).collect(),
            exempted: exempted(&hits, exemptions, since),
            loss: Loss::of(&incidents, unreadable, held_back),
            exposed: exposures.finish(),
        })
    }
}

impl Incidents {
    fn of(incidents: &[Incident], since: Timestamp, until: Timestamp) -> Self {
        let mut by_severity = Severities::default();
        incidents.iter().for_each(|one| by_severity.add(one.severity));
        let Weeks { weeks, earlier } = Weeks::of(incidents, since, until);
        Self {
            total: incidents.len() as u64,
            open: incidents.iter().filter(|one| one.closed.is_none()).count() as u64,
            by_severity,
            earlier,
            weeks,
        }
    }
}

impl Campaign {
    fn of(campaign: &alerts::Campaign) -> Self {
        Self {
            id: campaign.id.to_string(),
            severity: campaign.severity,
            last: rfc3339(campaign.last),
            incidents: campaign.incidents,
            internal_hosts: campaign.internal,
            external: campaign.external.clone(),
            worst: campaign.worst.clone(),
        }
    }
}
