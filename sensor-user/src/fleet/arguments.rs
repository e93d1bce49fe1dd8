//! Flags of `smb-sensor fleet`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use sensor_core::time::Timestamp;

use crate::alerts::when;

/// How far back incidents are read.
pub(super) const DEFAULT_SINCE: Duration = Duration::from_secs(86_400);

/// Text below the flags.
pub const EXAMPLES: &str = "EXAMPLES\n  \
    Which sensors are alive, and what happened since yesterday:\n    \
    smb-sensor fleet --config smb-sensor.toml\n  \
    The same of the last week, for another program:\n    \
    smb-sensor fleet --config smb-sensor.toml --since 7d --json | jq .external_hosts\n\n\
    Sensors with an output of the type `nats` publish incidents and their health to a stream. This command reads the stream, on any \
    machine: of the configuration it uses the server and the credentials of that output alone.";

/// Flags of `fleet`.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Configuration file (TOML) with an output of the type `nats`
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
    /// Name of that output, if there are several
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// No incident older than this: a time span before now (30m, 24h, 7d), the beginning of a day in UTC (2026-01-31) or a time
    /// (RFC 3339). Default: 24h
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub since: Option<Timestamp>,
    /// Write one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}
