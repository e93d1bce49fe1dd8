//! Builds binaries of the workspace, as steps of a task.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use crate::{
    cargo::cargo,
    steps::{Step, Steps},
};

/// Builds one binary of a package for release and returns its path.
pub(crate) fn build_release(steps: &Steps, package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    steps.run(&format!("Build {binary} (release)"), |step| build(step, &["--release"], package, binary))
}

/// Builds one binary of a package in the profile of the tests and returns its path.
pub(crate) fn build_debug(steps: &Steps, package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    steps.run(&format!("Build {binary}"), |step| build(step, &[], package, binary))
}

fn build(step: &Step<'_>, profile: &[&str], package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    let mut command = cargo();
    command
        .arg("build")
        .args(profile)
        .args(["--package", package, "--bin", binary])
        .args(["--message-format", "json-render-diagnostics"]);
    let mut executable = None;
    step.command_with(&mut command, |line| {
        let message = line.starts_with('{');
        if message {
            executable = executable.take().or_else(|| executable_in(line, binary));
        }
        !message
    })?;
    executable.with_context(|| format!("cargo build did not name an executable {binary}"))
}

/// Reads the path of a binary from one of cargo's messages, a JSON object, if it is about that binary.
fn executable_in(message: &str, binary: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let named = message["target"]["name"] == binary;
    message["executable"].as_str().filter(|_| named).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_in_the_message_about_its_binary() {
        let built = r#"{"reason":"compiler-artifact","target":{"name":"smb-sensor"},"executable":"/t/release/smb-sensor"}"#;
        let library = r#"{"reason":"compiler-artifact","target":{"name":"sensor-user"},"executable":null}"#;
        assert_eq!(executable_in(built, "smb-sensor"), Some(PathBuf::from("/t/release/smb-sensor")));
        assert_eq!(executable_in(built, "other"), None);
        assert_eq!(executable_in(library, "sensor-user"), None);
        assert_eq!(executable_in("{ not json", "smb-sensor"), None);
    }
}
