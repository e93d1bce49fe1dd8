//! Alerts: findings that were admitted, each with an identity and a life.
//!
//! An alert is opened once per rule and flow, or once per sweep, updated under the same id when the evidence rises, and closed
//! with the totals. Takes flows and the verdicts on them, gives documents in the order in which they are to be written. Where
//! a rule has too many, the rest is counted ([`admission`]) and summed up. Of each flow that is over there is a summary.

pub mod admission;
mod book;
mod conversation;
mod document;
mod flow;
mod indicator;
mod left_open;
mod negotiation;
mod netbios;
mod note;
mod owner;
mod smb;
mod suppression;
mod sweep;
mod timestamp;

pub use book::AlertBook;
pub use document::{Context, Status, document};
pub use flow::{FlowSummaries, flow_document};
pub(crate) use left_open::{closed_for_the_sensor, ended_with_the_sensor};
pub(crate) use timestamp::exact_rfc3339;
pub use timestamp::rfc3339;

#[cfg(test)]
pub(crate) use owner::tests;
