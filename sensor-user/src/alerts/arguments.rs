//! Flags of `smb-sensor alerts`.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use ipnet::IpNet;
use sensor_core::{
    incident::Incident,
    level::{EvidenceLevel, Severity},
    profile::rule_ids,
    time::Timestamp,
};
use time::{OffsetDateTime, Time, format_description::well_known::Rfc3339};

use crate::{
    arguments::directory,
    config::DEFAULT_STATE_DIR,
    parse::{day, network},
    response::verdict::{Verdict, note},
    wall_clock,
};

/// Default number of listed incidents.
const LISTED: usize = 200;

/// Text below the flags.
pub const EXAMPLES: &str = "EXAMPLES\n  \
    Incidents since yesterday, the worst first:\n    \
    smb-sensor alerts --since 24h\n  \
    One incident in full:\n    \
    smb-sensor alerts 7f3a\n  \
    Incidents in which a credential was given away, or more:\n    \
    smb-sensor alerts --evidence credential\n  \
    Incidents with the same external host, credential or user as that one:\n    \
    smb-sensor alerts --related-to 7f3a\n  \
    Every document about one incident:\n    \
    smb-sensor alerts 7f3a --json | jq .message\n  \
    Mark it as benign, and get the command that exempts it:\n    \
    smb-sensor alerts 7f3a --verdict benign --note \"nightly copy\"\n  \
    Connections that crossed the border on that day or later:\n    \
    smb-sensor alerts --flows --since 2026-01-31\n\n\
    The list is read from the database in the state directory, whether or not an agent runs. Times are UTC. [journal] in the \
    configuration limits the size of the database and the age of documents.";

/// Flags of `alerts`.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// Show this incident in full: its identifier, or the beginning of it
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Nothing older than this: a time span before now (90s, 30m, 24h, 7d), the beginning of a day in UTC (2026-01-31) or a time
    /// (RFC 3339: 2026-01-31T08:00:00Z). Default: everything in the database
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub since: Option<Timestamp>,
    /// Nothing newer than this, written in the same way
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub until: Option<Timestamp>,
    /// Only incidents of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_parser = PossibleValuesParser::new(Severity::ALL.map(Severity::name)))]
    pub severity: Option<String>,
    /// Only incidents with a finding of this rule; may be repeated
    #[arg(long = "rule", value_name = "ID", value_delimiter = ',', value_parser = PossibleValuesParser::new(rule_ids()))]
    pub rules: Vec<String>,
    /// Only incidents that got at least this far
    #[arg(long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(EvidenceLevel::ALL.map(EvidenceLevel::name)))]
    pub evidence: Option<String>,
    /// Only incidents of internal hosts in this network, or of this address
    #[arg(long, value_name = "NET", value_parser = network)]
    pub internal: Option<IpNet>,
    /// Only incidents with external hosts in this network, or with this address
    #[arg(long, value_name = "NET", value_parser = network)]
    pub external: Option<IpNet>,
    /// Only incidents with the same external host, credential or user as this one, within seven days: its identifier, or the beginning
    /// of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["id", "flows"])]
    pub related_to: Option<String>,
    /// Only incidents that are open
    #[arg(long)]
    pub open: bool,
    /// List campaigns instead: incidents of several internal hosts with the same external host, credential or user
    #[arg(long, conflicts_with_all = ["id", "json", "flows", "limit"])]
    pub campaigns: bool,
    /// Give a verdict on this incident. It replaces an earlier one, and goes to the outputs as a document
    #[arg(long, value_enum, value_name = "VERDICT", requires = "id", conflicts_with_all = ["json", "flows", "campaigns", "since", "until", "severity", "rules", "evidence", "internal", "external", "related_to", "open", "limit"])]
    pub verdict: Option<Verdict>,
    /// Why, with --verdict: one line of at most 500 characters
    #[arg(long, value_name = "TEXT", requires = "verdict", value_parser = note)]
    pub note: Option<String>,
    /// Write documents instead of a table, one per line
    #[arg(long)]
    pub json: bool,
    /// Write the summaries of connections, as documents, instead of incidents. The agent keeps them only with `flow_documents =
    /// true` in its configuration
    #[arg(long, conflicts_with_all = ["id", "rules", "severity", "evidence", "open"])]
    pub flows: bool,
    /// List this many incidents at most. Default: 200; with --json, all
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// State directory of the agent, as it was given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

impl AlertsArgs {
    /// Whether an incident matches the filters; that it is related is another matter.
    #[must_use]
    pub fn fits(&self, incident: &Incident) -> bool {
        let level = self.evidence.as_deref().and_then(EvidenceLevel::named);
        let within = |net: Option<IpNet>, addresses: &[std::net::IpAddr]| {
            net.is_none_or(|net| addresses.iter().any(|address| net.contains(address)))
        };
        self.since.is_none_or(|since| incident.last >= since)
            && self.until.is_none_or(|until| incident.first < until)
            && incident.severity >= self.least_severity()
            && (self.rules.is_empty() || self.rules.iter().any(|rule| incident.findings.contains_key(rule)))
            && level.is_none_or(|level| incident.level >= level)
            && within(self.internal, &incident.internal.addresses)
            && within(self.external, &incident.external.addresses)
            && (!self.open || incident.closed.is_none())
    }

    /// The lowest wanted severity.
    #[must_use]
    pub fn least_severity(&self) -> Severity {
        let named = self.severity.as_deref();
        Severity::ALL.into_iter().find(|one| Some(one.name()) == named).unwrap_or(Severity::Low)
    }

    /// Most incidents to list.
    #[must_use]
    pub fn most(&self) -> usize {
        self.limit.unwrap_or(LISTED)
    }
}

/// Reads a duration before now, a date, or a time.
pub(crate) fn when(text: &str) -> Result<Timestamp, String> {
    before(text, wall_clock::now())
}

fn before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let unit = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let last = text.chars().next_back();
    let count = text.get(..text.len().saturating_sub(1)).map(str::parse::<u32>);
    if let (Some(seconds), Some(Ok(count))) = (last.and_then(unit), count) {
        return Ok(now - std::time::Duration::from_secs(u64::from(count) * seconds));
    }
    let midnight = || Some(day(text)?.with_time(Time::MIDNIGHT).assume_utc());
    let time = OffsetDateTime::parse(text, &Rfc3339).ok().or_else(midnight).ok_or(
        "write a span like 90s, 30m, 24h or 7d, a date like 2026-01-31, or a time like 2026-01-31T08:00:00Z",
    )?;
    let nanos = time.unix_timestamp_nanos().clamp(i64::MIN.into(), i64::MAX.into());
    Ok(Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_duration_a_date_and_a_time() {
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        let at = |text| before(text, now).unwrap().unix_nanos() / 1_000_000_000;
        assert_eq!(at("90s"), 1_699_999_910);
        assert_eq!(at("2d"), 1_700_000_000 - 172_800);
        assert_eq!(at("2023-11-14"), 1_699_920_000);
        assert_eq!(at("2023-11-14T22:13:20Z"), 1_700_000_000);
        for wrong in ["", "d", "yesterday", "1w", "-1d", "2023-13-01"] {
            assert!(before(wrong, now).unwrap_err().contains("24h"), "{wrong}");
        }
    }
}
