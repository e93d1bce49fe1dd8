//! Waits for the record ring without polling it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

use super::ring::RecordRing;

/// Readiness of the ring in the current tokio runtime: readable when the kernel submitted a record.
///
/// # Errors
/// If the descriptor cannot be duplicated or the reactor does not accept it.
pub fn of_ring(records: &RecordRing) -> io::Result<AsyncFd<OwnedFd>> {
    let descriptor = records.as_fd().try_clone_to_owned()?;
    // SAFETY: an OwnedFd keeps its descriptor open and unchanged for as long as the registration lives.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(Into::into)
}
