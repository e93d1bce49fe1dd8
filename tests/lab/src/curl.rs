//! curl inside a namespace, bounded in time.

use std::time::Duration;

use anyhow::Result;

use crate::{Namespace, Outcome, Process};

const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Runs curl in `namespace` with these arguments. It reads no configuration and no proxies of the machine.
///
/// # Errors
/// When curl cannot be run or takes longer than 30 s; a failed transfer is an [`Outcome`].
pub fn curl(namespace: &Namespace, arguments: &[&str]) -> Result<Outcome> {
    let mut command = namespace.command("curl");
    command.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--max-time", "20"]);
    command.args(arguments);
    Outcome::of(Process::spawn(command)?, TIME_LIMIT)
}
