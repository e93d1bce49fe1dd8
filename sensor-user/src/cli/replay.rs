//! What was typed behind `smb-sensor replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::{cli::directory, config::{Overrides, network}, replay::{EngineChoice, Order, clock::Speed, rewrite::Rewrite}};
use sensor_core::profile::ProfileName;

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Captures: pcap or pcapng, also packed with gzip or zstd; "-" is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the packet path runs: both tell the same
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = EngineArg::Host)]
    pub engine: EngineArg,
    /// Change addresses that begin like the first network so that they begin like the second; may be given several times
    #[arg(long, value_name = "NET=NET", value_delimiter = ',')]
    pub rewrite: Vec<Rewrite>,
    /// How many times as fast as recorded, or "max"
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: Speed,
    /// Write documents even on a terminal, instead of a line for each alert
    #[arg(long)]
    pub json: bool,
    /// Write a summary of each flow too, as documents
    #[arg(long)]
    pub flows: bool,
    /// Configuration file (TOML): networks, exemptions, services; flags override it
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A further internal network, or address; may be given several times
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = network)]
    pub internal: Vec<IpNet>,
    /// Whose rules judge: sensor, elastic-v105, elastic-current or netography. Without it, what the configuration says, or sensor
    #[arg(long, value_name = "NAME")]
    pub profile: Option<ProfileName>,
    /// Directory of a store of known destinations, not one of a running agent. Without it, none is known at first. Exemptions
    /// that were added there are not applied: those of --config are, by the capture's clock
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
}

/// `--engine`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EngineArg {
    /// The very program that guards the wire, run by hand (needs its privileges)
    Kernel,
    /// The same code without privileges
    Host,
}

impl ReplayArgs {
    /// What is to be replayed, and how.
    #[must_use]
    pub fn order(&self) -> Order {
        Order {
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

    /// What the flags say over the configuration file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides { profile: self.profile, internal: self.internal.clone(), ..Overrides::default() }
    }
}
