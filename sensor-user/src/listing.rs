//! `smb-sensor alerts`: what the journal holds, asked of the running agent, or read from the file where none runs.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::Value;
use time::{OffsetDateTime, Time, format_description::well_known::Rfc3339};

use crate::{
    control,
    exempt::day,
    flow::Evidence,
    journal::{self, JournalError, Query, query},
    shown::shown,
    stdout, wall_clock,
};

/// A point in time, nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Nanoseconds since the Unix epoch.
    pub nanos: i64,
}

impl Since {
    /// Reads a span back from now, a date, or a time.
    ///
    /// # Errors
    /// What could be written instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::before(text, i64::try_from(wall_clock::now()).unwrap_or(i64::MAX))
    }

    fn before(text: &str, now: i64) -> Result<Self, String> {
        let unit = |unit| match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3_600),
            'd' => Some(86_400),
            _ => None,
        };
        let last = text.chars().next_back();
        if let (Some(seconds), Some(Ok(count))) =
            (last.and_then(unit), text.get(..text.len().saturating_sub(1)).map(str::parse::<u32>))
        {
            return Ok(Self {
                nanos: now.saturating_sub(i64::from(count).saturating_mul(seconds * 1_000_000_000)),
            });
        }
        let midnight = || Some(day(text)?.with_time(Time::MIDNIGHT).assume_utc());
        let time = OffsetDateTime::parse(text, &Rfc3339).ok().or_else(midnight).ok_or(
            "write a span like 90s, 30m, 24h or 7d, a date like 2026-01-31, or a time like 2026-01-31T08:00:00Z",
        )?;
        let nanos = time.unix_timestamp_nanos().clamp(i64::MIN.into(), i64::MAX.into());
        Ok(Self { nanos: i64::try_from(nanos).unwrap_or(i64::MAX) })
    }
}

