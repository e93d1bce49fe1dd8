//! Documents that the database refuses for good or for a while, and disks that fail for good.

use rusqlite::ffi;

use super::*;

fn failure(code: i32) -> StorageError {
    let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    StorageError::Database { operation: "write", path: "/x/smb-sensor.db".into(), source }
}

#[test]
fn a_document_that_the_database_refuses_is_counted_and_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let (mut writer, handle) = (opened.writer, opened.handle);
    writer
        .connection
        .execute_batch(
            "CREATE TRIGGER refusal BEFORE INSERT ON documents WHEN NEW.id = 'document-3'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .unwrap();
    let mut pending: Vec<_> = (1..=5).map(|number| documents(number..=number)).collect();
    writer.write(&mut pending).unwrap();
    assert!(pending.is_empty());
    let kept = [1, 2, 4, 5].map(|number| document(number).body);
    assert_eq!(bodies(directory.path(), &DocumentQuery::default()), kept);
    let counts = handle.committed().counts();
    assert_eq!((counts.lost, counts.failures), (1, 0));
}

#[test]
fn a_database_that_turns_read_only_delays_documents_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let (mut writer, handle) = (opened.writer, opened.handle);
    writer.write(&mut vec![documents(1..=1)]).unwrap();
    writer.connection.pragma_update(None, "query_only", 1).unwrap();
    let mut pending: Vec<_> = (2..=3).map(|number| documents(number..=number)).collect();
    let error = writer.commit(&pending).unwrap_err();
    assert!(error.to_string().ends_with("attempt to write a readonly database"), "{error}");
    writer.write(&mut pending).unwrap();
    let counts = handle.committed().counts();
    assert_eq!((pending.len(), counts.failures, counts.lost), (2, 1, 0));
    writer.connection.pragma_update(None, "query_only", 0).unwrap();
    writer.write(&mut pending).unwrap();
    assert!(pending.is_empty() && writer.failing.is_none());
    let kept = [1, 2, 3].map(|number| document(number).body);
    assert_eq!(bodies(directory.path(), &DocumentQuery::default()), kept);
    assert_eq!(handle.committed().counts().lost, 0);
}

#[test]
fn each_kind_of_error_has_its_remedy() {
    for (code, remedy) in [
        (ffi::SQLITE_CORRUPT, Remedy::Replace),
        (ffi::SQLITE_NOTADB, Remedy::Replace),
        (ffi::SQLITE_CONSTRAINT_TRIGGER, Remedy::LeaveOut),
        (ffi::SQLITE_FULL, Remedy::Wait),
        (ffi::SQLITE_READONLY, Remedy::Wait),
        (ffi::SQLITE_BUSY, Remedy::Wait),
        (ffi::SQLITE_IOERR_WRITE, Remedy::WaitAWhile),
        (ffi::SQLITE_CANTOPEN, Remedy::WaitAWhile),
        (ffi::SQLITE_ERROR, Remedy::None),
    ] {
        assert_eq!(failure(code).remedy(), remedy, "{code}");
    }
}

#[test]
fn a_disk_that_fails_for_a_minute_ends_the_agent_and_a_full_or_read_only_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Writer::open(directory.path(), Bounds::default(), 0).unwrap();
    let mut writer = opened.writer;
    assert!(writer.note_failure(failure(ffi::SQLITE_IOERR_WRITE)).is_ok());
    writer.failing = Instant::now().checked_sub(FAILS_FOR + Duration::from_secs(1));
    assert!(writer.note_failure(failure(ffi::SQLITE_FULL)).is_ok());
    let read_only = StorageError::ReadOnly { operation: "write", path: writer.path.clone() };
    assert!(writer.note_failure(read_only).is_ok());
    let error = writer.note_failure(failure(ffi::SQLITE_IOERR_WRITE)).unwrap_err();
    assert!(error.to_string().starts_with("cannot write /x/smb-sensor.db: "), "{error}");
    writer.failing = None;
    assert!(writer.note_failure(failure(ffi::SQLITE_ERROR)).is_err(), "it is of no use to try again");
    drop(opened.handle);
    assert!(writer.note_failure(failure(ffi::SQLITE_FULL)).is_err(), "nobody is left to wait");
}
