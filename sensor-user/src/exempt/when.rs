//! Until when an exemption holds, as people write it.

use time::{
    Date, OffsetDateTime, Time,
    format_description::well_known::Rfc3339,
    macros::{datetime, format_description},
};

const SECOND: i128 = 1_000_000_000;

/// The last moment that is taken, 9999-12-30 at its end, nanoseconds since the Unix epoch: years have four digits (RFC 3339 5.6).
const LATEST: i128 = datetime!(9999-12-31 0:00 UTC).unix_timestamp_nanos();

/// The last day that is taken.
const LATEST_DAY: &str = "9999-12-30";

/// Reads a time of RFC 3339, or a date, which is that whole day in UTC. Gives nanoseconds since the Unix epoch.
///
/// # Errors
/// What it should look like.
pub fn expiry(text: &str) -> Result<i128, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return in_range(text, Some(time.unix_timestamp_nanos()));
    }
    let day = day(text)
        .ok_or_else(|| format!("{text:?} is no time; write it like 2030-06-30 or 2030-06-30T18:00:00Z"))?;
    let end = day.next_day().map(|next| next.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp_nanos());
    in_range(text, end)
}

/// A date, written like 2030-06-30.
pub(crate) fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// What can be written down and read again.
fn in_range(text: &str, time: Option<i128>) -> Result<i128, String> {
    time.filter(|time| *time <= LATEST).ok_or_else(|| {
        format!("{text:?} is too late: {LATEST_DAY} is the last day. What is to hold for ever has no expiry")
    })
}

/// The same, or a number of minutes, hours or days from `now` on: `90m`, `12h`, `30d`.
///
/// # Errors
/// What it should look like.
pub fn expiry_or_duration(text: &str, now: i128) -> Result<i128, String> {
    let seconds = [("m", 60), ("h", 3_600), ("d", 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some(text.strip_suffix(unit)?.parse::<u32>().ok()? as i128 * seconds));
    match seconds {
        Some(seconds) => in_range(text, Some(now + seconds * SECOND)),
        None => expiry(text).map_err(|wrong| format!("{wrong}, or 90m, 12h, 30d from now on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_holds_to_its_end_and_a_time_to_the_second() {
        let day = expiry("2023-11-14").unwrap();
        assert_eq!(day, 1_700_006_400 * SECOND);
        assert_eq!(expiry("2023-11-15T00:00:00Z").unwrap(), day);
        assert_eq!(expiry("2023-11-15T01:00:00+01:00").unwrap(), day);
        assert!(expiry("2023-13-01").unwrap_err().contains("2030-06-30"));
        assert!(expiry("30d").is_err());
    }

    #[test]
    fn what_is_too_late_to_be_written_is_refused_with_the_last_day() {
        for late in ["2999999d", "9999-12-31", "9999-12-31T23:59:59-12:00"] {
            let refused = expiry_or_duration(late, 1_700_000_000 * SECOND).unwrap_err();
            assert!(refused.contains(late) && refused.contains(LATEST_DAY), "{refused}");
        }
        assert_eq!(expiry(LATEST_DAY), Ok(LATEST));
        assert!(crate::alert::exact_rfc3339(LATEST).is_some_and(|written| expiry(&written) == Ok(LATEST)));
    }

    #[test]
    fn a_duration_counts_from_now() {
        assert_eq!(expiry_or_duration("90m", SECOND).unwrap(), 5_401 * SECOND);
        assert_eq!(expiry_or_duration("2d", 0).unwrap(), 172_800 * SECOND);
        assert_eq!(expiry_or_duration("2023-11-14", 0).unwrap(), 1_700_006_400 * SECOND);
        assert!(expiry_or_duration("soon", 0).unwrap_err().contains("30d"));
    }
}
