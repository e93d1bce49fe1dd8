//! Recognises text that is not UTF-8.

/// Advice about a text with other bytes.
pub(crate) const NOT_UTF8: &str = "this is not UTF-8 text: save it as UTF-8";

/// Advice about a text of 16-bit characters.
pub(crate) const UTF16: &str = "this is UTF-16 text, as some editors of Windows write it: save it as UTF-8";

/// Whether a text begins with the byte order mark of UTF-16.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF])
}
