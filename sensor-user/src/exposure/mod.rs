//! `smb-sensor exposure`: internal hosts whose ports of Windows networking answered a host on the Internet, read from the store.

mod arguments;
mod host;
mod text;

use std::process::ExitCode;

use anyhow::Result;
use sensor_core::time::Timestamp;
use tracing::warn;

pub use self::arguments::{EXAMPLES, ExposureArgs};
pub(crate) use self::host::{ExposedHost, Exposures};
pub(crate) use self::text::table;
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
        write!(out, "{}", if args.csv { text::csv(&hosts) } else { table(&hosts) })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The exposed hosts in the store, of incidents that were active at or after `since`.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn read(reader: &Reader, since: Option<i64>) -> Result<Vec<ExposedHost>> {
    let rows = reader.incidents(&IncidentQuery { since, ..IncidentQuery::default() })?;
    let (mut unreadable, mut exposures) = (0, Exposures::default());
    for row in &rows {
        let Ok(incident) = state::incident(row) else {
            unreadable += 1;
            continue;
        };
        exposures.add(&incident);
        if incident.more_answering {
            warn!("incident {} does not name all hosts that answered", incident.id);
        }
    }
    if unreadable > 0 {
        warn!("{unreadable} incidents were written by another version of smb-sensor and are left out");
    }
    Ok(exposures.finish())
}
