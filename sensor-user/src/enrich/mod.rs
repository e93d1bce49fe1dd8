//! Enrichment: facts about the hosts of an incident that do not come from its packets.
//!
//! [`Enriching`] stands between the core and the store. A thread of its own answers its questions; the reader never waits for it.
//! The answers are rendered and stored with the incident.

mod prefetch;
mod stage;
mod worker;

pub use self::{
    stage::Enriching,
    worker::{LookupSender, start},
};
