//! What was typed behind `smb-sensor enforce`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{cli::directory, config::DEFAULT_STATE_DIR, control::Request};

/// Flags of `enforce`.
#[derive(Debug, Args)]
pub struct EnforceArgs {
    /// What to do
    #[arg(value_enum)]
    pub what: EnforceArg,
    /// With `on`: seconds after which it ends by itself; 0 is never. Without it, what the agent was started with, or 86400
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub seconds: Option<u64>,
    /// State directory of the agent that is asked, as it was given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

/// `enforce WHAT`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EnforceArg {
    /// Tell whether it is in force, and what it dropped or would have dropped
    Status,
    /// Put it into force
    On,
    /// End it at once
    Off,
}

impl EnforceArgs {
    /// What the agent is asked.
    #[must_use]
    pub const fn request(&self) -> Request {
        match self.what {
            EnforceArg::Status => Request::EnforcementStatus,
            EnforceArg::On => Request::EnforcementOn { seconds: self.seconds },
            EnforceArg::Off => Request::EnforcementOff,
        }
    }
}
