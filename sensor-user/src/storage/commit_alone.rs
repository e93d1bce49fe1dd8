//! Writes to the database while no agent runs.

use std::path::Path;

use rusqlite::config::DbConfig;

use super::{RowBatch, StorageError, insert::put, lock::Lock, schema};

/// Commits a batch. Nothing is removed: that is for an agent, which knows the bounds.
///
/// # Errors
/// [`StorageError::InUse`] while an agent runs, or why it cannot be committed.
pub fn commit_alone(state_dir: &Path, batch: &RowBatch) -> Result<(), StorageError> {
    let _alone = Lock::take(state_dir)?;
    let path = super::file(state_dir);
    let mut connection = schema::open(&path)?;
    let mut commit = || {
        let transaction = connection.transaction()?;
        put(&transaction, batch)?;
        transaction.commit()
    };
    commit().map_err(|source| StorageError::Database { operation: "write", path: path.clone(), source })?;
    // Without its log, so that the database is one file.
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
    Ok(())
}
