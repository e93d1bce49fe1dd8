//! The wall clock, for commands; the core is given the time.

use std::time::{SystemTime, UNIX_EPOCH};

use sensor_core::time::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default() + since
}
