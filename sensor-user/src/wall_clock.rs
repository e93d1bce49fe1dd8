//! The wall clock, for commands; the core gets the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use sensor_core::time::Timestamp;

/// The present time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default() + since
}
