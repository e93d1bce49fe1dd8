//! The brief of a document is stored with it.

use super::*;

/// The briefs of all documents.
fn kept(directory: &Path) -> Vec<Vec<u8>> {
    let mut briefs = Vec::new();
    let each = |document: crate::storage::DocumentRow| {
        briefs.push(document.brief);
        true
    };
    Reader::open(directory).unwrap().documents(&DocumentQuery::default(), each).unwrap();
    briefs
}

#[test]
fn brief_is_kept_and_copied_out_of_a_damaged_database() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(documents(1..=2));
    store.end();
    assert_eq!(kept(directory.path()), [[1], [2]]);
    crate::storage::salvage::replace(&crate::storage::file(directory.path()), 0).unwrap();
    assert_eq!(kept(directory.path()), [[1], [2]]);
}

#[test]
fn documents_of_an_earlier_version_have_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = crate::storage::file(directory.path());
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(documents(1..=2));
    store.end();
    let drop_briefs = || {
        Connection::open(&path).unwrap().execute_batch("ALTER TABLE documents DROP COLUMN brief").unwrap();
    };
    drop_briefs();
    assert_eq!(kept(directory.path()), [[], []] as [[u8; 0]; 2], "before the agent starts again");
    let store = Running::begin(directory.path(), Bounds::default());
    store.submit(documents(3..=3));
    store.end();
    assert_eq!(kept(directory.path()), [vec![], vec![], vec![3]]);
    drop_briefs();
    crate::storage::salvage::replace(&path, 0).unwrap();
    assert_eq!(kept(directory.path()).len(), 3);
}
