//! The outcome of delivering documents: how many were delivered or refused, and why the next one failed.

use std::{io, time::Duration};

use crate::storage::DocumentRow;

/// What became of some documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Documents, from the first one on, that are delivered or refused for good.
    pub settled: usize,
    /// Of these, the ones that are refused: index and reason.
    pub refused: Vec<(usize, String)>,
    /// Why the next one could not be delivered now, if it was tried.
    pub failure: Option<Failure>,
}

/// Why a document could not be delivered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Reason.
    pub reason: String,
    /// Time after which the destination asks to be tried again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure for this reason.
    #[must_use]
    pub fn of(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), retry_after: None }
    }
}

impl Delivery {
    /// Delivers one document after another until one fails.
    pub(super) fn one_by_one(
        documents: &[DocumentRow],
        mut deliver: impl FnMut(&DocumentRow) -> io::Result<()>,
    ) -> Self {
        let mut delivery = Self::default();
        for document in documents {
            if let Err(error) = deliver(document) {
                delivery.failure = Some(Failure::of(error));
                break;
            }
            delivery.settled += 1;
        }
        delivery
    }
}
