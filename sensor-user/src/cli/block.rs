//! The flags of `smb-sensor block` and `unblock`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, anyhow};
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
    The connections of one internal host with it:\n    \
    smb-sensor block 10.0.0.31 8.8.4.4 --for 1h --reason \"files leave\"\n  \
    All blocks, with their ends and their dropped packets:\n    \
    smb-sensor block --list\n\n\
    Only traffic across the border is dropped, in both directions, that of established connections too. Exempt traffic passes, and \
    response.never_block lists targets that are not blocked. A block survives a restart of the agent. If the agent hangs or is killed, \
    everything passes after at most ten seconds.";

/// Flags of `block`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// An address or a network
    #[arg(value_name = "TARGET", required_unless_present = "list")]
    pub target: Option<Target>,
    /// Another one, to drop only the packets between the two. One of them must be an address. TARGET,OTHER means the same
    #[arg(value_name = "OTHER")]
    pub other: Option<Target>,
    /// How long: 30s, 90m, 12h or 7d; 30 days at most
    #[arg(long = "for", value_name = "TIME", value_parser = duration, required_unless_present = "list")]
    pub time: Option<Duration>,
    /// Reason
    #[arg(long, value_name = "TEXT", value_parser = reason, required_unless_present = "list")]
    pub reason: Option<String>,
    /// List the blocks in force, with the packets that each dropped
    #[arg(long, conflicts_with_all = ["target", "other", "time", "reason"])]
    pub list: bool,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

/// Flags of `unblock`.
#[derive(Debug, Args)]
pub struct UnblockArgs {
    /// The blocked host, network or pair, as `block --list` shows it
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// The other end of a blocked pair, if it is not behind a comma
    #[arg(value_name = "OTHER")]
    pub other: Option<Target>,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

impl BlockArgs {
    /// The request to the agent.
    ///
    /// # Errors
    /// When there are two targets that are no pair.
    pub fn request(&self) -> Result<Request> {
        Ok(match (self.target, self.time, &self.reason) {
            (Some(target), Some(time), Some(reason)) => Request::Block {
                target: joined(target, self.other)?,
                seconds: time.as_secs(),
                reason: reason.clone(),
                who: None,
            },
            _ => Request::Blocks,
        })
    }
}

impl UnblockArgs {
    /// The request to the agent.
    ///
    /// # Errors
    /// When there are two targets that are no pair.
    pub fn request(&self) -> Result<Request> {
        Ok(Request::Unblock { target: joined(self.target, self.other)?, who: None })
    }
}

/// The target, or the pair of two.
fn joined(target: Target, other: Option<Target>) -> Result<Target> {
    other.map_or(Ok(target), |other| target.with(other).map_err(|wrong| anyhow!(wrong)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use sensor_core::incident::{fixtures, steps};

    use super::*;
    use crate::cli::{Cli, Command};

    fn request(line: &str) -> Result<Request> {
        match Cli::try_parse_from(line.split(' '))?.command {
            Command::Block(args) => args.request(),
            Command::Unblock(args) => args.request(),
            _ => panic!("block or unblock expected: {line}"),
        }
    }

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn command_of_the_advice_is_taken_as_it_is_printed() {
        let advice = steps::steps(&fixtures::leak_accepted(), true);
        let step = advice.contain.iter().find(|step| step.contains("smb-sensor block")).unwrap();
        let expected = Request::Block {
            target: target("10.0.0.2,8.8.4.4"),
            seconds: 86_400,
            reason: "7f3a000000000001".into(),
            who: None,
        };
        assert_eq!(request(step.split_once(":  ").unwrap().1).unwrap(), expected);
    }

    #[test]
    fn pair_is_written_as_two_words_or_with_a_comma() {
        let pair = Request::Unblock { target: target("10.0.0.2,8.8.4.0/24"), who: None };
        assert_eq!(request("smb-sensor unblock 10.0.0.2 8.8.4.0/24").unwrap(), pair);
        assert_eq!(request("smb-sensor unblock 10.0.0.2,8.8.4.0/24").unwrap(), pair);
        let one = Request::Unblock { target: target("8.8.4.4"), who: None };
        assert_eq!(request("smb-sensor unblock 8.8.4.4").unwrap(), one);
        assert_eq!(request("smb-sensor block --list").unwrap(), Request::Blocks);
        for (line, words) in [
            ("block 8.8.4.0/24 10.0.0.0/24 --for 1h --reason x", "must be an address"),
            ("unblock 10.0.0.2,8.8.4.4 9.9.9.9", "more than two"),
            ("block 10.0.0.2 8.8.4.4 9.9.9.9 --for 1h --reason x", "unexpected argument '9.9.9.9'"),
            ("block 8.8.4.4 8.8.4.4 --for 1h --reason x", "both ends are the same: 8.8.4.4"),
            ("unblock 8.8.4.4,8.8.4.4", "both ends are the same: 8.8.4.4"),
            ("block 10.0.0.2 example.org --for 1h --reason x", "neither an address nor a network"),
            ("block --list 8.8.4.4", "cannot be used with"),
        ] {
            let error = request(&format!("smb-sensor {line}")).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
