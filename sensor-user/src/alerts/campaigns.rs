//! The list of campaigns: incidents that have something in common and concern several internal hosts.

use std::collections::{BTreeMap, BTreeSet};

use sensor_core::{
    incident::{Incident, IncidentId, message},
    level::Severity,
    time::Timestamp,
};
use sensor_dissect::escape::shown;
use unicode_width::UnicodeWidthStr as _;

use super::list::second;

/// The heads of the columns.
const COLUMNS: [&str; 7] =
    ["SEVERITY", "LAST SEEN (UTC)", "INCIDENTS", "INTERNAL HOSTS", "EXTERNAL HOST", "THE WORST ONE", "ID"];

/// The cells of a line.
type Cells = [String; COLUMNS.len()];

/// Hosts from which on connected incidents are a campaign.
const MIN_HOSTS: usize = 2;

/// The campaigns among these incidents. The worst come first, and of these the latest.
pub(crate) fn campaigns(incidents: &[Incident]) -> Vec<Campaign> {
    let mut by_campaign: BTreeMap<IncidentId, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        if let Some(campaign) = incident.related.campaign {
            by_campaign.entry(campaign).or_default().push(incident);
        }
    }
    let mut all: Vec<_> =
        by_campaign.into_iter().filter_map(|(id, members)| Campaign::of(id, &members)).collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.severity, one.last)));
    all
}

/// The table, or a line that says that there are none.
pub(super) fn table(incidents: &[Incident]) -> String {
    let rows = campaigns(incidents);
    if rows.is_empty() {
        return "no campaigns\n".to_owned();
    }
    let cells: Vec<_> =
        [COLUMNS.map(str::to_owned)].into_iter().chain(rows.iter().map(Campaign::cells)).collect();
    let widths: Vec<_> =
        (0..COLUMNS.len()).map(|at| cells.iter().map(|line| line[at].width()).max().unwrap_or(0)).collect();
    let line = |line: &Cells| {
        let padded =
            line.iter().zip(&widths).map(|(cell, width)| cell.clone() + &" ".repeat(width - cell.width()));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

/// Incidents that have something in common.
pub(crate) struct Campaign {
    /// That of the worst one.
    pub(crate) severity: Severity,
    /// Last packet.
    pub(crate) last: Timestamp,
    /// Number of incidents.
    pub(crate) incidents: usize,
    /// Number of internal hosts.
    pub(crate) internal: usize,
    /// External host, or how many there are.
    pub(crate) external: String,
    /// What happened in the worst one.
    pub(crate) worst: String,
    /// Identifier of the first one.
    pub(crate) id: IncidentId,
}

impl Campaign {
    fn cells(&self) -> Cells {
        [
            self.severity.name().to_owned(),
            second(self.last),
            self.incidents.to_string(),
            self.internal.to_string(),
            self.external.clone(),
            self.worst.clone(),
            self.id.to_string(),
        ]
    }

    fn of(id: IncidentId, members: &[&Incident]) -> Option<Self> {
        let internal: BTreeSet<_> = members.iter().flat_map(|one| &one.internal.addresses).collect();
        let external: BTreeSet<_> = members.iter().flat_map(|one| &one.external.addresses).collect();
        let worst = members.iter().max_by_key(|one| (one.severity, one.risk_score, one.level))?;
        let only = external.first().filter(|_| external.len() == 1).map(ToString::to_string);
        (internal.len() >= MIN_HOSTS).then(|| Self {
            severity: worst.severity,
            last: members.iter().map(|one| one.last).max().unwrap_or_default(),
            incidents: members.len(),
            internal: internal.len(),
            external: only.unwrap_or_else(|| format!("{} addresses", external.len())),
            worst: shown(message::summary(worst).as_bytes()),
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

    fn member(number: u64, internal: &str, incident: Incident) -> Incident {
        let mut one = Incident { id: IncidentId(number), ..incident };
        one.internal.addresses = vec![internal.parse().unwrap()];
        one.related.campaign = Some(IncidentId(0xC9 << 56));
        one
    }

    #[test]
    fn campaign_is_one_line_of_its_worst_incident() {
        let all = [
            member(1, "10.0.0.2", fixtures::tls_on_445()),
            member(2, "10.0.0.3", fixtures::leak_accepted()),
            fixtures::sweep(),
        ];
        let text = table(&all);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let words: Vec<_> = lines[1].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(
            words,
            [
                "critical",
                "29 Nov 10:14:07",
                "2",
                "2",
                "2 addresses",
                r"NTLMv2 credential of CORP\ann given away and accepted",
                "c900000000000000"
            ]
        );
    }

    #[test]
    fn connected_incidents_of_one_host_are_no_campaign() {
        let all = [1, 2].map(|number| member(number, "10.0.0.2", fixtures::tls_on_445()));
        assert_eq!(table(&all), "no campaigns\n");
    }
}
