//! The outcome of delivering documents: how many were delivered or refused, and why the next one failed.

use std::{collections::HashSet, io, time::Duration};

use crate::storage::{DocumentKind, DocumentRow};

/// How many documents, from the first one on and at most so many, are about different incidents. Only these may be under way
/// together: the destination might take a later one of an incident, and not the one before it.
pub(super) fn different(documents: &[DocumentRow], most: usize) -> usize {
    let mut incidents = HashSet::new();
    let is_another = |document: &&DocumentRow| match (document.kind, document.id.rsplit_once('-')) {
        (DocumentKind::Incident, Some((incident, _))) => incidents.insert(incident.to_owned()),
        _ => true,
    };
    documents.iter().take(most).take_while(is_another).count()
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::tests::fixture;

    #[test]
    fn documents_of_one_incident_wait_for_each_other() {
        let of = |kind, id: &str| DocumentRow { id: id.to_owned(), kind, ..fixture(1, "{}") };
        let incident = |id| of(DocumentKind::Incident, id);
        let flow = || of(DocumentKind::Flow, "1:abc=-1");
        let rows = [incident("a-1"), flow(), flow(), incident("b-1"), incident("a-2")];
        assert_eq!(different(&rows, 64), 4);
        assert_eq!(different(&[incident("a-1"), incident("a-2")], 64), 1);
        assert_eq!(different(&vec![flow(); 100], 64), 64);
        assert_eq!(different(&[], 64), 0);
    }
}
