//! Files with an entry on each line, kept by hand: reads them up to a bound, and reports mistakes with their lines.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;
use thiserror::Error;

use super::{NOT_UTF8, UTF16, is_utf16};

/// Most lines that an error lists.
const MAX_LISTED: usize = 5;

/// Most bytes of a file.
const MAX_BYTES: u64 = 64 << 20;

/// Why a file is not used.
#[derive(Debug, Error)]
pub enum ListFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// It is a pipe, a device or a folder: reading those may never end.
    #[error("{} is not a regular file: write its content into one, and name that", path.display())]
    NotAFile {
        /// Path.
        path: PathBuf,
    },
    /// It is too large.
    #[error("{} has more than {most} bytes: remove unneeded lines, or merge its networks", path.display())]
    TooLarge {
        /// File.
        path: PathBuf,
        /// Bytes at most.
        most: u64,
    },
    /// It has lines without a valid prefix.
    #[error("{}", invalid_lines(path, mistakes))]
    Invalid {
        /// File.
        path: PathBuf,
        /// Line, and what is wrong with it.
        mistakes: Mistakes,
    },
}

fn invalid_lines(path: &Path, mistakes: &[(u32, String)]) -> String {
    let mut text = String::new();
    for (at, (line, wrong)) in mistakes.iter().take(MAX_LISTED).enumerate() {
        let between = if at == 0 { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{between}{}, line {line}: {wrong}", path.display());
    }
    if mistakes.len() > MAX_LISTED {
        let _ = write!(text, "; and {} lines more", mistakes.len() - MAX_LISTED);
    }
    text
}

/// A line, and what is wrong with it.
pub(crate) type Mistakes = Vec<(u32, String)>;

/// What `parse` makes of the text of a file.
///
/// # Errors
/// [`ListFileError`], with the mistakes of `parse`.
pub(crate) fn read_lines<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, Mistakes>,
) -> Result<T, ListFileError> {
    let bytes = bytes(path, MAX_BYTES)?;
    let invalid = |mistakes| ListFileError::Invalid { path: path.to_owned(), mistakes };
    if is_utf16(&bytes) {
        return Err(invalid(vec![(1, UTF16.to_owned())]));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse(text).map_err(invalid)
}

/// The mistake of a line, or that the file is not UTF-8.
pub(crate) fn described_mistake(line: &str, wrong: String) -> String {
    if line.contains(char::REPLACEMENT_CHARACTER) { NOT_UTF8.to_owned() } else { wrong }
}

/// The bytes of a regular file, at most `most`.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, ListFileError> {
    let unreadable = |source| ListFileError::Unreadable { path: path.to_owned(), source };
    // Without O_NONBLOCK, opening a pipe without a writer would wait before its type is known.
    let opened = fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = opened.map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(ListFileError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(ListFileError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

/// Whether a line is more than space and a comment.
pub(crate) fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with(['#', ';'])
}

/// The columns of a line (RFC 4180 2, without line breaks inside quotes). A quote that is not at the beginning of a column is an
/// ordinary character.
pub(crate) fn split(line: &str, between: char) -> Result<Vec<String>, String> {
    let mut columns = vec![String::new()];
    let (mut quoted, mut characters) = (false, line.chars().peekable());
    while let Some(character) = characters.next() {
        let Some(column) = columns.last_mut() else { break };
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                column.push('"');
                characters.next();
            }
            '"' if quoted => quoted = false,
            '"' if column.trim().is_empty() => quoted = true,
            _ if character == between && !quoted => columns.push(String::new()),
            _ => column.push(character),
        }
    }
    if quoted {
        return Err(format!(
            "{line:?} opens a quote that is not closed in the line: close it, or write \"\" for a quote inside quotes"
        ));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        fs::write(&file, "8.8.4.4\n").unwrap();
        assert_eq!(bytes(&file, 8).unwrap(), b"8.8.4.4\n");
        let refused = bytes(&file, 7).unwrap_err().to_string();
        assert!(refused.contains("list has more than 7 bytes"), "{refused}");
    }

    #[test]
    fn lists_the_first_lines_that_are_wrong() {
        let mistakes: Vec<_> = (1..=9).map(|line| (line, "wrong".to_owned())).collect();
        let listed = invalid_lines(Path::new("f"), &mistakes);
        assert!(listed.starts_with("f, line 1: wrong; f, line 2: wrong"), "{listed}");
        assert!(listed.ends_with("; and 4 lines more"), "{listed}");
    }
}
