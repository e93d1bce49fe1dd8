//! Sinks that read the store. For each, retention counts the documents that it removes before the sink has read them.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use sensor_core::level::Severity;

use super::DocumentKind;

/// A sink, as far as the store needs to know it.
#[derive(Debug, Default)]
pub struct Subscriber {
    kind: Option<DocumentKind>,
    min_severity: Option<Severity>,
    /// Position up to which it has read.
    read: AtomicU64,
    lost: AtomicU64,
}

impl Subscriber {
    /// One that takes documents of a kind, or of any, and incidents of this severity or worse, or of any; it has read up to a
    /// position.
    #[must_use]
    pub const fn new(kind: Option<DocumentKind>, min_severity: Option<Severity>, read: u64) -> Self {
        Self { kind, min_severity, read: AtomicU64::new(read), lost: AtomicU64::new(0) }
    }

    /// It has read up to this position.
    pub fn note_read(&self, sequence: u64) {
        self.read.fetch_max(sequence, Ordering::Relaxed);
    }

    /// Documents that were removed before it could read them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn misses(&self, document: &RemovedDocument) -> bool {
        document.sequence > self.read.load(Ordering::Relaxed)
            && self.kind.is_none_or(|kind| kind == document.kind)
            && (document.kind == DocumentKind::Flow || document.severity >= self.min_severity)
    }
}

/// A document that retention removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RemovedDocument {
    pub(super) sequence: u64,
    pub(super) kind: DocumentKind,
    pub(super) severity: Option<Severity>,
}

/// All sinks.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Vec<Arc<Subscriber>>>);

impl Subscribers {
    pub(super) fn add(&self, one: Arc<Subscriber>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    pub(super) fn remove(&self, one: &Arc<Subscriber>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(one, other));
    }

    /// Counts removed documents for each sink that has not read them; returns how many at least one sink has not read.
    pub(super) fn note_removed(&self, documents: &[RemovedDocument]) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missed = 0;
        for document in documents {
            let mut is_missed = false;
            for one in all.iter().filter(|one| one.misses(document)) {
                one.lost.fetch_add(1, Ordering::Relaxed);
                is_missed = true;
            }
            missed += u64::from(is_missed);
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_removed_documents_for_those_that_wanted_them() {
        let all = Subscribers::default();
        let [every, incidents, severe] = [
            Subscriber::new(None, None, 1),
            Subscriber::new(Some(DocumentKind::Incident), None, 0),
            Subscriber::new(None, Some(Severity::High), 0),
        ]
        .map(Arc::new);
        [&every, &incidents, &severe].into_iter().for_each(|one| all.add(Arc::clone(one)));
        let removed = |sequence, kind, severity| RemovedDocument { sequence, kind, severity };
        let documents = [
            removed(1, DocumentKind::Incident, Some(Severity::Low)),
            removed(2, DocumentKind::Incident, Some(Severity::High)),
            removed(3, DocumentKind::Flow, None),
        ];
        assert_eq!(all.note_removed(&documents), 3);
        assert_eq!((every.lost(), incidents.lost(), severe.lost()), (2, 2, 2));
        [&every, &incidents, &severe].into_iter().for_each(|one| one.note_read(3));
        assert_eq!(all.note_removed(&documents), 0);
    }
}
