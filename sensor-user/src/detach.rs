//! `smb-sensor detach`: removes the programs and pins that ended agents left behind, and lists them.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use nix::net::if_::if_nametoindex;

use crate::{
    cli::DetachArgs,
    kernel::{attach::detach_leftover, pins::PinFolder},
    stdout, storage,
};

/// Detaches, and lists what was removed. The exit code is a failure if an agent still uses something.
///
/// # Errors
/// If an interface is missing, or something cannot be removed.
pub fn run(args: &DetachArgs) -> Result<ExitCode> {
    let mut interfaces = Vec::new();
    for name in &args.interfaces {
        interfaces
            .push(if_nametoindex(name.as_str()).with_context(|| format!("there is no interface {name}"))?);
    }
    let folders = match &args.state_dir {
        Some(state_dir) => vec![PinFolder::of(&args.pin_directory, state_dir)],
        None => PinFolder::all(&args.pin_directory)?,
    };
    let (mut removed, mut used) = (Vec::new(), Vec::new());
    for folder in folders {
        match user_of(&folder, args.state_dir.clone()) {
            Some(user) => used.push(user),
            None => removed.extend(clear(&folder, &interfaces)?),
        }
    }
    if removed.is_empty() && used.is_empty() {
        removed.push(format!("nothing is left attached ({} has no pins)", args.pin_directory.display()));
    }
    stdout::write(|out| removed.iter().try_for_each(|line| writeln!(out, "{line}")))?;
    if !used.is_empty() {
        bail!("{}", used.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}

/// The running agent that uses a folder, in words.
fn user_of(folder: &PinFolder, state_dir: Option<PathBuf>) -> Option<String> {
    let state_dir = state_dir.or_else(|| folder.about()?.state_dir())?;
    let process = storage::agent_of(&state_dir)?;
    let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
    Some(format!(
        "the agent with the state directory {}{process} is running; stop it first",
        state_dir.display()
    ))
}

/// Removes what is pinned in a folder, or only its programs at these interfaces; gives a line for each.
fn clear(folder: &PinFolder, interfaces: &[u32]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for pin in folder.links()? {
        if interfaces.is_empty() || interfaces.contains(&pin.interface) {
            lines.push(detach_leftover(&pin)?);
        }
    }
    if interfaces.is_empty() {
        let is_empty = folder.is_empty();
        folder.remove_all()?;
        if !is_empty {
            lines.push(format!("removed the maps and programs in {}", folder.path().display()));
        }
    }
    Ok(lines)
}
