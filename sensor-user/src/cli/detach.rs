//! `smb-sensor detach`.

use std::path::PathBuf;

use clap::Args;

use crate::{arguments::directory, kernel::pins::DEFAULT_DIRECTORY};

/// Flags of `detach`.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// Interface from which to detach; may be repeated. Default: all of them, with maps and programs
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<String>,
    /// State directory of the agent whose kernel program to detach. Default: those of all agents
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
    /// Where kernel programs are pinned, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIRECTORY)]
    pub pin_directory: PathBuf,
}
