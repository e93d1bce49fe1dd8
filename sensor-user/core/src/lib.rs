//! The decisions of smb-sensor: which connections there are, how far they got, what rules find on them, and which incidents
//! that makes.
//!
//! Takes records and slots of the kernel, payload and the passing of time; gives typed events. Never does I/O, reads a clock,
//! starts a thread or builds a document. Modules are in the order of their imports: each uses only those above it.

pub mod time;

pub mod service;

pub mod address;

pub mod level;

pub mod process;

pub mod record;

pub mod recent;

pub mod networks;

pub mod attack;

pub mod view;

pub mod rules;

pub mod profile;

pub mod incident;

pub mod event;
