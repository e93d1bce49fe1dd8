//! The cargo that runs the tasks' builds: the one that runs the tasks.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

/// A cargo to be given arguments, run in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(workspace_root());
    cargo
}

/// The folder of the root Cargo.toml.
pub(crate) fn workspace_root() -> PathBuf {
    // Where the tasks were compiled is where they are run: `cargo xtask` compiles them first.
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The folder that cargo writes to, wherever the user has put it.
pub(crate) fn target_dir() -> anyhow::Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo metadata")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata says")?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(folder))
}

/// Builds one binary of a package for release and gives its path.
pub(crate) fn build_release(package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    build(&["--release"], package, binary)
}

/// Builds one binary of a package as the tests are built and gives its path.
pub(crate) fn build_debug(package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    build(&[], package, binary)
}

fn build(profile: &[&str], package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    let output = cargo()
        .arg("build")
        .args(profile)
        .args(["--package", package, "--bin", binary])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo build")?;
    if !output.status.success() {
        bail!("cargo build of {binary} failed, see above");
    }
    let messages = String::from_utf8(output.stdout).context("reading what cargo build says")?;
    executable_among(&messages, binary).with_context(|| format!("cargo build named no executable {binary}"))
}

/// Finds the path of a binary in cargo's messages, one JSON object a line.
fn executable_among(messages: &str, binary: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let named = message["target"]["name"] == binary;
        message["executable"].as_str().filter(|_| named).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"build-script-executed","env":[]}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"sensor-user"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"smb-sensor"},"executable":"/t/release/smb-sensor"}"#,
        );
        assert_eq!(executable_among(messages, "smb-sensor"), Some(PathBuf::from("/t/release/smb-sensor")));
        assert_eq!(executable_among(messages, "other"), None);
    }
}
