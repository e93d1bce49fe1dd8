//! The decisions of smb-sensor: which connections there are, how far they got, what rules find on them, and which incidents
//! result.
//!
//! Takes records and slots of the kernel, payload and time; gives typed events. Never does I/O, reads a clock, starts a thread or
//! builds a document. Only [`Core::step`] gives events. Imports run one way: vocabulary (`time`, `address`, `level`, `service`,
//! `process`, `view`), `flow`, `rules`, `incident`, `core`.

pub mod address;
pub mod asset;
pub mod attack;
mod core;
pub mod enrichment;
pub mod event;
pub mod exempt;
pub mod flow;
pub mod incident;
pub mod level;
pub mod lru_map;
pub mod networks;
pub mod process;
pub mod profile;
pub mod record;
mod responses;
pub mod rules;
pub mod service;
pub mod settings;
pub mod terms;
pub mod threat;
pub mod time;
pub mod view;

pub use self::core::{Core, CoreCounts, HostPair, Input, Start, StateChanges};
