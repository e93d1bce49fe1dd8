//! Conversations: observations of all CPUs, interfaces and both directions merged into one flow each.

mod conversation;
mod evidence;
mod reader;
mod tracker;

pub use conversation::{Conversation, Flow};
pub use evidence::Evidence;
pub(crate) use evidence::MORE_THAN_SET_UP;
pub use tracker::{Tracker, TrackerOptions};
