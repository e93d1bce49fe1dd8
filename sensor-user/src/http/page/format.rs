//! Times, numbers, parties and texts as the page shows them.

use sensor_core::{
    incident::{Incident, Party, message},
    time::Timestamp,
};
use sensor_dissect::escape::shown;
use time::{OffsetDateTime, macros::format_description};

/// `29 Nov 10:14:07`, UTC.
pub(super) fn second(at: Timestamp) -> String {
    let format = format_description!("[day padding:none] [month repr:short] [hour]:[minute]:[second]");
    OffsetDateTime::from_unix_timestamp_nanos(at.unix_nanos().into())
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

/// `12,345`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An address with the name of the host, or the number of addresses.
pub(super) fn party(party: &Party) -> (String, String) {
    match party.only_address() {
        Some(address) => {
            let system = party.enrichment().and_then(|known| known.autonomous_system.as_ref());
            let parts =
                [party.best_name().map(|name| shown(name.as_bytes())), system.map(ToString::to_string)];
            (address.to_string(), parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        None => (party.phrase(), String::new()),
    }
}

/// What happened, in a few words.
pub(super) fn summary(incident: &Incident) -> String {
    shown(message::summary(incident).as_bytes())
}

/// The text, at most so many characters of it.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_long_text_an_ellipsis() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }
}
