//! The flags of `smb-sensor exempt`.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::Spoken;
use crate::{cli::directory, config::{ServerPort, identifier, process, reason, service}};

/// Flags of `exempt`.
#[derive(Debug, Args)]
pub struct ExemptArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: ExemptCommand,
    /// State directory of the agent, as it was given to `run`. Without it, what the configuration says, or /var/lib/smb-sensor
    #[arg(long, value_name = "DIR", global = true, value_parser = directory())]
    pub state_dir: Option<PathBuf>,
    /// Configuration file of the agent (TOML): its exemptions and its named lists
    #[arg(long, short, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// `exempt WHAT`
#[derive(Debug, Subcommand)]
pub enum ExemptCommand {
    /// Declare traffic safe, at once where an agent runs; conversations that are alerted on already stay so
    Add(AddArgs),
    /// Tell all exemptions, what they have covered, and which are over or never covered anything
    List,
    /// Take out an exemption that was added, at once where an agent runs
    Remove {
        /// Its name, as `list` shows it
        id: String,
    },
    /// Tell which exemption covers a conversation, or why none does
    Test(TestArgs),
}

/// Flags of `exempt add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Only these clients: a network, an address or the name of a list; may be given several times
    #[arg(long, value_name = "NET|LIST", value_delimiter = ',')]
    pub source: Vec<String>,
    /// Only these servers, likewise
    #[arg(long, value_name = "NET|LIST", value_delimiter = ',')]
    pub destination: Vec<String>,
    /// Only this: smb, rpc, netbios or a port; may be given several times
    #[arg(long, value_name = "SERVICE|PORT", value_delimiter = ',', value_parser = service)]
    pub service: Vec<Spoken>,
    /// Only what this process opens, by its name (15 bytes at most) or the whole path of its program file; never holds where the
    /// process is not known
    #[arg(long, value_name = "NAME|PATH", value_parser = process)]
    pub process: Option<String>,
    /// Why it is safe
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// When it ends: a date, which is that whole day in UTC, a time (RFC 3339), or 90m, 12h, 30d from now on. Without it, it holds
    /// for ever
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// What to call it. Without it, a name is made of what it covers
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
    /// Port of the server: 445, 137/udp. Unless it is said, the transport is the one that is watched there
    #[arg(long, value_name = "N", default_value = "445")]
    pub port: ServerPort,
    /// Process that opens the conversation: its name, or the whole path of its program file. Without it, it is not known
    #[arg(long, value_name = "NAME|PATH", value_parser = process)]
    pub process: Option<String>,
}
