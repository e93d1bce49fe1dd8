//! The control socket: commands to the running agent through a socket in its state directory, one line each way.
//!
//! A request and its answer are one line of JSON each. Only the agent's own user and root may open the socket. Incidents and
//! documents are read from the store, not over this socket.

mod client;
mod server;

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::{
    explain,
    response::{Target, Verdict},
};

pub use self::{
    client::{ControlError, ask, process},
    server::{Asked, Control},
};

/// Most bytes of a request or an answer.
const MAX_LINE_LEN: u64 = 64 * 1024;

/// A request to the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Request {
    /// Show the state of enforcement.
    EnforcementStatus,
    /// Turn enforcement on.
    EnforcementOn {
        /// For this many seconds; 0 is without end, none is the configured time.
        seconds: Option<u64>,
    },
    /// Turn enforcement off.
    EnforcementOff,
    /// Block a target.
    Block {
        /// What.
        target: Target,
        /// For this many seconds.
        seconds: u64,
        /// Why.
        reason: String,
        /// Who asks, if the page does it for somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
    },
    /// End a block.
    Unblock {
        /// What.
        target: Target,
        /// Who asks, if the page does it for somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
    },
    /// List the blocks.
    Blocks,
    /// Give a verdict on an incident.
    Verdict {
        /// Its whole identifier.
        incident: String,
        /// The verdict.
        verdict: Verdict,
        /// Why.
        note: Option<String>,
        /// The name that somebody gave on the status page; else it is the user who asks.
        who: Option<String>,
    },
    /// Explain addresses; the text of the answer is the explanation as JSON.
    Explain(explain::Query),
    /// Read the configuration and the exemptions again, as at SIGHUP.
    Reload,
    /// Save the hits of exemptions, so that they can be read.
    SaveHits,
    /// Report the state of the agent; the text of the answer is the state as JSON.
    Status,
}

/// A request as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// The request.
    #[serde(flatten)]
    pub(crate) request: Request,
    /// Nanoseconds of CLOCK_BOOTTIME after which the client no longer waits.
    pub(crate) before: u64,
}

impl Request {
    /// Whether it is carried out even if the client no longer waits: requests that let packets pass are.
    const fn outlives_its_asker(&self) -> bool {
        !matches!(self, Self::EnforcementOn { .. } | Self::Block { .. } | Self::Verdict { .. })
    }
}

/// Nanoseconds of CLOCK_BOOTTIME.
fn boot_nanos() -> io::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// The agent's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Answer {
    /// The answer as text, for a person.
    pub text: String,
    /// Whether it was done.
    pub done: bool,
}

/// Path of the socket.
#[must_use]
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}
