//! Escapes text that others chose (names of processes, paths), so that it is safe to show.

use std::fmt::Write as _;

/// Most characters of a text that are shown.
const MAX_LEN: usize = 1_024;

/// The text with everything except plain characters as escapes: control characters, which could forge log lines or control
/// a terminal; characters that turn the direction of writing or are invisible, which could make one name look like
/// another; bytes that are not UTF-8. Backslashes stay, because systemd's cgroup names are full of them. Text longer than
/// 1,024 characters ends with `…`.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut count = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if count == MAX_LEN {
                text.push('…');
                return text;
            }
            count += 1;
            match character {
                _ if misleads(character) => text.extend(character.escape_unicode()),
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            count += 1;
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whether a character could forge or hide text on the screen: Unicode's control characters (general category Cc), its line
/// separators, and its invisible and direction-changing format characters (Cf).
pub fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}'..='\u{200f}')
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_unchanged() {
        assert_eq!(shown("Müller 中 (x).so".as_bytes()), "Müller 中 (x).so");
    }

    #[test]
    fn escapes_forged_lines_and_terminal_sequences() {
        assert_eq!(shown(b"a\nb\x1b[2Jc\0"), "a\\u{a}b\\u{1b}[2Jc\\u{0}");
        assert_eq!(shown("gpj.\u{202e}exe".as_bytes()), "gpj.\\u{202e}exe");
        assert_eq!(shown(b"a\xff\xfeb"), "a\\xff\\xfeb");
    }

    #[test]
    fn marks_where_a_long_text_is_cut() {
        let text = shown("ä".repeat(5_000).as_bytes());
        assert_eq!(text.chars().count(), MAX_LEN + 1);
        assert!(text.ends_with("ä…"));
        assert!(shown(&[0xFF; 5_000]).len() <= 5_000 * 4);
    }
}
