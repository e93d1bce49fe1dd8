//! The flags of `smb-sensor exempt`.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand};

/// Flags of `exempt`.
#[derive(Debug, Args)]
pub struct ExemptArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: ExemptCommand,
    /// State directory of the agent, as it was given to `run`; without it that of --config, or the usual one
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Configuration file of the agent: its exemptions and its named lists
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
    /// Clients: a network, an address or the name of a list; may be given several times
    #[arg(long, value_name = "NET|LIST", value_delimiter = ',')]
    pub source: Vec<String>,
    /// Servers, likewise
    #[arg(long, value_name = "NET|LIST", value_delimiter = ',')]
    pub destination: Vec<String>,
    /// Only this: smb, rpc, netbios or a port; may be given several times
    #[arg(long, value_name = "SERVICE|PORT", value_delimiter = ',')]
    pub service: Vec<String>,
    /// Only what this process opens, by name or by program file; never holds where the process is not known
    #[arg(long, value_name = "NAME|PATH")]
    pub process: Option<String>,
    /// Why it is safe
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// When it ends: a date, a time (RFC 3339), or 90m, 12h, 30d from now on
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// What to call it; without it a name is made of what it covers
    #[arg(long, value_name = "NAME")]
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
    /// Port of the server
    #[arg(long, value_name = "N", default_value_t = 445, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Process that opens the conversation: its name, or its program file with the whole path
    #[arg(long, value_name = "NAME|PATH")]
    pub process: Option<String>,
}
