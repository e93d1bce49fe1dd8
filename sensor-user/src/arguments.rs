//! `--state-dir`: a directory, which need not exist yet.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Accepts a path if it is a directory or does not exist.
pub(crate) fn directory() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| crate::config::directory(&path).map(|()| path))
}
