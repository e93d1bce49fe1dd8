//! Timestamps as text (RFC 3339).

use sensor_core::time::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// A timestamp in UTC with milliseconds, such as `2026-11-29T10:14:07.001Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    utc(at).format(format).unwrap_or_default()
}

/// The same with all nanoseconds that it has, so that reading it gives the same moment.
#[must_use]
pub fn exact_rfc3339(at: Timestamp) -> String {
    utc(at).format(&Rfc3339).unwrap_or_default()
}

/// Reads a timestamp; `None` if it is none, or before 1677 or after 2262.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos).ok().map(Timestamp::from_unix_nanos)
}

fn utc(at: Timestamp) -> OffsetDateTime {
    // Every timestamp lies between 1677 and 2262, and is a valid date.
    OffsetDateTime::from_unix_timestamp_nanos(at.unix_nanos().into()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_milliseconds_and_keeps_exact_digits() {
        let at = Timestamp::from_unix_nanos(1_700_000_000_500_000_001);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20.500Z");
        assert_eq!(exact_rfc3339(at), "2023-11-14T22:13:20.500000001Z");
        assert!(rfc3339(Timestamp::MAX).starts_with("2262-04-11"));
        assert_eq!(parse_rfc3339(&exact_rfc3339(at)), Some(at));
        assert!(["", "yesterday", "9999-01-01T00:00:00Z"].iter().all(|text| parse_rfc3339(text).is_none()));
    }
}
