//! Runs test programs as root while cargo, which writes to the target folder, runs as the user.

use std::process::Command;

use anyhow::Context;
use bpf_toolchain::RustcVersion;

/// Makes cargo start each test program through sudo, which keeps the environment.
pub(super) fn through_sudo(cargo_test: &mut Command) -> anyhow::Result<()> {
    let output = Command::new("rustc").arg("-vV").output().context("running rustc -vV")?;
    let version = RustcVersion::parse(&String::from_utf8_lossy(&output.stdout));
    let host = version.context("reading the output of rustc -vV")?.host;
    cargo_test.env(runner_variable(&host), runner());
    Ok(())
}

fn runner_variable(host: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace(['-', '.'], "_"))
}

fn runner() -> String {
    // sudo may set its own PATH even with -E; `env` restores the one on which the tools were found.
    let path = search_path();
    if path.contains(char::is_whitespace) {
        return "sudo -n -E".to_owned();
    }
    format!("sudo -n -E /usr/bin/env PATH={path}")
}

/// The user's PATH followed by the folders of administrators' programs, such as smbd.
pub(super) fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_reads_the_runner_from_a_variable_named_after_the_host() {
        assert_eq!(
            runner_variable("x86_64-unknown-linux-gnu"),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
        );
    }
}
