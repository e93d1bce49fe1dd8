//! Installs axe-core, which checks the status page for accessibility, from npm into a folder below `target`.
//!
//! npm itself is not installed: its Debian package brings hundreds of others. The test that needs axe-core is skipped where it is
//! missing, so no failure here stops a setup.

use std::process::Command;

use sensor_lab::axe;

use super::run_step;
use crate::steps::Steps;

/// What it is for.
pub(super) const PURPOSE: &str = "checks the status page for accessibility; that test is skipped without it";

/// Installs it, or prints why that failed and what to do.
pub(super) fn install(steps: &Steps) {
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"])
        .arg(axe::folder())
        .arg(axe::PACKAGE);
    if let Err(error) = run_step(steps, &format!("Install {} from npm", axe::PACKAGE), &mut npm) {
        println!(
            "  continuing without axe-core ({PURPOSE}): {error:#}\n  \
             it comes from https://registry.npmjs.org by npm; once npm is there, run again: cargo xtask setup"
        );
    }
}
