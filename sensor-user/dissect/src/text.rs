//! Text from the wire, made safe to show.
//!
//! Every string has at most [`MAX_CHARACTERS`] characters, and none that moves a cursor or changes the direction of
//! writing: those become U+FFFD, as do invalid bytes.

use crate::escape::misleads;

/// Most characters of a text; longer text is cut and marked by an ellipsis.
pub const MAX_CHARACTERS: usize = 256;

/// UTF-16LE (MS-DTYP 2.1.1.1), the encoding of Unicode strings in SMB and NTLM.
#[must_use]
pub fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    clean(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)))
}

/// Text in the sender's OEM code page. The wire does not name the code page, so text beyond ASCII is a guess: UTF-8 (Samba can be
/// configured so) if it is valid, code page 1252 if every byte beyond ASCII is a letter there, and 850 otherwise. Code page 437 has
/// most of its letters in the same places as 850.
#[must_use]
pub fn oem(bytes: &[u8]) -> String {
    // Decoding before cutting would cost time by the length of the field.
    let bounded = &bytes[..bytes.len().min(MAX_CHARACTERS * 4)];
    match std::str::from_utf8(bounded) {
        Ok(text) => clean(text.chars()),
        // The bound may have cut a character.
        Err(error) if error.error_len().is_none() && bounded.len() < bytes.len() => {
            clean(String::from_utf8_lossy(bounded).chars())
        }
        Err(_) => {
            let windows_1252 = is_windows_1252(bounded);
            clean(bounded.iter().map(|byte| guessed(*byte, windows_1252)))
        }
    }
}

/// Whether all bytes beyond ASCII are letters of code page 1252, which are those of ISO 8859-1.
fn is_windows_1252(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| !byte.is_ascii()).all(|byte| *byte >= 0xC0)
}

fn guessed(byte: u8, windows_1252: bool) -> char {
    if windows_1252 || byte.is_ascii() {
        return char::from(byte);
    }
    oem_cp::code_table::DECODING_TABLE_CP850[usize::from(byte - 0x80)]
}

/// UTF-16LE up to its terminator, and the number of bytes with the terminator.
#[must_use]
pub fn utf16_z(bytes: &[u8]) -> (String, usize) {
    let end = bytes.chunks_exact(2).position(|pair| pair == [0, 0]);
    let (length, taken) = end.map_or((bytes.len(), bytes.len()), |unit| (unit * 2, unit * 2 + 2));
    (utf16(&bytes[..length]), taken)
}

/// OEM text up to its terminator, and the number of bytes with the terminator.
#[must_use]
pub fn oem_z(bytes: &[u8]) -> (String, usize) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (length, taken) = end.map_or((bytes.len(), bytes.len()), |at| (at, at + 1));
    (oem(&bytes[..length]), taken)
}

/// The number of Latin characters among UTF-16LE code units. Text that is read from the wrong byte has none.
#[must_use]
pub fn latin_units(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take(MAX_CHARACTERS).filter(|unit| unit[0] != 0 && unit[1] == 0).count()
}

fn clean(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    for (count, character) in characters.enumerate() {
        if count == MAX_CHARACTERS {
            text.push('…');
            break;
        }
        text.push(if misleads(character) { char::REPLACEMENT_CHARACTER } else { character });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_terminal_control_characters() {
        let wire: Vec<u8> = "a\u{1b}[2J\u{202e}\u{85}b".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(utf16(&wire), "a\u{FFFD}[2J\u{FFFD}\u{FFFD}b");
        assert_eq!(oem(b"a\nb\x1bc"), "a\u{FFFD}b\u{FFFD}c");
    }

    #[test]
    fn guesses_the_code_page_by_its_letters() {
        assert_eq!(oem("J\u{fc}rgen".as_bytes()), "J\u{fc}rgen", "UTF-8");
        assert_eq!(oem(b"J\xfcrgen \xc9"), "J\u{fc}rgen \u{c9}", "1252");
        assert_eq!(oem(b"J\x81rgen \x84\x94\xe1"), "J\u{fc}rgen \u{e4}\u{f6}\u{df}", "850");
        let long = "\u{fc}".repeat(MAX_CHARACTERS * 3);
        assert!(oem(&long.as_bytes()[1..]).len() > MAX_CHARACTERS);
        assert_eq!(oem(format!("a{long}").as_bytes()).chars().nth(1), Some('\u{fc}'), "cut at the bound");
    }

    #[test]
    fn survives_half_a_surrogate_and_half_a_unit() {
        assert_eq!(utf16(&[0x00, 0xD8, 0x41, 0x00, 0x42]), "\u{FFFD}A");
    }

    #[test]
    fn marks_where_a_long_text_is_cut() {
        let text = oem(&[b'a'; 100_000]);
        assert_eq!(text.chars().count(), MAX_CHARACTERS + 1);
        assert!(text.ends_with('…'));
    }

    #[test]
    fn terminated_text_says_how_much_it_took() {
        assert_eq!(utf16_z(b"a\0b\0\0\0c\0"), ("ab".to_owned(), 6));
        assert_eq!(oem_z(b"ab\0c"), ("ab".to_owned(), 3));
        assert_eq!(oem_z(b"ab"), ("ab".to_owned(), 2));
    }
}
