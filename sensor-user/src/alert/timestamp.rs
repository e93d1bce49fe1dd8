//! Times as Elasticsearch reads them.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// RFC 3339 in UTC with milliseconds at most.
pub(super) fn rfc3339(unix_nanos: i128) -> String {
    let millis = unix_nanos - unix_nanos.rem_euclid(1_000_000);
    OffsetDateTime::from_unix_timestamp_nanos(millis)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123Z");
    }
}
