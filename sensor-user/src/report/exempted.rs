//! The exemptions that covered traffic, with their counts.

use std::collections::BTreeMap;

use sensor_core::{exempt::Hit, time::Timestamp};
use serde::Serialize;

use crate::{exempt::Exemption, rfc3339::rfc3339};

/// What one exemption has covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Exempted {
    pub(crate) id: String,
    /// What it covers, if it is known here.
    pub(crate) covers: Option<String>,
    pub(crate) reason: Option<String>,
    /// Since it is counted, which may be before the period.
    pub(crate) connections: u64,
    pub(crate) packets: u64,
    pub(crate) last: String,
}

/// The exemptions that covered something at or after `since`, the latest first.
pub(super) fn exempted(hits: &BTreeMap<String, Hit>, known: &[Exemption], since: Timestamp) -> Vec<Exempted> {
    let mut hits: Vec<_> = hits.iter().filter(|(_, hit)| hit.last >= since).collect();
    hits.sort_by_key(|(_, hit)| std::cmp::Reverse(hit.last));
    let described = |(id, hit): (&String, &Hit)| {
        let exemption = known.iter().find(|one| one.id == *id);
        Exempted {
            id: id.clone(),
            covers: exemption.map(ToString::to_string),
            reason: exemption.map(|one| one.reason.clone()),
            connections: hit.connections,
            packets: hit.packets,
            last: rfc3339(hit.last),
        }
    };
    hits.into_iter().map(described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemptions_of_the_period_are_named_where_they_are_known() {
        let hit = |seconds| Hit { connections: 3, packets: 0, last: Timestamp::from_unix_seconds(seconds) };
        let mut copy = Exemption::between("10.0.0.2/32".parse().ok(), None, "nightly copy");
        copy.id = "copy".into();
        let hits = BTreeMap::from([
            ("copy".to_owned(), hit(200)),
            ("gone".to_owned(), hit(300)),
            ("old".to_owned(), hit(100)),
        ]);
        let all = exempted(&hits, &[copy], Timestamp::from_unix_seconds(150));
        let shown: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.reason.as_deref())).collect();
        assert_eq!(shown, [("gone", None), ("copy", Some("nightly copy"))]);
    }
}
