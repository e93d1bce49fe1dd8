//! Incidents by the week in which they were opened.

use std::time::Duration;

use sensor_core::{incident::Incident, time::Timestamp};
use serde::Serialize;
use time::{Date, OffsetDateTime};

use super::severities::Severities;

/// Most weeks, the last ones.
const MAX_WEEKS: i64 = 53;

const DAY: i64 = 86_400;

/// Incidents that were opened in one week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Week {
    /// Its Monday, such as `2026-11-23`.
    pub(crate) begins: String,
    /// By severity.
    pub(crate) opened: Severities,
}

/// Incidents by week, and those that were opened before the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weeks {
    pub(super) weeks: Vec<Week>,
    pub(super) earlier: u64,
}

impl Weeks {
    /// The weeks from `since` until `until`, of more than 53 the last ones.
    pub(super) fn of(incidents: &[Incident], since: Timestamp, until: Timestamp) -> Self {
        let last = week(until - Duration::from_nanos(1));
        let first = week(since).max(last + 1 - MAX_WEEKS);
        let weeks =
            (first..=last).map(|number| Week { begins: monday(number), opened: Severities::default() });
        let mut all = Self { weeks: weeks.collect(), earlier: 0 };
        for incident in incidents {
            let at = usize::try_from(week(incident.opened) - first).ok().filter(|_| incident.opened >= since);
            match at.and_then(|at| all.weeks.get_mut(at)) {
                Some(week) => week.opened.add(incident.severity),
                None => all.earlier += 1,
            }
        }
        all
    }
}

/// Weeks from Monday, 29 December 1969.
fn week(at: Timestamp) -> i64 {
    (at.unix_nanos().div_euclid(DAY * 1_000_000_000) + 3).div_euclid(7)
}

fn monday(week: i64) -> String {
    OffsetDateTime::from_unix_timestamp((week * 7 - 3) * DAY)
        .map(OffsetDateTime::date)
        .map_or_else(|_| String::new(), |date: Date| date.to_string())
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;
    use crate::rfc3339::parse_rfc3339;

    fn at(text: &str) -> Timestamp {
        parse_rfc3339(text).unwrap()
    }

    fn opened(text: &str) -> Incident {
        Incident { opened: at(text), ..fixtures::leak_accepted() }
    }

    #[test]
    fn week_begins_on_monday_in_utc() {
        let incidents = [
            opened("2026-11-08T23:59:59Z"),
            opened("2026-11-09T00:00:00Z"),
            opened("2026-11-15T23:59:59Z"),
            opened("2026-11-16T00:00:00Z"),
        ];
        let weeks = Weeks::of(&incidents, at("2026-11-09T00:00:00Z"), at("2026-11-23T00:00:00Z"));
        let shown: Vec<_> =
            weeks.weeks.iter().map(|one| (one.begins.as_str(), one.opened.critical)).collect();
        assert_eq!(shown, [("2026-11-09", 2), ("2026-11-16", 1)], "the end is not part of the period");
        assert_eq!(weeks.earlier, 1);
        assert_eq!(monday(0), "1969-12-29");
    }

    #[test]
    fn first_week_has_nothing_from_before_the_period() {
        let incidents = [opened("2026-11-10T00:00:00Z"), opened("2026-11-12T00:00:00Z")];
        let weeks = Weeks::of(&incidents, at("2026-11-11T00:00:00Z"), at("2026-11-13T00:00:00Z"));
        assert_eq!((weeks.weeks.len(), weeks.weeks[0].opened.critical, weeks.earlier), (1, 1, 1));
    }

    #[test]
    fn long_period_is_cut_to_its_last_year() {
        let incidents = [opened("2020-01-01T00:00:00Z"), opened("2026-11-12T00:00:00Z")];
        let weeks = Weeks::of(&incidents, Timestamp::from_unix_nanos(0), at("2026-11-13T00:00:00Z"));
        let last = weeks.weeks.last().unwrap();
        assert_eq!((weeks.weeks.len(), last.begins.as_str(), last.opened.critical), (53, "2026-11-09", 1));
        assert_eq!(weeks.earlier, 1);
    }
}
