//! The flags of `smb-sensor exempt`.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::Spoken;
use crate::{
    arguments::directory,
    config::{ServerPort, identifier, process, reason, service},
};

/// Flags of `exempt`.
#[derive(Debug, Args)]
pub struct ExemptArgs {
    /// The command.
    #[command(subcommand)]
    pub what: ExemptCommand,
    /// State directory of the agent, as given to `run`. Default: that of the configuration, or /var/lib/smb-sensor
    #[arg(long, value_name = "DIR", global = true, value_parser = directory())]
    pub state_dir: Option<PathBuf>,
    /// Configuration file of the agent (TOML), for its exemptions and its named lists
    #[arg(long, short, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// `exempt WHAT`
#[derive(Debug, Subcommand)]
pub enum ExemptCommand {
    /// Exempt traffic from now on; a running agent applies it at once. Incidents that are already open stay open
    Add(AddArgs),
    /// List all exemptions with their hits, and those that have expired or never matched
    List,
    /// Remove an exemption that was added by command; a running agent applies it at once
    Remove {
        /// Identifier of the exemption, as `list` shows it
        id: String,
    },
    /// Show which exemption covers a connection, or why none does
    Test(TestArgs),
}

/// Flags of `exempt add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Only these clients: a network, an address or the name of a list; may be repeated
    #[arg(long, value_name = "NET|LIST", value_delimiter = ',')]
    pub source: Vec<String>,
    /// Only these servers: a network, an address or the name of a list; may be repeated
    #[arg(long, value_name = "NET|LIST", value_delimiter = ',')]
    pub destination: Vec<String>,
    /// Only this service: smb, rpc, netbios, webdav or a port; may be repeated
    #[arg(long, value_name = "SERVICE|PORT", value_delimiter = ',', value_parser = service)]
    pub service: Vec<Spoken>,
    /// Only connections that this process opens: its name (15 bytes at most) or the whole path of its program file. Never matches
    /// if the process is not known
    #[arg(long, value_name = "NAME|PATH", value_parser = process)]
    pub process: Option<String>,
    /// Reason why the traffic is safe
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// When it ends: a date (the end of that day in UTC), a time (RFC 3339), or 90m, 12h, 30d from now. Default: it does not
    /// end
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Identifier of the exemption. Default: one derived from its conditions
    #[arg(long, value_name = "NAME", value_parser = identifier)]
    pub id: Option<String>,
}

/// Flags of `exempt test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Client
    #[arg(value_name = "SRC")]
    pub client: IpAddr,
    /// Server
    #[arg(value_name = "DST")]
    pub server: IpAddr,
    /// Port of the server, such as 445 or 137/udp. Without a protocol, the one that is watched on that port
    #[arg(long, value_name = "N", default_value = "445")]
    pub port: ServerPort,
    /// Process that opens the connection: its name or the whole path of its program file. Default: not known
    #[arg(long, value_name = "NAME|PATH", value_parser = process)]
    pub process: Option<String>,
}
