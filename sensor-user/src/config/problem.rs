//! Mistakes of a configuration, each with its place and a correction.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

use sensor_dissect::escape::shown;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The mistake and its correction.
    pub message: String,
}

impl Problem {
    /// A mistake at byte `offset` of `text`.
    #[must_use]
    pub fn at(text: &str, offset: usize, message: String) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message repeats text of the file, which may come from anywhere.
        write!(f, "line {}, column {}: {}", self.line, self.column, shown(self.message.as_bytes()))
    }
}

/// A configuration that cannot be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A related file cannot be written.
    #[error("cannot write {}: {source}; nothing was changed. Is the directory yours, and is there space on the disk?", path.display())]
    Unwritable {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The file has mistakes.
    #[error("{}: {} in the configuration; nothing was changed{}", path.display(), mistakes(problems.len()), listed(problems))]
    Invalid {
        /// File.
        path: PathBuf,
        /// All of them, in order.
        problems: Vec<Problem>,
    },
}

fn mistakes(count: usize) -> String {
    if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_offsets_to_lines_and_columns() {
        let text = "a = 1\n# é\nb = \"é\" x";
        let at = |needle: &str| {
            let problem = Problem::at(text, text.find(needle).unwrap(), String::new());
            (problem.line, problem.column)
        };
        assert_eq!(at("a"), (1, 1));
        assert_eq!(at("b ="), (3, 1));
        assert_eq!(at(" x"), (3, 8));
        assert_eq!(Problem::at(text, 9_999, String::new()).line, 3);
    }
}
