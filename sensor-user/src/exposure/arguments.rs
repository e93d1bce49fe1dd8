//! Flags of `smb-sensor exposure`.

use std::path::PathBuf;

use clap::Args;
use sensor_core::time::Timestamp;

use crate::{alerts::when, arguments::directory, config::DEFAULT_STATE_DIR};

/// Text below the flags.
pub const EXAMPLES: &str = "EXAMPLES\n  \
    Hosts that answer the Internet:\n    \
    smb-sensor exposure\n  \
    The same for a spreadsheet, of the last week:\n    \
    smb-sensor exposure --csv --since 7d\n\n\
    The list is read from the database in the state directory, whether or not an agent runs. A host that nobody on the \
    Internet tried is not in it.";

/// Flags of `exposure`.
#[derive(Debug, Args)]
pub struct ExposureArgs {
    /// Only hosts that answered at or after this: a time span before now (24h, 7d), a day in UTC (2026-01-31) or a time (RFC 3339).
    /// Default: everything in the database
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub since: Option<Timestamp>,
    /// Write one JSON object for each host
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Write CSV (RFC 4180) with a header
    #[arg(long)]
    pub csv: bool,
    /// State directory of the agent, as it was given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}
