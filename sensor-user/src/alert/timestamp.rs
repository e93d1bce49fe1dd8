//! Times as Elasticsearch reads them.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// RFC 3339 in UTC with milliseconds. Of a time that cannot be written so, which no clock tells, the beginning of time.
pub fn rfc3339(unix_nanos: i128) -> String {
    exact_rfc3339(unix_nanos).unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
}

/// The same, for what is read again: none of a time that cannot be written, as that after the year 9999.
pub(crate) fn exact_rfc3339(unix_nanos: i128) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(unix_nanos).ok()?;
    time.format(MILLISECONDS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123Z");
    }
}
