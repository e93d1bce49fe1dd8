//! The decisions of smb-sensor: which connections there are, how far they got, what rules find on them, and which incidents
//! that makes.
//!
//! Takes records and slots of the kernel, payload and the passing of time; gives typed events. Never does I/O, reads a clock,
//! starts a thread or builds a document. [`Core::step`] is the whole of it; the other modules are in the order of their imports.

pub mod time;
pub mod address;
pub mod attack;
pub mod level;
pub mod service;
pub mod process;
pub mod recent;
pub mod record;
pub mod networks;
pub mod view;
pub mod flow;
pub mod exempt;
pub mod threat;
pub mod rules;
pub mod profile;
pub mod terms;
pub mod incident;
mod responses;
pub mod event;
pub mod settings;
mod core;

pub use self::core::{Core, CoreCounts, Input, Start, StateChanges};
