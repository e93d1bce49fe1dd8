//! `smb-sensor exposure`: internal hosts whose ports of Windows networking answered somebody on the Internet, read from the store.

mod arguments;
mod host;
mod text;

use std::process::ExitCode;

use anyhow::Result;
use sensor_core::time::Timestamp;
use tracing::warn;

pub use self::arguments::{EXAMPLES, ExposureArgs};
pub(crate) use self::host::{ExposedHost, exposed, is_exposure};
use crate::{
    state, stdout,
    storage::{IncidentQuery, Reader},
};

/// Runs the command.
///
/// # Errors
/// If the store cannot be read.
pub fn run(args: &ExposureArgs) -> Result<ExitCode> {
    let hosts = read(&Reader::open(&args.state_dir)?, args.since.map(Timestamp::unix_nanos))?;
    stdout::write(|out| {
        if args.json {
            for host in &hosts {
                writeln!(out, "{}", serde_json::to_string(host)?)?;
            }
            return Ok(());
        }
        write!(out, "{}", if args.csv { text::csv(&hosts) } else { text::table(&hosts) })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The exposed hosts in the store, of incidents that were active at or after `since`.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn read(reader: &Reader, since: Option<i64>) -> Result<Vec<ExposedHost>> {
    let rows = reader.incidents(&IncidentQuery { since, ..IncidentQuery::default() })?;
    let mut unreadable = 0;
    let incidents = rows.iter().filter_map(|row| {
        let incident = state::incident(row);
        unreadable += usize::from(incident.is_err());
        incident.ok()
    });
    let hosts = exposed(incidents);
    if unreadable > 0 {
        warn!("{unreadable} incidents were written by another version of smb-sensor and are left out");
    }
    Ok(hosts)
}
