//! Enrichment: what is known of the hosts of an incident from elsewhere than its packets.
//!
//! [`Enriching`] stands between the core and the store. A thread of its own answers its questions; the reader never waits for
//! it. What it finds is rendered with the incident and kept with it.

mod stage;
mod worker;

pub use self::{
    stage::Enriching,
    worker::{LookupSender, start},
};
