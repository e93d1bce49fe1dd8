//! Reads text files as UTF-8, and reports bytes that are not.

use std::path::Path;

use super::{ConfigError, Problem};
use crate::parse::{NOT_UTF8, UTF16, is_utf16};

/// Reads a configuration file, or one that belongs to it.
///
/// # Errors
/// [`ConfigError::Unreadable`], or [`ConfigError::Invalid`] with the place of the first byte that is not UTF-8.
pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let bytes =
        std::fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let text = text(bytes)
        .map_err(|problem| ConfigError::Invalid { path: path.to_owned(), problems: vec![problem] })?;
    // A byte order mark is no part of the text (Unicode 16.0, 23.8).
    Ok(text.strip_prefix('\u{feff}').map_or(text.as_str(), |rest| rest).to_owned())
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    if is_utf16(&bytes) {
        return Err(Problem::at("", 0, UTF16.to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (valid, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let valid = String::from_utf8_lossy(valid);
        let byte = rest.first().copied().unwrap_or_default();
        Problem::at(&valid, valid.len(), format!("byte 0x{byte:02x}: {NOT_UTF8}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_the_first_invalid_utf8_byte_with_its_place() {
        let problem = text(b"a = 1\n\xc3\xa9 \xe9\n".to_vec()).unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 3));
        assert!(problem.message.contains("0xe9"), "{problem}");
    }

    #[test]
    fn skips_a_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, "\u{feff}a = 1\n").unwrap();
        assert_eq!(read(&path).unwrap(), "a = 1\n");
    }
}
