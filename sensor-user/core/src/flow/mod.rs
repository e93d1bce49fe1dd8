//! Connections: the observations of all CPUs and interfaces in both directions, merged into one [`Flow`] each.
//!
//! Takes records and slots of the kernel and pieces of payload, with the time as an argument. Gives [`Change`]s: which
//! connection to look at again, and which ended. One [`FlowEntry`] has everything about a connection: counts, evidence
//! level, roles, the reader of its messages, and the caller's link. Never decides about findings: that is for the rules.

mod datagrams;
mod ending;
mod evidence;
mod interface;
mod marked_ports;
mod messages;
mod quic;
mod roles;
mod state;
mod stream_reader;
mod table;
mod view;

pub use self::{
    quic::QuicCounts,
    state::Flow,
    table::{Change, ChangedFlow, FlowEntry, FlowTable, FlowTableOptions, StoredFlow},
};
