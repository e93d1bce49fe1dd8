//! Flags of `smb-sensor fleet`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use sensor_core::time::Timestamp;

use crate::{alerts::when, exempt::AddArgs};

/// How far back incidents are read.
pub(super) const DEFAULT_SINCE: Duration = Duration::from_secs(86_400);

/// Text below the flags.
pub const EXAMPLES: &str = "EXAMPLES\n  \
    Sensors and their health, and the incidents since yesterday:\n    \
    smb-sensor fleet --config smb-sensor.toml\n  \
    The same of the last week, for another program:\n    \
    smb-sensor fleet --config smb-sensor.toml --since 7d --json | jq .campaigns\n  \
    Exempt a backup on all sensors for a month:\n    \
    smb-sensor fleet exempt add --config smb-sensor.toml --destination 198.51.100.9 --reason copy --expires 30d\n\n\
    Sensors with an output of the type `nats` publish incidents and their health to a stream. This command reads the stream, on any \
    machine: of the configuration it uses the server and the credentials of that output alone.";

/// Flags of `fleet`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct FleetArgs {
    /// The command; without one, the fleet is listed
    #[command(subcommand)]
    pub what: Option<FleetCommand>,
    /// The server
    #[command(flatten)]
    pub server: Option<ServerArgs>,
    /// No incident older than this: a time span before now (30m, 24h, 7d), the beginning of a day in UTC (2026-01-31) or a time
    /// (RFC 3339). Default: 24h
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub since: Option<Timestamp>,
    /// Write one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Which server.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Configuration file (TOML) with an output of the type `nats`
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
    /// Name of that output, if there are several
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
}

/// `fleet WHAT`
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Share exemptions with all sensors, or with those of a site; a sensor that is offline applies them when it is back
    Exempt {
        /// The command.
        #[command(subcommand)]
        what: SharedCommand,
    },
}

/// `fleet exempt WHAT`
#[derive(Debug, Subcommand)]
pub enum SharedCommand {
    /// Share an exemption
    Add {
        /// The server
        #[command(flatten)]
        server: ServerArgs,
        /// The sites
        #[command(flatten)]
        sites: SiteArgs,
        /// The exemption
        #[command(flatten)]
        entry: AddArgs,
    },
    /// List shared exemptions, with their authors and reasons
    List {
        /// The server
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Share an exemption no longer
    Remove {
        /// Identifier of the exemption, as `list` shows it
        id: String,
        /// The server
        #[command(flatten)]
        server: ServerArgs,
        /// The sites
        #[command(flatten)]
        sites: SiteArgs,
    },
}

/// Which sites.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// Only sensors of this site. Default: all sensors
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,
}
