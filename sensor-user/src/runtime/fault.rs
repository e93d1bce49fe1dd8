//! Fault injection for tests: one environment variable makes a named thread panic or hang. Release builds do not have it.
//!
//! `SMB_SENSOR_FAULT=panic:store-writer` makes that thread panic at its next fault point;
//! `SMB_SENSOR_FAULT=hang:store-writer:60` makes it wait there for 60 seconds, once.

/// A fault point of a thread.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}

/// A fault point of a thread.
#[cfg(debug_assertions)]
pub fn point(thread: &str) {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };
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
