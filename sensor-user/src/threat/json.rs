//! Threat lists as JSON: events of MISP, and bundles of STIX 2.1. Only addresses and networks are taken.

mod misp;
mod stix;

use sensor_core::threat::Entry;
use serde::Deserialize;

use super::file::described;
use crate::parse::{Mistakes, network};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Misp,
    Stix,
}

/// An address or a network, as a file has it.
struct Found {
    value: String,
    description: Option<String>,
}

/// What a file with JSON holds. A bundle of STIX says that it is one.
pub(super) fn detect(text: &str) -> Kind {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    match serde_json::from_str::<Head>(text) {
        Ok(Head { kind: Some(kind) }) if kind == "bundle" => Kind::Stix,
        _ => Kind::Misp,
    }
}

/// The entries of a file.
///
/// # Errors
/// What is no JSON, no network, or that there is none.
pub(super) fn parse(text: &str, kind: Kind) -> Result<Vec<Entry>, Mistakes> {
    let found = match kind {
        Kind::Misp => misp::addresses(text),
        Kind::Stix => stix::addresses(text),
    };
    let found = found
        .map_err(|error| vec![(error.line() as u32, format!("not the JSON that was expected: {error}"))])?;
    if found.is_empty() {
        return Err(vec![(1, format!("no address and no network is in it: {}", kind.expected()))]);
    }
    let (mut entries, mut mistakes, mut places) = (Vec::new(), Vec::new(), Places::of(text));
    for Found { value, description } in found {
        let line = places.line(&value);
        match network(value.trim()) {
            Ok(net) => {
                let description = description.and_then(|text| described(&text));
                entries.push(Entry { net, line, description });
            }
            Err(wrong) => mistakes.push((line, wrong)),
        }
    }
    if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) }
}

impl Kind {
    const fn expected(self) -> &'static str {
        match self {
            Self::Misp => "attributes of type ip-src, ip-dst or domain|ip with to_ids are taken",
            Self::Stix => "indicators and observables of ipv4-addr and ipv6-addr are taken",
        }
    }
}

/// Where values are in a text, for values in the order of the text.
struct Places<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Places<'a> {
    const fn of(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of the next occurrence; the present one for a value that is written with escapes.
    fn line(&mut self, value: &str) -> u32 {
        if let Some(rest) = self.text.get(self.at..)
            && let Some(offset) = rest.find(value)
        {
            self.line += rest[..offset].matches('\n').count() as u32;
            self.at += offset;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, kind: Kind) -> Vec<(String, u32, String)> {
        let entries = parse(text, kind).unwrap();
        let shown = |one: Entry| (one.net.to_string(), one.line, one.description.unwrap_or_default().into());
        entries.into_iter().map(shown).collect()
    }

    fn entry(net: &str, line: u32, description: &str) -> (String, u32, String) {
        (net.into(), line, description.into())
    }

    const EVENT: &str = r#"{"Event": {"info": "rogue servers", "Attribute": [
        {"type": "ip-dst", "value": "8.8.4.4", "to_ids": true, "comment": "seen in May"},
        {"type": "ip-src|port", "value": "203.0.112.9|445", "to_ids": true},
        {"type": "md5", "value": "d41d8cd98f00b204e9800998ecf8427e", "to_ids": true},
        {"type": "ip-dst", "value": "9.9.9.9", "to_ids": false},
        {"type": "ip-dst", "value": "9.9.9.8", "to_ids": true, "deleted": true}],
      "Object": [{"name": "domain-ip", "Attribute": [
        {"type": "domain|ip", "value": "files.example|198.51.99.4", "to_ids": true},
        {"type": "ip-src", "value": "2001:db8:7::/48", "to_ids": true}]}]}}"#;

    #[test]
    fn takes_addresses_of_an_event_of_misp_that_are_for_detection() {
        let expected = [
            entry("8.8.4.4/32", 2, "seen in May"),
            entry("203.0.112.9/32", 3, "rogue servers"),
            entry("198.51.99.4/32", 8, "rogue servers"),
            entry("2001:db8:7::/48", 9, "rogue servers"),
        ];
        assert_eq!(parsed(EVENT, Kind::Misp), expected);
        assert_eq!(detect(EVENT), Kind::Misp);
        // The answers of searches for events and for attributes.
        let events = format!("{{\"response\": [{EVENT}]}}");
        assert_eq!(parsed(&events, Kind::Misp), expected);
        let attributes =
            r#"{"response": {"Attribute": [{"type": "ip-src", "value": "8.8.4.4", "to_ids": true}]}}"#;
        assert_eq!(parsed(attributes, Kind::Misp), [entry("8.8.4.4/32", 1, "")]);
    }

    const BUNDLE: &str = r#"{"type": "bundle", "id": "bundle--1", "objects": [
        {"type": "indicator", "name": "rogue", "pattern_type": "stix",
         "pattern": "[ipv4-addr:value = '8.8.4.4' OR ipv4-addr:value ISSUBSET '203.0.112.0/24']"},
        {"type": "indicator", "pattern_type": "stix", "pattern": "[ipv6-addr:value IN ('2001:db8::1', '2001:db8::2')]"},
        {"type": "indicator", "pattern_type": "stix", "revoked": true, "pattern": "[ipv4-addr:value = '9.9.9.9']"},
        {"type": "indicator", "pattern_type": "stix", "pattern": "[ipv4-addr:value != '9.9.9.8']"},
        {"type": "indicator", "pattern_type": "stix", "pattern": "[ipv4-addr:value = '9.9.9.7' AND network-traffic:dst_port = 22]"},
        {"type": "indicator", "pattern_type": "sigma", "pattern": "[ipv4-addr:value = '9.9.9.6']"},
        {"type": "malware", "name": "[ipv4-addr:value = '9.9.9.5']"},
        {"type": "ipv4-addr", "value": "198.51.99.4"}]}"#;

    #[test]
    fn takes_addresses_of_a_stix_bundle_and_no_condition_that_says_less() {
        let expected = [
            entry("8.8.4.4/32", 3, "rogue"),
            entry("203.0.112.0/24", 3, "rogue"),
            entry("2001:db8::1/128", 4, ""),
            entry("2001:db8::2/128", 4, ""),
            entry("198.51.99.4/32", 10, ""),
        ];
        assert_eq!(parsed(BUNDLE, Kind::Stix), expected);
        assert_eq!(detect(BUNDLE), Kind::Stix);
    }

    #[test]
    fn damaged_or_foreign_files_are_refused_with_a_line() {
        let wrong = |text: &str, kind| parse(text, kind).unwrap_err().remove(0);
        let cut = &EVENT[..EVENT.len() / 2];
        let (line, message) = wrong(cut, Kind::Misp);
        assert!(line > 1 && message.contains("not the JSON that was expected"), "{line}: {message}");
        let (line, message) = wrong(&EVENT.replace("\"8.8.4.4\"", "\"8.8.4.444\""), Kind::Misp);
        assert!(line == 2 && message.contains("8.8.4.444"), "{line}: {message}");
        assert!(wrong("{}", Kind::Misp).1.contains("ip-src"));
        assert!(wrong("{\"type\": \"bundle\", \"objects\": []}", Kind::Stix).1.contains("ipv4-addr"));
        let deep = "[".repeat(100_000);
        let nested = format!("{{\"Event\": {}", "{\"Object\": [".repeat(10_000));
        for hostile in [deep.as_str(), &nested, "{\"response\": 7}", "null"] {
            for kind in [Kind::Misp, Kind::Stix] {
                assert!(parse(hostile, kind).is_err());
            }
        }
    }
}
