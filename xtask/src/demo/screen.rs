//! The last screen of the demo: the incidents, as the real commands list them.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};

/// Columns of the screen; more than the list needs.
const COLUMNS: &str = "160";

/// Runs `smb-sensor alerts`, and `smb-sensor alerts ID` for the incident `worst`, and returns both as they would appear on a
/// terminal.
pub(super) fn capture(agent: &Path, state_dir: &Path, worst: Option<&str>) -> anyhow::Result<String> {
    let mut screen = shown(agent, state_dir, &["alerts"])?;
    if let Some(id) = worst {
        screen += "\n";
        screen += &shown(agent, state_dir, &["alerts", id])?;
    }
    Ok(screen)
}

/// The command line as one would type it, and its output.
fn shown(agent: &Path, state_dir: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let typed = format!("smb-sensor {}", arguments.join(" "));
    let output = Command::new(agent)
        .args(arguments)
        .arg("--state-dir")
        .arg(state_dir)
        .env("COLUMNS", COLUMNS)
        .output()
        .with_context(|| format!("running {typed}"))?;
    ensure!(output.status.success(), "{typed} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).with_context(|| format!("reading the output of {typed}"))?;
    Ok(format!("$ {typed}\n{}\n", text.trim_end()))
}
