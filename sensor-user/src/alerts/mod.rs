//! `smb-sensor alerts`: incidents, read from the store, whether or not an agent runs.

mod arguments;
mod detail;
mod elsewhere;
mod list;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use sensor_core::incident::Incident;

pub use self::arguments::{AlertsArgs, EXAMPLES};
use self::elsewhere::Elsewhere;
use crate::{
    state, stdout,
    storage::{DocumentKind, DocumentQuery, IncidentQuery, IncidentRow, Reader, StorageError},
};

/// Runs the command.
///
/// # Errors
/// If the store cannot be read, or there is no such incident.
pub fn run(args: &AlertsArgs) -> Result<ExitCode> {
    let reader = match Reader::open(&args.state_dir) {
        Ok(reader) => reader,
        Err(StorageError::Missing { path }) => {
            bail!("there is no database in {}: no agent has run with this --state-dir yet", path.display())
        }
        Err(error) => return Err(error.into()),
    };
    match &args.id {
        Some(prefix) => one(args, &reader, prefix),
        None if args.flows => documents(args, &reader, DocumentKind::Flow),
        None if args.json => documents(args, &reader, DocumentKind::Incident),
        None => many(args, &reader),
    }
}

/// One incident in full, or its documents.
fn one(args: &AlertsArgs, reader: &Reader, prefix: &str) -> Result<ExitCode> {
    let Some(row) = reader.incident(&prefix.to_ascii_lowercase())? else {
        bail!("there is no incident {prefix}; `smb-sensor alerts` lists them");
    };
    if args.json {
        let query = DocumentQuery {
            kind: Some(DocumentKind::Incident),
            incident: Some(row.id),
            ..DocumentQuery::default()
        };
        return write_documents(reader, &query);
    }
    let incident = incident(&row)?;
    let text = detail::text(&incident, &Elsewhere::read(&incident, reader)?);
    stdout::write(|out| write!(out, "{text}"))?;
    Ok(ExitCode::SUCCESS)
}

fn many(args: &AlertsArgs, reader: &Reader) -> Result<ExitCode> {
    let query = IncidentQuery {
        severity: args.least_severity().number(),
        open: args.open,
        since: args.since.map(sensor_core::time::Timestamp::unix_nanos),
    };
    let mut listed = Vec::new();
    for row in reader.incidents(&query)? {
        let incident = incident(&row)?;
        if args.fits(&incident) {
            listed.push(incident);
        }
    }
    let more = listed.len().saturating_sub(args.most());
    listed.truncate(args.most());
    let text = list::table(&listed, &list::Terminal::here());
    stdout::write(|out| {
        write!(out, "{text}")?;
        if more > 0 {
            writeln!(out, "{more} more: see --limit, --since and --severity")?;
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Documents, as they were written.
fn documents(args: &AlertsArgs, reader: &Reader, kind: DocumentKind) -> Result<ExitCode> {
    let query = DocumentQuery {
        kind: Some(kind),
        since: args.since.map(sensor_core::time::Timestamp::unix_nanos),
        until: args.until.map(sensor_core::time::Timestamp::unix_nanos),
        limit: args.limit.unwrap_or(0) as u64,
        ..DocumentQuery::default()
    };
    let narrows = args.severity.is_some()
        || !args.rules.is_empty()
        || args.evidence.is_some()
        || args.internal.is_some()
        || args.external.is_some()
        || args.open;
    if !narrows {
        return write_documents(reader, &query);
    }
    if kind == DocumentKind::Flow {
        bail!("--flows goes with --since, --until and --limit; narrow further with jq");
    }
    let all = IncidentQuery { severity: args.least_severity().number(), open: args.open, since: query.since };
    for row in reader.incidents(&all)? {
        if args.fits(&incident(&row)?) {
            write_documents(reader, &DocumentQuery { incident: Some(row.id), ..query.clone() })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_documents(reader: &Reader, query: &DocumentQuery) -> Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut failure = None;
    reader.documents(query, |document| {
        failure = writeln!(out, "{}", document.body).err();
        failure.is_none()
    })?;
    stdout::settled(failure.map_or_else(|| out.flush(), Err))?;
    Ok(ExitCode::SUCCESS)
}

fn incident(row: &IncidentRow) -> Result<Incident> {
    state::incident(row)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("cannot read incident {}: another version of smb-sensor wrote it", row.id))
}
