//! The flags of `smb-sensor block` and `unblock`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{
    arguments::directory,
    config::{DEFAULT_STATE_DIR, reason},
    control::Request,
    response::{Target, duration},
};

/// The text behind the flags of `block`.
pub(super) const EXAMPLES: &str = "EXAMPLES\n  \
    A server on the Internet, for an hour:\n    \
    smb-sensor block 8.8.4.4 --for 1h --reason \"credentials leaked\"\n  \
    What one internal host has to do with it:\n    \
    smb-sensor block 10.0.0.31,8.8.4.4 --for 1h --reason \"files leave\"\n  \
    What is blocked, until when, and how many packets that dropped:\n    \
    smb-sensor block --list\n\n\
    Only traffic across the border is dropped, in both directions, that of established connections too. Exempt traffic passes, and \
    what response.never_block lists is not blocked. A block survives a restart of the agent. If the agent hangs or is killed, \
    everything passes after at most ten seconds.";

/// Flags of `block`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// An address, a network, or two of them with a comma between: an address and an address or network
    #[arg(value_name = "TARGET", required_unless_present = "list")]
    pub target: Option<Target>,
    /// How long: 30s, 90m, 12h or 7d; 30 days at most
    #[arg(long = "for", value_name = "TIME", value_parser = duration, required_unless_present = "list")]
    pub time: Option<Duration>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = reason, required_unless_present = "list")]
    pub reason: Option<String>,
    /// List the blocks in force, with the packets that each dropped
    #[arg(long, conflicts_with_all = ["target", "time", "reason"])]
    pub list: bool,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

/// Flags of `unblock`.
#[derive(Debug, Args)]
pub struct UnblockArgs {
    /// What is blocked, as `block --list` shows it
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

impl BlockArgs {
    /// The request to the agent.
    #[must_use]
    pub fn request(&self) -> Request {
        match (self.target, self.time, &self.reason) {
            (Some(target), Some(time), Some(reason)) => {
                Request::Block { target, seconds: time.as_secs(), reason: reason.clone(), who: None }
            }
            _ => Request::Blocks,
        }
    }
}

impl UnblockArgs {
    /// The request to the agent.
    #[must_use]
    pub const fn request(&self) -> Request {
        Request::Unblock { target: self.target, who: None }
    }
}
