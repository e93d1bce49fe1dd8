//! Recorded traffic: files of packets, and the conversations in them.
//!
//! [`file`] gives frames, [`segment`] finds TCP in them, [`conversations`] joins and reads what was said.

pub mod conversations;
pub mod file;
pub mod segment;

pub use conversations::{Recorded, conversations};
pub use file::{CaptureError, Frame, frames};
