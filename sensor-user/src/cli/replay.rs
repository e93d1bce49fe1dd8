//! `smb-sensor replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::{
    arguments::directory,
    config::Overrides,
    parse::network,
    replay::{EngineChoice, Options, clock::Speed, rewrite::Rewrite},
};
use sensor_core::profile::ProfileName;

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Captures: pcap or pcapng, plain or compressed with gzip or zstd; "-" is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the packet path runs; both give the same result
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = EngineArg::Host)]
    pub engine: EngineArg,
    /// Move addresses of the first network to the second, keeping their host bits; may be repeated
    #[arg(long, value_name = "NET=NET", value_delimiter = ',')]
    pub rewrite: Vec<Rewrite>,
    /// Speed as a multiple of the recorded one, or "max"
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: Speed,
    /// Write documents even on a terminal, instead of one line for each incident
    #[arg(long)]
    pub json: bool,
    /// Write a summary document of each flow as well
    #[arg(long)]
    pub flows: bool,
    /// Configuration file (TOML) with networks, exemptions and services; flags override it
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Additional internal network or address; may be repeated
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = network)]
    pub internal: Vec<IpNet>,
    /// Rule set: sensor, elastic-v105, elastic-current or netography. Default: that of the configuration, or sensor
    #[arg(long, value_name = "NAME")]
    pub profile: Option<ProfileName>,
    /// Directory in which to keep known destinations; not that of a running agent. By default no destination is known at first.
    /// Exemptions of --config apply, by the clock of the capture; exemptions added by command do not
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
}

/// `--engine`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EngineArg {
    /// The kernel program itself, run without an interface (needs its privileges)
    Kernel,
    /// The same code in this process, without privileges
    Host,
}

impl ReplayArgs {
    /// What to replay, and how.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            files: self.files.clone(),
            engine: match self.engine {
                EngineArg::Kernel => EngineChoice::Kernel,
                EngineArg::Host => EngineChoice::Host,
            },
            rewrites: self.rewrite.clone(),
            speed: self.speed,
            json: self.json,
            flows: self.flows,
            state_dir: self.state_dir.clone(),
        }
    }

    /// The flags that override the configuration file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides { profile: self.profile, internal: self.internal.clone(), ..Overrides::default() }
    }
}
