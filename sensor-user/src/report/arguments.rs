//! Flags of `smb-sensor report`.

use std::path::PathBuf;

use clap::Args;
use sensor_core::time::Timestamp;

use crate::{alerts::when, arguments::directory};

/// Text below the flags.
pub const EXAMPLES: &str = "EXAMPLES\n  \
    The last 30 days:\n    \
    smb-sensor report\n  \
    A quarter as a page for a browser, which needs nothing else:\n    \
    smb-sensor report --since 2026-01-01 --until 2026-04-01 --html quarter.html\n  \
    Numbers for a script:\n    \
    smb-sensor report --since 7d --json | jq .incidents\n\n\
    The report is made from the database in the state directory, whether or not an agent runs. It reaches back as far as [journal] in \
    the configuration allows, and names the date. Times are UTC, and weeks begin on Monday.";

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Incidents that were active at or after this: a time span before now (24h, 30d), the beginning of a day in UTC (2026-01-31) or
    /// a time (RFC 3339: 2026-01-31T08:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = when, default_value = "30d")]
    pub since: Timestamp,
    /// Incidents that began before this, written in the same way. Default: now
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub until: Option<Timestamp>,
    /// Write one JSON object instead of text
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Write one HTML file with pictures instead of text
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Configuration file of the agent (TOML), for the reasons of its exemptions
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State directory of the agent, as given to `run`. Default: that of the configuration, or /var/lib/smb-sensor
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
}
