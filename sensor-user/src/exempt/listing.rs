//! Exemptions as text, for `smb-sensor exempt list` and `test`.

use std::collections::BTreeMap;

use super::{Exemption, Hit, Question};
use crate::rfc3339::rfc3339;
use sensor_core::time::Timestamp;

/// Most reasons to list why a connection is not exempt.
const MAX_LISTED: usize = 10;

/// One line for each entry, with its hits.
pub(super) fn table(all: &[Exemption], hits: &BTreeMap<String, Hit>, now: Timestamp) -> String {
    if all.is_empty() {
        return "no exemptions".to_owned();
    }
    let entries: Vec<_> = all.iter().map(|one| entry(one, hits.get(&one.id), now)).collect();
    entries.join("\n")
}

/// One entry, without hits.
pub(crate) fn one(one: &Exemption, now: Timestamp) -> String {
    let state = if one.is_in_force(now) { "" } else { "  EXPIRED" };
    let expires = one.expires.map_or_else(|| "never".to_owned(), rfc3339);
    format!(
        "{}  {one}{state}\n  reason:  {}\n  expires: {expires}\n  origin:  {}",
        one.id,
        one.reason,
        origin(one)
    )
}

fn origin(one: &Exemption) -> String {
    one.added.as_ref().map_or_else(
        || "in the configuration".to_owned(),
        |added| format!("added by {} at {}", added.by, rfc3339(added.at)),
    )
}

fn entry(one: &Exemption, hit: Option<&Hit>, now: Timestamp) -> String {
    let state = match (one.is_in_force(now), hit) {
        (false, _) => "  EXPIRED",
        (true, None) => "  NEVER MATCHED",
        (true, Some(_)) => "",
    };
    let expires = one.expires.map_or_else(|| "never".to_owned(), rfc3339);
    format!(
        "{}  {one}{state}\n  reason:  {}\n  expires: {expires}\n  hits:    {}\n  origin:  {}",
        one.id,
        one.reason,
        covered(hit),
        origin(one),
    )
}

/// The hits of one. The kernel counts packets and the agent connections: neither can be converted.
fn covered(hit: Option<&Hit>) -> String {
    let Some(hit) = hit else { return "none".to_owned() };
    let text = [(hit.connections, "connections"), (hit.packets, "packets")];
    let text: Vec<_> =
        text.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("{}, last {}", text.join(" and "), rfc3339(hit.last))
}

/// Why no exemption covers the connection described by `asked`; the closest first.
pub(super) fn why_not(all: &[Exemption], question: &Question<'_>, asked: &str, now: Timestamp) -> String {
    if all.is_empty() {
        return format!("not exempt: {asked}; there are no exemptions");
    }
    let mut reasons: Vec<_> = all
        .iter()
        .map(|one| match one.mismatch(question) {
            None => (0, format!("{} covers it, and expired {}", one.id, when_over(one, now))),
            Some(why) => (1, format!("{} does not: {why}", one.id)),
        })
        .collect();
    reasons.sort_by_key(|(distance, _)| *distance);
    let more = reasons.len().saturating_sub(MAX_LISTED);
    let mut text = format!("not exempt: {asked}");
    for (_, reason) in reasons.into_iter().take(MAX_LISTED) {
        text.push_str(&format!("\n  {reason}"));
    }
    if more > 0 {
        text.push_str(&format!("\n  nor do {more} others"));
    }
    text
}

fn when_over(one: &Exemption, now: Timestamp) -> String {
    one.expires.filter(|expires| *expires <= now).map(rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sensor_core::service::Service;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn by_source(net: &str) -> Exemption {
        Exemption::between(net.parse().ok(), None, "it is ours")
    }

    #[test]
    fn list_marks_expired_and_unused_entries() {
        let used = by_source("10.1.0.0/16");
        let over = Exemption { expires: Some(NOW), ..by_source("10.2.0.0/16") };
        let hits = BTreeMap::from([(used.id.clone(), Hit { connections: 3, packets: 0, last: NOW })]);
        let text = table(&[used, over, by_source("10.3.0.0/16")], &hits, NOW);
        assert!(text.contains("3 connections, last 2023-11-14T22:13:20.000Z"), "{text}");
        assert!(text.contains("10.2.0.0/16 -> any  EXPIRED"), "{text}");
        assert!(text.contains("10.3.0.0/16 -> any  NEVER MATCHED"), "{text}");
        assert_eq!(table(&[], &hits, NOW), "no exemptions");
    }

    #[test]
    fn says_for_each_entry_why_it_does_not_match() {
        let question = Question {
            client: "10.2.0.1".parse().unwrap(),
            server: "8.8.4.4".parse().unwrap(),
            service: Service::Smb,
            port: 445,
            process: [None, None],
        };
        let over = Exemption { expires: Some(NOW), ..by_source("10.2.0.0/16") };
        let text = why_not(&[by_source("10.1.0.0/16"), over], &question, "it", NOW);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].contains("covers it, and expired 2023"), "{text}");
        assert!(lines[2].contains("the client 10.2.0.1 is not in 10.1.0.0/16"), "{text}");
    }
}
