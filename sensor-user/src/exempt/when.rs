//! Until when an exemption holds, as people write it.

use time::{Date, OffsetDateTime, Time, format_description::well_known::Rfc3339, macros::format_description};

const SECOND: i128 = 1_000_000_000;

/// Reads a time of RFC 3339, or a date, which is that whole day in UTC. Gives nanoseconds since the Unix epoch.
///
/// # Errors
/// What it should look like.
pub fn expiry(text: &str) -> Result<i128, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(time.unix_timestamp_nanos());
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    day.and_then(Date::next_day)
        .map(|next| next.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp_nanos())
        .ok_or_else(|| format!("{text:?} is no time; write it like 2030-06-30 or 2030-06-30T18:00:00Z"))
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
        Some(seconds) => Ok(now + seconds * SECOND),
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
    fn a_duration_counts_from_now() {
        assert_eq!(expiry_or_duration("90m", SECOND).unwrap(), 5_401 * SECOND);
        assert_eq!(expiry_or_duration("2d", 0).unwrap(), 172_800 * SECOND);
        assert_eq!(expiry_or_duration("2023-11-14", 0).unwrap(), 1_700_006_400 * SECOND);
        assert!(expiry_or_duration("soon", 0).unwrap_err().contains("30d"));
    }
}
