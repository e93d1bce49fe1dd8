//! `smb-sensor alerts`: incidents, read from the store, whether or not an agent runs.

mod arguments;
mod campaigns;
mod detail;
mod elsewhere;
mod hosts;
mod list;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use sensor_core::{
    incident::{Incident, StoredIncident},
    level::Severity,
};
use tracing::warn;

pub(crate) use self::arguments::when;
pub use self::arguments::{AlertsArgs, EXAMPLES};
pub(crate) use self::campaigns::{Campaign, campaigns};
use self::elsewhere::Elsewhere;
pub(crate) use self::list::{COLUMNS, Line, cut};
use crate::{
    response::{Verdict, VerdictEntry},
    state, stdout,
    storage::{DocumentKind, DocumentQuery, FLOW_DOCUMENTS, IncidentQuery, IncidentRow, Reader, VerdictRow},
    verdicts, wall_clock,
};

/// Runs the command.
///
/// # Errors
/// If the store cannot be read, or there is no such incident.
pub fn run(args: &AlertsArgs) -> Result<ExitCode> {
    let reader = Reader::open(&args.state_dir)?;
    match &args.id {
        Some(prefix) => one(args, &reader, prefix),
        None if args.flows => documents(args, &reader, DocumentKind::Flow),
        None if args.json => documents(args, &reader, DocumentKind::Incident),
        None => many(args, &reader),
    }
}

/// The incident whose identifier begins so.
fn row(reader: &Reader, prefix: &str) -> Result<IncidentRow> {
    let Some(row) = reader.incident(&prefix.to_ascii_lowercase())? else {
        bail!("there is no incident {prefix}; `smb-sensor alerts` lists them");
    };
    Ok(row)
}

/// One incident in full, or its documents.
fn one(args: &AlertsArgs, reader: &Reader, prefix: &str) -> Result<ExitCode> {
    let row = row(reader, prefix)?;
    if let Some(verdict) = args.verdict {
        let text = verdicts::give(&args.state_dir, &row.id, verdict, args.note.clone(), None)?;
        stdout::write(|out| writeln!(out, "{text}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        let query = DocumentQuery {
            kind: Some(DocumentKind::Incident),
            incident: Some(row.id),
            ..DocumentQuery::default()
        };
        write_documents(reader, &query)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = in_full(&incident(&row)?, reader)?;
    stdout::write(|out| write!(out, "{text}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The text of one incident in full.
///
/// # Errors
/// If the store, which has the other incidents of its external host, cannot be read.
pub fn in_full(incident: &Incident, reader: &Reader) -> Result<String> {
    let verdict_entry = verdict_entry(&incident.id.to_string(), reader)?;
    let elsewhere = Elsewhere::read(incident, reader)?;
    Ok(detail::text(incident, &elsewhere, verdict_entry.as_ref(), wall_clock::now()))
}

fn many(args: &AlertsArgs, reader: &Reader) -> Result<ExitCode> {
    let query = IncidentQuery {
        min_severity: Some(args.least_severity()),
        open: args.open,
        since: args.since.map(sensor_core::time::Timestamp::unix_nanos),
    };
    let listed = fitting(args, reader, &query)?;
    let mut listed: Vec<_> = listed.into_iter().map(|(_, incident)| incident).collect();
    if args.campaigns {
        let text = campaigns::table(&listed);
        stdout::write(|out| write!(out, "{text}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let more = listed.len().saturating_sub(args.most());
    listed.truncate(args.most());
    let verdicts = verdicts_by_incident(reader)?;
    let text = list::table(&listed, &verdicts, &list::Terminal::here());
    stdout::write(|out| {
        write!(out, "{text}")?;
        if more > 0 {
            writeln!(out, "{more} more: see --limit, --since and --severity")?;
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The incidents that the query gives and that match the flags, each with its identifier as it is stored.
fn fitting(args: &AlertsArgs, reader: &Reader, query: &IncidentQuery) -> Result<Vec<(String, Incident)>> {
    let related_to = args.related_to.as_deref().map(|prefix| stored(&row(reader, prefix)?)).transpose()?;
    let is_related =
        |one: &StoredIncident| related_to.as_ref().is_none_or(|other| !other.in_common(one).is_empty());
    let mut fitting = Vec::new();
    for row in reader.incidents(query)? {
        let one = stored(&row)?;
        if args.fits(&one.incident) && is_related(&one) {
            fitting.push((row.id, one.incident));
        }
    }
    Ok(fitting)
}

/// The verdict on an incident; none if another version of this program wrote it.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn verdict_entry(incident: &str, reader: &Reader) -> Result<Option<VerdictEntry>> {
    Ok(reader.verdict(incident)?.and_then(|row| state::verdict_entry(&row).ok()))
}

/// All verdicts, by the identifiers of their incidents.
fn verdicts_by_incident(reader: &Reader) -> Result<BTreeMap<String, Verdict>> {
    let read = |row: VerdictRow| {
        let verdict_entry = state::verdict_entry(&row).ok()?;
        Some((row.incident, verdict_entry.verdict))
    };
    Ok(reader.verdicts()?.into_iter().filter_map(read).collect())
}

/// An incident of the store as a line of the list; none if another version of this program wrote it.
pub(crate) fn line(row: &IncidentRow) -> Option<(Severity, Line)> {
    incident(row).ok().map(|incident| (incident.severity, list::line(&incident)))
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
        || args.related_to.is_some()
        || args.open;
    if kind == DocumentKind::Flow {
        if narrows {
            bail!("--flows goes with --since, --until and --limit; narrow further with jq");
        }
        return flows(reader, &query);
    }
    if !narrows {
        write_documents(reader, &query)?;
        return Ok(ExitCode::SUCCESS);
    }
    let all =
        IncidentQuery { min_severity: Some(args.least_severity()), open: args.open, since: query.since };
    for (id, _) in fitting(args, reader, &all)? {
        write_documents(reader, &DocumentQuery { incident: Some(id), ..query.clone() })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Summaries of connections. That there are none may be because none are kept.
fn flows(reader: &Reader, query: &DocumentQuery) -> Result<ExitCode> {
    let are_kept = reader.value(FLOW_DOCUMENTS)?.is_some_and(|kept| kept == [1]);
    if write_documents(reader, query)? == 0 && !are_kept {
        warn!(
            "there are no summaries of connections, because the agent keeps none: set `flow_documents = true` in its configuration \
             and restart it"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes documents; gives how many.
fn write_documents(reader: &Reader, query: &DocumentQuery) -> Result<u64> {
    let mut written = 0;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut failure = None;
    reader.documents(query, |document| {
        written += 1;
        failure = writeln!(out, "{}", document.body).err();
        failure.is_none()
    })?;
    stdout::settled(failure.map_or_else(|| out.flush(), Err))?;
    Ok(written)
}

fn incident(row: &IncidentRow) -> Result<Incident> {
    stored(row).map(|stored| stored.incident)
}

fn stored(row: &IncidentRow) -> Result<StoredIncident> {
    state::stored_incident(row)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("cannot read incident {}: another version of smb-sensor wrote it", row.id))
}
