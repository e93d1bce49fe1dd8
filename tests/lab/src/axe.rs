//! axe-core, which checks pages for accessibility, from npm.
//!
//! `cargo xtask setup` installs it below the workspace's `target`.

use std::path::{Path, PathBuf};

/// The package, with its version.
pub const PACKAGE: &str = "axe-core@4.14.1";

/// The folder that npm installs into.
#[must_use]
pub fn folder() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).unwrap_or(lab).join("target/lab-node")
}

/// The script.
#[must_use]
pub fn script() -> PathBuf {
    folder().join("node_modules/axe-core/axe.min.js")
}
