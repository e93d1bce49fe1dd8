//! The agent as a process: its threads, its disk, its end and restart.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test cannot go on without an answer")]

mod disk;
mod outage;
mod restart;
mod threads;
