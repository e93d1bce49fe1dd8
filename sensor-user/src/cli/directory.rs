//! `--state-dir`: a directory, or the name of one that is to be made.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Takes every path at which there is nothing else than a directory.
pub(crate) fn directory() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| crate::config::directory(&path).map(|()| path))
}
