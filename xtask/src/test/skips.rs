//! The file in which a test records that it skipped itself.
//!
//! libtest cannot skip at run time: a test that lacks something it needs can only return, which counts as passed.
//! Such a test therefore appends one line to the file that `SMB_SENSOR_SKIP_LOG` names: `SKIP <test name>: <reason>`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// The environment variable that names the file.
pub(super) const VARIABLE: &str = "SMB_SENSOR_SKIP_LOG";

/// A test that did not run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) test: String,
    pub(super) reason: String,
}

/// An empty file for tests to append to; dropping this value removes it.
pub(super) struct SkipLog {
    path: PathBuf,
    _folder: TempDir,
}

impl SkipLog {
    pub(super) fn create() -> anyhow::Result<Self> {
        // The file has its own folder: in a sticky /tmp root may not append to another user's file.
        let folder = TempDir::new().context("creating a folder for the skip log")?;
        let path = folder.path().join("skipped");
        File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path, _folder: folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self) -> anyhow::Result<Vec<Skip>> {
        let text =
            fs::read_to_string(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
        Ok(text.lines().filter_map(parse).collect())
    }
}

/// Reads `SKIP <test name>: <reason>`. A test name may contain `::` but never a colon followed by a space.
fn parse(line: &str) -> Option<Skip> {
    let (test, reason) = line.strip_prefix("SKIP ")?.split_once(": ")?;
    Some(Skip { test: test.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_names_the_test_and_the_reason() {
        let skip = parse("SKIP border::ipv6_is_seen: needs root: not root here").unwrap();
        assert_eq!(skip.test, "border::ipv6_is_seen");
        assert_eq!(skip.reason, "needs root: not root here");
    }

    #[test]
    fn ignores_other_lines() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("SKIP without a reason"), None);
    }

    #[test]
    fn reads_back_appended_lines() {
        use std::io::Write;
        let log = SkipLog::create().unwrap();
        let mut file = File::options().append(true).open(log.path()).unwrap();
        writeln!(file, "SKIP a: b").unwrap();
        writeln!(file, "SKIP c::d: e").unwrap();
        assert_eq!(log.read().unwrap().len(), 2);
    }
}
