//! The documents that were committed last, in memory: a sink that waits for them need not read the database.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{DocumentQuery, DocumentRow, subscriber::RemovedDocument};

/// Documents that are kept at most, and their bytes.
const MAX_DOCUMENTS: usize = 256;
const MAX_BYTES: usize = 1 << 20;

/// The last documents of one database, without a gap.
#[derive(Debug, Default)]
pub(super) struct RecentDocuments(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    documents: VecDeque<Arc<DocumentRow>>,
    bytes: usize,
}

impl RecentDocuments {
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds documents that were committed, which are all behind the last one.
    pub(super) fn add(&self, documents: impl IntoIterator<Item = DocumentRow>) {
        let mut last = self.lock();
        for document in documents {
            last.bytes += bytes(&document);
            last.documents.push_back(Arc::new(document));
        }
        while last.documents.len() > MAX_DOCUMENTS || last.bytes > MAX_BYTES {
            last.drop_first();
        }
    }

    /// The documents that a query by place, kind and severity finds, up to a place; `None` if those are not all here.
    pub(super) fn documents(&self, query: &DocumentQuery, up_to: u64) -> Option<Vec<DocumentRow>> {
        if !query.is_of_row() {
            return None;
        }
        let found = {
            let last = self.lock();
            // The place of a document is one behind the last one or more, so nothing is between the first one here and the place
            // before it.
            let first = last.documents.front()?.sequence;
            if query.after + 1 < first {
                return None;
            }
            let wanted = last.documents.iter().filter(|one| one.sequence <= up_to && query.finds(one));
            wanted.take(limit(query)).map(Arc::clone).collect::<Vec<_>>()
        };
        // Copied without the lock, for which the writer would wait.
        Some(found.iter().map(|one| DocumentRow::clone(one)).collect())
    }

    /// Forgets documents that were removed from the database.
    pub(super) fn forget(&self, removed: &[RemovedDocument]) {
        let Some(place) = removed.iter().map(|one| one.sequence).max() else { return };
        let mut last = self.lock();
        while last.documents.front().is_some_and(|first| first.sequence <= place) {
            last.drop_first();
        }
    }

    /// Another database took the place of this one.
    pub(super) fn clear(&self) {
        *self.lock() = Last::default();
    }
}

impl Last {
    fn drop_first(&mut self) {
        if let Some(first) = self.documents.pop_front() {
            self.bytes -= bytes(&first);
        }
    }
}

fn limit(query: &DocumentQuery) -> usize {
    if query.limit == 0 { usize::MAX } else { usize::try_from(query.limit).unwrap_or(usize::MAX) }
}

fn bytes(document: &DocumentRow) -> usize {
    size_of::<DocumentRow>() + document.id.len() + document.body.len() + document.brief.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sensor_core::level::Severity;

    use super::*;
    use crate::storage::{Bounds, DocumentKind, NewDocument, Opened, Reader, RowBatch, Writer};

    fn document(number: u64, body: &str) -> NewDocument {
        let kind = if number % 3 == 2 { DocumentKind::Flow } else { DocumentKind::Incident };
        let severity = [Some(Severity::Low), Some(Severity::High), None][number as usize % 3];
        let (id, body, brief) = (format!("document-{number}"), format!("{body}{number}"), vec![number as u8]);
        NewDocument { id, kind, incident: None, severity, at: number as i64, body, brief }
    }

    fn batch(numbers: impl IntoIterator<Item = u64>, body: &str) -> RowBatch {
        let documents = numbers.into_iter().map(|number| document(number, body)).collect();
        RowBatch { documents, ..RowBatch::default() }
    }

    fn row(sequence: u64, body: &str) -> DocumentRow {
        document(sequence, body).at_place(sequence)
    }

    fn all() -> DocumentQuery {
        DocumentQuery::default()
    }

    #[test]
    fn last_documents_are_those_of_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let Opened { writer, handle, .. } = Writer::open(folder.path(), Bounds::default(), 0).unwrap();
        let thread = std::thread::spawn(move || writer.run().unwrap());
        // The third batch holds two documents again that are there already.
        for numbers in [0..4, 4..9, 3..12] {
            handle.submit(batch(numbers, "body ")).unwrap();
        }
        assert!(handle.flush(Duration::from_secs(10)));
        let reader = Reader::open(folder.path()).unwrap();
        let kinds = [None, Some(DocumentKind::Incident), Some(DocumentKind::Flow)];
        for kind in kinds {
            for min_severity in [None, Some(Severity::Low), Some(Severity::High)] {
                for (after, limit) in [(0, 0), (0, 2), (5, 512), (12, 512)] {
                    let query = DocumentQuery { after, kind, min_severity, limit, ..all() };
                    let mut stored = Vec::new();
                    let up_to = 11;
                    let each = |one: DocumentRow| {
                        let is_within = one.sequence <= up_to;
                        if is_within {
                            stored.push(one);
                        }
                        is_within
                    };
                    reader.documents(&query, each).unwrap();
                    assert_eq!(handle.committed().recent(&query, up_to), Some(stored), "{query:?}");
                }
            }
        }
        let of_incident = DocumentQuery { incident: Some("7f3a".into()), ..all() };
        assert_eq!(handle.committed().recent(&of_incident, 12), None, "rows do not name their incident");
        drop(handle);
        thread.join().unwrap();
    }

    #[test]
    fn what_is_no_more_in_memory_is_read_from_the_database() {
        let recent = RecentDocuments::default();
        assert_eq!(recent.documents(&all(), u64::MAX), None);
        recent.add((7..9).map(|place| row(place, "")));
        let behind = |after| recent.documents(&DocumentQuery { after, ..all() }, u64::MAX);
        let places = |found: Option<Vec<DocumentRow>>| {
            found.map(|found| found.iter().map(|one| one.sequence).collect::<Vec<_>>())
        };
        assert_eq!(behind(5), None, "the sixth was not committed by this writer");
        assert_eq!(places(behind(6)), Some(vec![7, 8]));
        assert_eq!(places(behind(8)), Some(vec![]));
        recent.forget(&[RemovedDocument { sequence: 7, kind: DocumentKind::Flow, severity: None }]);
        assert_eq!((behind(6), places(behind(7))), (None, Some(vec![8])));
        recent.clear();
        assert_eq!(behind(8), None);
    }

    #[test]
    fn is_bounded_by_number_and_bytes() {
        let recent = RecentDocuments::default();
        recent.add((1..=2 * MAX_DOCUMENTS as u64).map(|place| row(place, "")));
        assert_eq!(recent.lock().documents.len(), MAX_DOCUMENTS);
        let long = "x".repeat(MAX_BYTES / 4);
        recent.add((1_001..1_010).map(|place| row(place, &long)));
        let last = recent.lock();
        assert_eq!(last.documents.len(), 3);
        assert_eq!(last.bytes, last.documents.iter().map(|one| bytes(one)).sum::<usize>());
    }
}
