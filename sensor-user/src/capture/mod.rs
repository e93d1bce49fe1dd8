//! Recorded traffic: files of packets, and the connections in them.
//!
//! [`input`] gives bytes, [`file`] frames, [`segment`] TCP segments and UDP datagrams; [`connections`] reassembles and reads TCP,
//! and [`datagrams`] reads NetBIOS over UDP.

pub mod connections;
pub mod datagrams;
pub mod file;
pub mod input;
mod read_ahead;
pub mod segment;
mod zstd;

pub use connections::{Recorded, connections};
pub use datagrams::{RecordedDatagrams, datagrams};
pub use file::{CaptureError, Frame, frames, read_frames};
pub use input::Input;
