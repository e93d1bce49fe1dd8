//! Bundles of STIX 2.1: indicators whose pattern names addresses alone, and observables.

use serde::Deserialize;

use super::Found;

#[derive(Deserialize)]
struct Bundle {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    description: Option<String>,
    value: Option<String>,
    pattern: Option<String>,
    pattern_type: Option<String>,
    #[serde(default)]
    revoked: bool,
}

/// Addresses and networks, in their order.
pub(super) fn addresses(text: &str) -> Result<Vec<Found>, serde_json::Error> {
    let bundle: Bundle = serde_json::from_str(text)?;
    let mut found = Vec::new();
    for object in bundle.objects.into_iter().filter(|one| !one.revoked) {
        let is_stix = object.pattern_type.as_deref().is_none_or(|kind| kind == "stix");
        let values = match (object.kind.as_str(), object.pattern, object.value) {
            ("indicator", Some(pattern), _) if is_stix => in_pattern(&pattern).unwrap_or_default(),
            ("ipv4-addr" | "ipv6-addr", _, Some(value)) => vec![value],
            _ => continue,
        };
        let description = object.name.or(object.description);
        found.extend(values.into_iter().map(|value| Found { value, description: description.clone() }));
    }
    Ok(found)
}

/// The addresses of a pattern that is true for each of them: comparisons of addresses that are connected by OR (STIX 2.1 9).
fn in_pattern(pattern: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let pattern = pattern.replace(['[', ']'], " ");
    let mut rest = pattern.trim();
    loop {
        rest = ["ipv4-addr:value", "ipv6-addr:value"]
            .iter()
            .find_map(|path| rest.strip_prefix(path))?
            .trim_start();
        let is_list = rest.starts_with("IN");
        rest = ["=", "ISSUBSET", "IN"].iter().find_map(|operator| rest.strip_prefix(operator))?.trim_start();
        if is_list {
            let (list, after) = rest.strip_prefix('(')?.split_once(')')?;
            for item in list.split(',') {
                let (value, nothing) = literal(item.trim())?;
                values.extend(nothing.is_empty().then_some(value));
            }
            rest = after;
        } else {
            let (value, after) = literal(rest)?;
            values.push(value);
            rest = after;
        }
        rest = rest.trim();
        if rest.is_empty() {
            return Some(values);
        }
        rest = rest.strip_prefix("OR")?.trim_start();
    }
}

/// A text in single quotes, and what is behind it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (value, rest) = text.strip_prefix('\'')?.split_once('\'')?;
    Some((value.to_owned(), rest))
}
