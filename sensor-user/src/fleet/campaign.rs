//! Campaigns: incidents of one external host that several sensors reported.
//!
//! The identifier of a campaign follows from the address of the host alone, so that every reader of a stream gets the same one,
//! even a month later.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use sensor_core::{level::Severity, time::Timestamp};
use serde::{Serialize, Serializer};

use super::document::Seen;
use crate::rfc3339::rfc3339;

/// What the identifiers are made for; a new meaning of them takes a new text.
const CONTEXT: &str = "smb-sensor 2026 campaign of an external host";

/// Bytes of an identifier.
const ID_BYTES: usize = 6;

/// Site, sensor and identifier of an incident.
pub(super) type Key = (String, String, String);

/// A campaign.
#[derive(Debug, Serialize)]
pub(crate) struct Campaign {
    pub(crate) id: String,
    pub(crate) external_host: IpAddr,
    pub(crate) sites: Vec<String>,
    /// `SITE/SENSOR`.
    pub(crate) sensors: Vec<String>,
    pub(crate) incidents: u64,
    pub(crate) open: u64,
    /// The highest of its incidents.
    pub(crate) severity: Severity,
    #[serde(serialize_with = "in_rfc3339")]
    pub(crate) first: Timestamp,
    #[serde(serialize_with = "in_rfc3339")]
    pub(crate) last: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn in_rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// The identifier of the campaign of a host.
fn id(host: IpAddr) -> String {
    let address = host.to_canonical();
    let hash = blake3::Hasher::new_derive_key(CONTEXT).update(address.to_string().as_bytes()).finalize();
    let hex: String = hash.as_bytes()[..ID_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("c-{hex}")
}

/// The campaigns among these incidents; those of most sites first, and then the worst.
pub(super) fn campaigns(incidents: &BTreeMap<Key, Seen>) -> Vec<Campaign> {
    let mut hosts: BTreeMap<IpAddr, Host<'_>> = BTreeMap::new();
    for ((site, sensor, _), seen) in incidents {
        let addresses: BTreeSet<IpAddr> = seen.external.iter().map(IpAddr::to_canonical).collect();
        for address in addresses {
            hosts.entry(address).or_default().add(site, sensor, seen);
        }
    }
    let mut several: Vec<(IpAddr, Host<'_>)> =
        hosts.into_iter().filter(|(_, host)| host.sensors.len() > 1).collect();
    several.sort_by_key(|(_, host)| std::cmp::Reverse((host.sites.len(), host.worst, host.last)));
    several.into_iter().map(|(address, host)| host.campaign(address)).collect()
}

/// What the incidents of a host add up to.
#[derive(Default)]
struct Host<'a> {
    sites: BTreeSet<&'a str>,
    sensors: BTreeSet<(&'a str, &'a str)>,
    incidents: u64,
    open: u64,
    worst: Option<Severity>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl<'a> Host<'a> {
    fn add(&mut self, site: &'a str, sensor: &'a str, seen: &Seen) {
        self.sites.insert(site);
        self.sensors.insert((site, sensor));
        self.incidents += 1;
        self.open += u64::from(seen.is_open);
        self.worst = self.worst.max(Some(seen.severity));
        self.first = Some(self.first.map_or(seen.first, |first| first.min(seen.first)));
        self.last = self.last.max(Some(seen.last));
    }

    fn campaign(self, external_host: IpAddr) -> Campaign {
        Campaign {
            id: id(external_host),
            external_host,
            sites: self.sites.into_iter().map(str::to_owned).collect(),
            sensors: self.sensors.into_iter().map(|(site, sensor)| format!("{site}/{sensor}")).collect(),
            incidents: self.incidents,
            open: self.open,
            severity: self.worst.unwrap_or(Severity::Low),
            first: self.first.unwrap_or_default(),
            last: self.last.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{document::tests::at, report::tests::fleet};
    use super::*;

    #[test]
    fn incidents_of_one_host_at_two_sites_are_a_campaign() {
        let campaigns = fleet().campaigns;
        let [one] = &campaigns[..] else { panic!("{campaigns:?}") };
        assert_eq!((one.external_host.to_string(), one.incidents, one.open), ("8.8.4.4".to_owned(), 2, 1));
        assert_eq!((one.severity, one.first, one.last), (Severity::Critical, at(0), at(3)));
        assert_eq!(one.sites, ["graz", "vienna"]);
        assert_eq!(one.sensors, ["graz/a", "vienna/gate\u{1b}[31m"]);
    }

    #[test]
    fn one_sensor_makes_no_campaign_and_one_incident_counts_once() {
        let seen = |external: &[&str]| Seen {
            severity: Severity::Low,
            is_open: true,
            external: external.iter().map(|one| one.parse().unwrap()).collect(),
            first: at(0),
            last: at(0),
            stored: at(0),
        };
        let key = |site: &str, sensor: &str| (site.to_owned(), sensor.to_owned(), "1".to_owned());
        let mut incidents = BTreeMap::from([(key("graz", "a"), seen(&["8.8.4.4", "::ffff:8.8.4.4"]))]);
        assert!(campaigns(&incidents).is_empty());
        incidents.insert(key("graz", "b"), seen(&["8.8.4.4"]));
        assert_eq!(campaigns(&incidents)[0].sites, ["graz"]);
        incidents.insert(key("vienna", "a"), seen(&["8.8.4.4"]));
        assert_eq!(campaigns(&incidents)[0].incidents, 3);
    }

    #[test]
    fn identifier_follows_from_the_address_alone() {
        let ids =
            ["8.8.4.4", "::ffff:8.8.4.4", "8.8.8.8", "2001:db8::1"].map(|text| id(text.parse().unwrap()));
        assert_eq!(ids[0], ids[1], "however it is written");
        assert_eq!(BTreeSet::from(ids.clone()).len(), 3);
        // Identifiers in tickets outlive a version of the sensor.
        assert_eq!(ids[0], "c-cc005f7d5d94");
        assert_eq!(id("198.51.100.9".parse().unwrap()), "c-236502ef361a", "in the documentation");
    }
}
