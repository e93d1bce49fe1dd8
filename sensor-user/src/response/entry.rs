//! The journal of responses: what was done, when, by whom and why.

use sensor_core::time::Timestamp;

use super::{Peer, Target};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryAction {
    /// A block began.
    Blocked,
    /// A block was ended by command.
    Unblocked,
    /// The time of a block was over.
    BlockExpired,
}

impl EntryAction {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "block-started",
            Self::Unblocked => "block-ended",
            Self::BlockExpired => "block-expired",
        }
    }
}

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was done.
    pub at: Timestamp,
    /// What.
    pub action: EntryAction,
    /// To what.
    pub target: Target,
    /// By whom.
    pub by: Peer,
    /// Why.
    pub reason: String,
    /// When the block began.
    pub since: Timestamp,
    /// When the block ends, or ended.
    pub until: Timestamp,
    /// Whether packets of the block are counted alone.
    pub is_dry: bool,
    /// Packets that it dropped or, in a dry run, would have dropped.
    pub packets: u64,
    /// The incident that was the cause.
    pub incident: Option<String>,
}
