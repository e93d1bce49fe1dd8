//! Alerts: findings that were admitted, each with an identity and a life.
//!
//! An alert is opened once per rule and flow, updated under the same id when the flow's evidence rises, and closed with
//! the totals. Takes flows and the verdicts on them, gives documents in the order in which they are to be written.

mod book;
mod document;
mod indicator;
mod note;
mod owner;
mod smb;
mod timestamp;

pub use book::AlertBook;
pub use document::{Context, Status, document};
pub use timestamp::rfc3339;

#[cfg(test)]
pub(crate) use owner::tests;
