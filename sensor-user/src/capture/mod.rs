//! Recorded traffic: files of packets, and the conversations in them.
//!
//! [`input`] gives bytes, [`file`] frames, [`segment`] finds TCP in them, [`conversations`] joins and reads what was said,
//! and [`datagrams`] reads what UDP carried of NetBIOS.

pub mod conversations;
pub mod datagrams;
pub mod file;
pub mod input;
pub mod segment;
mod zstd;

pub use conversations::{Recorded, conversations};
pub use datagrams::{RecordedDatagrams, datagrams};
pub use file::{CaptureError, Frame, frames, read_frames};
pub use input::Input;
