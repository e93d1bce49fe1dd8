//! The wall clock, for commands and threads that nobody gives the time.

use std::time::SystemTime;

/// Now, nanoseconds since the Unix epoch.
#[must_use]
pub(crate) fn now() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}
