//! Conversations: observations of all CPUs, interfaces and both directions merged into one flow each.

mod conversation;
mod departure;
mod evidence;
mod marked_ports;
mod reader;
mod tally;
mod tracker;

pub use conversation::{Conversation, Flow};
pub use departure::{Cause, Departure, DepartureLimits, RATE_SECONDS};
pub use evidence::Evidence;
pub(crate) use evidence::MORE_THAN_SET_UP;
use marked_ports::MarkedPorts;
pub use tracker::{Tracker, TrackerOptions};
