//! `smb-sensor enforce`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{arguments::directory, config::DEFAULT_STATE_DIR, control::Request};

/// Flags of `enforce`.
#[derive(Debug, Args)]
pub struct EnforceArgs {
    /// Action
    #[arg(value_enum)]
    pub what: EnforceArg,
    /// With `on`: seconds after which it ends by itself; 0 means never. Default: the value the agent was started with, or 86400
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub seconds: Option<u64>,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

/// `enforce WHAT`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EnforceArg {
    /// Show whether it is on, and how many SYNs it dropped or would have dropped
    Status,
    /// Turn it on
    On,
    /// Turn it off at once
    Off,
}

impl EnforceArgs {
    /// The request to the agent.
    #[must_use]
    pub const fn request(&self) -> Request {
        match self.what {
            EnforceArg::Status => Request::EnforcementStatus,
            EnforceArg::On => Request::EnforcementOn { seconds: self.seconds },
            EnforceArg::Off => Request::EnforcementOff,
        }
    }
}
