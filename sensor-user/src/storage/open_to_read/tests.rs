//! Databases without an agent, in a directory that cannot be written, of another program, and in a directory with a strange name.

use std::fs;

use super::*;
use crate::storage::{Bounds, RowBatch, Writer, file};

/// A state directory whose database has one value in its log and one in the file.
fn state(directory: &Path) -> std::path::PathBuf {
    for (key, is_orderly) in [("first", true), ("second", false)] {
        let opened = Writer::open(directory, Bounds::default(), 0).unwrap();
        let batch = RowBatch { meta: vec![(key, vec![1])], ..RowBatch::default() };
        if is_orderly {
            opened.handle.submit(batch).unwrap();
            drop(opened.handle);
            opened.writer.run().unwrap();
        } else {
            let path = file(directory);
            let mut connection = schema::open(&path).unwrap();
            let transaction = connection.transaction().unwrap();
            crate::storage::insert::put(&transaction, &batch).unwrap();
            transaction.commit().unwrap();
        }
    }
    let path = file(directory);
    assert!(files::wal_bytes(&path) > 0);
    path
}

fn keys(connection: &Connection) -> Vec<String> {
    let mut statement =
        connection.prepare("SELECT key FROM meta WHERE key IN ('first', 'second') ORDER BY key").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn what_is_in_the_log_alone_is_read_where_nothing_can_be_shared() {
    let directory = tempfile::tempdir().unwrap();
    let path = state(directory.path());
    fs::remove_file(files::shm(&path)).unwrap();
    let before = fs::read(files::wal(&path)).unwrap();
    assert_eq!(keys(&alone(&path).unwrap().0), ["first", "second"]);
    assert!(!files::shm(&path).exists(), "nothing is written");
    assert_eq!(fs::read(files::wal(&path)).unwrap(), before);
    fs::remove_file(files::wal(&path)).unwrap();
    assert_eq!(keys(&alone(&path).unwrap().0), ["first"]);
}

#[test]
fn a_directory_with_a_strange_name_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let strange = directory.path().join("a%20b?mode=memory#c ü");
    let path = state(&strange);
    assert_eq!(keys(&open_to_read(&path).unwrap()), ["first", "second"]);
    assert_eq!(keys(&alone(&path).unwrap().0), ["first", "second"]);
}

#[test]
fn an_empty_database_and_one_of_another_program_are_named_for_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path());
    fs::write(&path, "").unwrap();
    assert!(matches!(open_to_read(&path), Err(StorageError::Empty { .. })));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT); PRAGMA user_version = 77").unwrap();
    for error in [
        open_to_read(&path).unwrap_err(),
        Writer::open(directory.path(), Bounds::default(), 0).err().unwrap(),
    ] {
        assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
        let reported = error.to_string();
        assert!(reported.contains("smb-sensor.db") && reported.contains("another program"), "{reported}");
    }
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "it stays as it was");
}
