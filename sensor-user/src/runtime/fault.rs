//! Fault injection for tests: one environment variable makes a named thread panic or hang. Release builds do not have it.
//!
//! `SMB_SENSOR_FAULT=panic:store-writer` makes that thread panic at its next fault point;
//! `SMB_SENSOR_FAULT=hang:store-writer:60` makes it wait there for 60 seconds, once. `SMB_SENSOR_FAULT=record:TEXT` makes the
//! reader panic at each record with this text. `SMB_SENSOR_HANGS_AFTER=10` sets the time,
//! in seconds, after which a thread counts as hung.

use std::time::Duration;

use super::HANGS_AFTER;

/// Time without a sign of life after which a thread that works counts as hung.
#[cfg(not(debug_assertions))]
pub(super) fn hangs_after() -> Duration {
    HANGS_AFTER
}

/// Time without a sign of life after which a thread that works counts as hung.
#[cfg(debug_assertions)]
pub(super) fn hangs_after() -> Duration {
    let seconds = std::env::var("SMB_SENSOR_HANGS_AFTER").ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(HANGS_AFTER, Duration::from_secs)
}

/// A fault point of a thread.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}

/// A fault point of a thread.
#[cfg(debug_assertions)]
pub fn point(thread: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static DONE: AtomicBool = AtomicBool::new(false);
    let Ok(fault) = std::env::var("SMB_SENSOR_FAULT") else { return };
    let mut parts = fault.split(':');
    let (kind, name, seconds) = (parts.next(), parts.next(), parts.next());
    if name != Some(thread) || DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    match kind {
        Some("hang") => {
            let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
            std::thread::sleep(Duration::from_secs(seconds));
        }
        _ => panic!("SMB_SENSOR_FAULT asked for it"),
    }
}

/// A fault point of the reader, for each record.
#[cfg(not(debug_assertions))]
pub fn record(_: &[u8]) {}

/// A fault point of the reader, for each record.
#[cfg(debug_assertions)]
pub fn record(bytes: &[u8]) {
    use std::sync::LazyLock;
    static TEXT: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("SMB_SENSOR_FAULT").ok()?.strip_prefix("record:").map(str::to_owned));
    if let Some(text) = TEXT.as_ref()
        && bytes.windows(text.len()).any(|part| part == text.as_bytes())
    {
        panic!("SMB_SENSOR_FAULT asked for it");
    }
}
