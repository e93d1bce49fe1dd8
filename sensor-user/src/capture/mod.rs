//! Recorded traffic: files of packets, and the connections in them.
//!
//! [`input`] gives bytes, [`file`] frames, [`segment`] finds TCP in them, [`connections`] joins and reads what was said,
//! and [`datagrams`] reads what UDP carried of NetBIOS.

pub mod connections;
pub mod datagrams;
pub mod file;
pub mod input;
pub mod segment;
mod zstd;

pub use connections::{Recorded, connections};
pub use datagrams::{RecordedDatagrams, datagrams};
pub use file::{CaptureError, Frame, frames, read_frames};
pub use input::Input;
