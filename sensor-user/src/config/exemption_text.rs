//! Text fields of an exemption, in the configuration and in commands: its name, its reason, its process.

use super::value::non_empty;

/// Bytes of a process's name that the kernel keeps (`TASK_COMM_LEN` without its end).
const PROCESS_NAME: usize = 15;

/// A name that can be typed and listed.
///
/// # Errors
/// The allowed characters.
pub(crate) fn identifier(id: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !id.is_empty() && id.len() <= 64 && id.chars().all(fits) {
        Ok(id.to_owned())
    } else {
        Err(format!("{id:?} is no name: letters, digits, '-', '_' and '.', 64 at most"))
    }
}

/// The reason why traffic is safe.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    non_empty(text.trim(), "why this traffic is safe")?;
    plain(text)
}

/// A text without characters that would garble a list of exemptions.
///
/// # Errors
/// The characters that are not allowed.
pub(super) fn plain(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        Err(format!("{text:?} has control characters; write it in one line"))
    } else {
        Ok(text.to_owned())
    }
}

/// The name of a process, or its program file, if a process can have it.
///
/// # Errors
/// Why no process can have it, and what to write instead.
pub(crate) fn process(word: &str) -> Result<String, String> {
    non_empty(word.trim(), "the name of a process, or its program file with the whole path")?;
    if !word.contains('/') {
        return name(word);
    }
    if !word.starts_with('/') {
        return Err(format!(
            "{word:?} never matches: a program file is known by its whole path. Write it like /usr/sbin/backupd, or the name alone"
        ));
    }
    let is_real = |part: &str| !matches!(part, "" | "." | "..");
    if word.split('/').skip(1).all(is_real) {
        Ok(word.to_owned())
    } else {
        Err(format!(
            "{word:?} never matches: write the path as the kernel shows it (readlink -f), without \"..\", \".\" and empty parts"
        ))
    }
}

fn name(word: &str) -> Result<String, String> {
    // A name with an escape is shorter in the kernel than it is shown.
    if word.len() <= PROCESS_NAME || word.contains('\\') {
        return Ok(word.to_owned());
    }
    let ends = word.char_indices().map(|(at, character)| at + character.len_utf8());
    let kept = ends.take_while(|end| *end <= PROCESS_NAME).last().unwrap_or(0);
    Err(format!(
        "{word:?} never matches: the kernel keeps {PROCESS_NAME} bytes of a process's name. Write {:?}, or the whole path of its \
         program file",
        &word[..kept]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_is_a_name_of_15_bytes_or_a_whole_path() {
        for fine in ["backupd", "exactlyfifteen_", "my backup", "/usr/sbin/a-long-name-of-a-program"] {
            assert_eq!(process(fine).as_deref(), Ok(fine));
        }
        assert!(process("ääääääää").unwrap_err().contains("\"äääääää\""), "cut where a character ends");
        for never in ["", "bin/x", "./x", "/bin/../x", "/bin//x", "/bin/", "sixteen-bytes-it"] {
            assert!(process(never).is_err(), "{never}");
        }
    }
}
