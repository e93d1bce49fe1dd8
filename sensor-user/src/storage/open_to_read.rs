//! Opens the database to read it: while an agent writes it, without an agent, and in a directory that cannot be written.

use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, eaccess},
};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    StorageError, files,
    schema::{self, Content, VERSION},
};

const FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX).union(OpenFlags::SQLITE_OPEN_URI);

/// Opens a database to read it, whoever else writes it.
///
/// # Errors
/// [`StorageError`]
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StorageError> {
    let failed = |source| StorageError::Database { operation: "open", path: path.to_owned(), source };
    if let Err(errno) = eaccess(path, AccessFlags::R_OK) {
        let path = path.to_owned();
        return Err(match errno {
            Errno::EACCES | Errno::EPERM => StorageError::Forbidden { path },
            _ => StorageError::Missing { path: path.parent().unwrap_or(&path).to_owned() },
        });
    }
    let (connection, content) = beside_a_writer(path)
        .or_else(|error| if cannot_share(&error) { alone(path).map_err(|_| error) } else { Err(error) })
        .map_err(failed)?;
    match content {
        Content::Ours(VERSION) => Ok(connection),
        Content::Ours(found) => Err(StorageError::Newer { path: path.to_owned(), found, known: VERSION }),
        Content::Nothing => Err(StorageError::Empty { path: path.to_owned() }),
        Content::Foreign => Err(StorageError::Foreign { path: path.to_owned() }),
    }
}

/// The usual way. It needs the shared memory beside the database, and room for it where there is none yet.
fn beside_a_writer(path: &Path) -> rusqlite::Result<(Connection, Content)> {
    let connection = Connection::open_with_flags(uri(path, ""), FLAGS)?;
    connection.busy_timeout(schema::BUSY)?;
    let content = schema::content(&connection)?;
    Ok((connection, content))
}

/// Whether the shared memory cannot be made: the directory takes no writes, and no agent has it open.
fn cannot_share(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly | SystemIoFailure))
}

/// The way where nothing can be written, so that nobody else writes either. What is in the log is read too.
fn alone(path: &Path) -> rusqlite::Result<(Connection, Content)> {
    let connection = if files::wal_bytes(path) > 0 {
        let connection = Connection::open_with_flags(uri(path, "?vfs=unix-none"), FLAGS)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Has SQLite keep in its own memory what it would share.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection
    } else {
        Connection::open_with_flags(uri(path, "?immutable=1"), FLAGS)?
    };
    let content = schema::content(&connection)?;
    Ok((connection, content))
}

/// The path as SQLite reads it in a URI (RFC 3986 2.1).
fn uri(path: &Path, parameters: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri + parameters
}

#[cfg(test)]
mod tests;