/// Lists what fits on standard output: `json` as documents, else as a table.
///
/// # Errors
/// When neither the agent nor the file gives the journal, or nothing can be written.
pub fn run(query: &Query, json: bool, state_dir: &Path) -> Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut rows = Vec::new();
    let mut failure = None;
    let more = documents(query, state_dir, |text| {
        if !json {
            rows.extend(serde_json::from_str::<Value>(&text).ok().as_ref().map(row));
            return true;
        }
        failure = writeln!(out, "{text}").err();
        failure.is_none()
    })?;
    stdout::settled(match failure {
        Some(error) => Err(error),
        None if json => out.flush(),
        None => write!(out, "{}", table(rows, query.flows)).and_then(|()| out.flush()),
    })?;
    if more && io::stderr().is_terminal() {
        writeln!(io::stderr(), "There are older ones: see --limit and --since.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives every document that fits to `tell`; tells whether there are older ones.
fn documents(query: &Query, state_dir: &Path, mut tell: impl FnMut(String) -> bool) -> Result<bool> {
    match control::documents(state_dir, query, &mut tell) {
        Ok(answer) if answer.done => return Ok(!answer.told.is_empty()),
        Ok(answer) => bail!("the agent cannot read its journal: {}", answer.told),
        Err(error) if error.is_absence() => {}
        Err(error) => return Err(error.into()),
    }
    match journal::read(state_dir) {
        Ok(reader) => Ok(query::run(&reader, query, tell)?.more),
        Err(JournalError::InUse { path }) => bail!(
            "another process has the journal {} open and answers nobody: an agent that starts or ends, or another listing; try again",
            path.display()
        ),
        Err(error) => Err(error.into()),
    }
}

const COLUMNS: [&str; 7] = ["time", "severity", "rule", "evidence", "source", "destination", "status"];

/// How many alerts were only counted, and of which evidence.
fn only_counted(suppression: &Value) -> String {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let by_evidence = Evidence::ALL.iter().filter_map(|level| {
        let count = count(suppression.get("by_evidence")?.get(level.name())?);
        Some(format!("{count} {}", level.name()))
    });
    let by_evidence: Vec<_> = by_evidence.collect();
    format!("{} more only counted ({})", count(&suppression["suppressed"]), by_evidence.join(", "))
}

/// Who was hidden most.
fn hidden_most(document: &Value) -> Option<String> {
    let [first, others @ ..] = document.pointer(query::HIDDEN_MOST)?.as_array()?.as_slice() else {
        return None;
    };
    let others = if others.is_empty() { "" } else { " and others" };
    Some(shown(first["ip"].as_str()?.as_bytes()) + others)
}

/// How many addresses a sweep reached for.
fn targets(sweep: &Value) -> String {
    let more = if sweep["more_targets"] == true { "at least " } else { "" };
    format!("{more}{} targets", sweep["targets"].as_u64().unwrap_or_default())
}

/// An alert, or a flow, in a line. What others chose is shown so that it can steer no terminal.
fn row(document: &Value) -> [String; 7] {
    let text =
        |pointer: &str| shown(document.pointer(pointer).and_then(Value::as_str).unwrap_or("-").as_bytes());
    let end = |side: &str| {
        let port = document.pointer(&format!("/{side}/port")).and_then(Value::as_u64);
        let (ip, port) = (text(&format!("/{side}/ip")), port.map(|port| port.to_string()));
        match port {
            Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
            Some(port) => format!("{ip}:{port}"),
            None => ip,
        }
    };
    let suppression = document.pointer("/smb_sensor/suppression");
    let sweep = document.pointer("/smb_sensor/sweep");
    [
        text("/@timestamp"),
        text("/smb_sensor/alert/severity"),
        text("/rule/id"),
        query::level(document).map_or("-", Evidence::name).to_owned(),
        hidden_most(document).unwrap_or_else(|| end("source")),
        sweep.map_or_else(|| end("destination"), targets),
        suppression.map_or_else(|| text("/smb_sensor/alert/status"), only_counted),
    ]
}

fn table(rows: Vec<[String; 7]>, flows: bool) -> String {
    if rows.is_empty() {
        return format!("no {} in the journal that fit\n", if flows { "flows" } else { "alerts" });
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(COLUMNS);
    table.add_rows(rows);
    // A flow has neither rule nor severity nor status.
    for column in if flows { &[1, 2, 6][..] } else { &[] } {
        if let Some(column) = table.column_mut(*column) {
            column.set_constraint(comfy_table::ColumnConstraint::Hidden);
        }
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim().to_owned() + "\n").collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn since_is_a_span_a_date_or_a_time() {
        let hour = 3_600 * 1_000_000_000;
        assert_eq!(Since::before("2h", 5 * hour), Ok(Since { nanos: 3 * hour }));
        assert_eq!(Since::before("1d", 25 * hour), Ok(Since { nanos: hour }));
        assert_eq!(Since::before("1970-01-01T01:00:00Z", 0), Ok(Since { nanos: hour }));
        assert_eq!(Since::before("1970-01-02", 0), Ok(Since { nanos: 24 * hour }));
        assert_eq!(Since::before("4294967295d", 0), Ok(Since { nanos: i64::MIN + 1 }), "before all there is");
        for wrong in ["", "h", "2", "2w", "-1h", "yesterday", "é", "99999999999d", "2026-13-01"] {
            assert!(Since::before(wrong, 0).unwrap_err().contains("24h"), "{wrong}");
        }
    }

    #[test]
    fn a_sweep_has_its_targets_and_a_suppression_its_counts() {
        let sweep = json!({
            "rule": { "id": "smb-sweep" },
            "source": { "ip": "10.0.0.2" },
            "smb_sensor": {
                "alert": { "status": "closed", "severity": "medium" },
                "sweep": { "targets": 313, "more_targets": false },
            },
        });
        assert_eq!(row(&sweep)[4..], ["10.0.0.2", "313 targets", "closed"]);
        let many = json!({ "targets": 4_096, "more_targets": true });
        assert_eq!(targets(&many), "at least 4096 targets");
        let suppression = json!({
            "@timestamp": "2026-01-01T00:00:00.000Z",
            "rule": { "id": "smb-to-internet" },
            "smb_sensor": { "suppression": {
                "written": 100, "suppressed": 149, "by_evidence": { "refused": 29, "attempt": 120 },
                "sources": [{ "ip": "10.0.0.2", "suppressed": 140 }, { "ip": "10.0.0.3", "suppressed": 9 }],
            } },
        });
        let row = row(&suppression);
        assert_eq!(row[1..5], ["-", "smb-to-internet", "refused", "10.0.0.2 and others"]);
        assert_eq!(row[6], "149 more only counted (120 attempt, 29 refused)");
    }

    #[test]
    fn a_line_is_plain_whatever_the_document_says() {
        let hostile = json!({
            "@timestamp": "2026-01-01T00:00:00.000Z",
            "rule": { "id": "a\u{1b}[2J\nb" },
            "source": { "ip": "fd00::2", "port": 7 },
            "destination": { "ip": "8.8.4.4", "port": 445 },
        });
        let told = table(vec![row(&hostile)], false);
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("a\\u{1b}[2J\\u{a}b") && told.contains("[fd00::2]:7"), "{told}");
        let flows = table(vec![row(&hostile)], true);
        assert!(!flows.contains("severity") && flows.contains("8.8.4.4:445"), "{flows}");
        assert!(table(vec![], true).contains("no flows"));
    }
}
