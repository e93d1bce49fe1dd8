//! How long a block lasts, as people write it.

use std::time::Duration;

/// Longest time of a block: 30 days.
const LONGEST: u64 = 30 * 86_400;

/// Reads `30s`, `90m`, `12h` or `7d`.
///
/// # Errors
/// The expected form.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds =
        [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)].into_iter().find_map(|(unit, seconds)| {
            u64::from(text.strip_suffix(unit)?.parse::<u32>().ok()?).checked_mul(seconds)
        });
    match seconds {
        Some(seconds @ 1..=LONGEST) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(format!("{text} is no time for a block: from 1s to 30d")),
        None => Err(format!("{text:?} is not a time; write it like 30s, 90m, 12h or 7d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_a_block_is_bounded() {
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5_400)));
        for (text, words) in
            [("0s", "from 1s to 30d"), ("31d", "from 1s to 30d"), ("1", "30s, 90m"), ("-1h", "90m")]
        {
            assert!(duration(text).unwrap_err().contains(words), "{text}");
        }
    }
}
