//! Expiry times of exemptions, as people write them.

use std::time::Duration;

use sensor_core::time::Timestamp;
use time::{
    Date, OffsetDateTime, Time,
    format_description::well_known::Rfc3339,
    macros::{datetime, format_description},
};

/// The latest accepted moment: the range of [`Timestamp`] ends a few months later.
const LATEST: i128 = datetime!(2262-01-01 0:00 UTC).unix_timestamp_nanos();

/// The latest accepted day.
const LATEST_DAY: &str = "2261-12-31";

/// Reads a time of RFC 3339, or a date, which means the end of that day in UTC.
///
/// # Errors
/// The expected form.
pub(crate) fn expiry(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return in_range(text, Some(time.unix_timestamp_nanos()));
    }
    let day = day(text)
        .ok_or_else(|| format!("{text:?} is not a time; write it like 2030-06-30 or 2030-06-30T18:00:00Z"))?;
    let end = day.next_day().map(|next| next.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp_nanos());
    in_range(text, end)
}

/// A date, such as 2030-06-30.
pub(crate) fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// A moment that can be written and read again.
fn in_range(text: &str, time: Option<i128>) -> Result<Timestamp, String> {
    let in_range = time.filter(|time| *time <= LATEST).and_then(|time| i64::try_from(time).ok());
    in_range.map(Timestamp::from_unix_nanos).ok_or_else(|| {
        format!("{text:?} is too late: {LATEST_DAY} is the last day. For an exemption without an end, leave out the expiry")
    })
}

/// The same, or a number of minutes, hours or days from `now`: `90m`, `12h`, `30d`.
///
/// # Errors
/// The expected form.
pub(crate) fn expiry_or_duration(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let seconds = [("m", 60), ("h", 3_600), ("d", 86_400)].into_iter().find_map(|(unit, seconds)| {
        u64::from(text.strip_suffix(unit)?.parse::<u32>().ok()?).checked_mul(seconds)
    });
    match seconds {
        Some(seconds) => in_range(text, Some((now + Duration::from_secs(seconds)).unix_nanos().into())),
        None => expiry(text).map_err(|wrong| format!("{wrong}, or 90m, 12h, 30d from now")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc3339::exact_rfc3339;

    fn second(number: i64) -> Timestamp {
        Timestamp::from_unix_seconds(number)
    }

    #[test]
    fn date_lasts_to_its_end_and_time_to_the_second() {
        let day = expiry("2023-11-14").unwrap();
        assert_eq!(day, second(1_700_006_400));
        assert_eq!(expiry("2023-11-15T00:00:00Z").unwrap(), day);
        assert_eq!(expiry("2023-11-15T01:00:00+01:00").unwrap(), day);
        assert!(expiry("2023-13-01").unwrap_err().contains("2030-06-30"));
        assert!(expiry("30d").is_err());
    }

    #[test]
    fn refuses_a_time_too_late_and_names_the_last_day() {
        for late in ["2999999d", "9999-12-31", "2262-01-01T00:00:01Z"] {
            let refused = expiry_or_duration(late, second(1_700_000_000)).unwrap_err();
            assert!(refused.contains(late) && refused.contains(LATEST_DAY), "{refused}");
        }
        let latest = expiry(LATEST_DAY).unwrap();
        assert_eq!(i128::from(latest.unix_nanos()), LATEST);
        assert_eq!(expiry(&exact_rfc3339(latest)), Ok(latest));
    }

    #[test]
    fn duration_counts_from_now() {
        assert_eq!(expiry_or_duration("90m", second(1)).unwrap(), second(5_401));
        assert_eq!(expiry_or_duration("2d", second(0)).unwrap(), second(172_800));
        assert_eq!(expiry_or_duration("2023-11-14", second(0)).unwrap(), second(1_700_006_400));
        assert!(expiry_or_duration("soon", second(0)).unwrap_err().contains("30d"));
    }
}
