//! The metadata of the rules: complete, unique, and equal to their sources.

use std::collections::BTreeSet;

use super::*;
use crate::{address::Direction, attack::TECHNIQUES, level::Severity};

/// The page of the documentation with a row for each rule.
const PAGE: &str = include_str!("../../../../docs/detections.md");

fn all() -> impl Iterator<Item = &'static RuleMeta> {
    ALL.iter().map(|rule| rule.meta())
}

#[test]
fn every_rule_has_complete_metadata() {
    for rule in all() {
        for text in [rule.name, rule.description] {
            assert!(text.len() > 10 && text.trim() == text && !text.contains("  "), "{}: {text:?}", rule.id);
        }
        assert!(rule.description.ends_with('.'), "{}: {:?}", rule.id, rule.description);
        assert!(rule.description.len() < 400, "{}: a short description", rule.id);
        assert!(!rule.false_positives.is_empty(), "{} knows no false positive", rule.id);
        for text in rule.false_positives {
            assert!(text.contains(": "), "{} names no remedy: {text:?}", rule.id);
        }
        assert!(!rule.techniques.is_empty(), "{} is about no technique", rule.id);
    }
}

#[test]
fn every_rule_has_a_unique_identifier_and_name() {
    let ids: BTreeSet<_> = all().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), ALL.len(), "{ids:?}");
    let plain =
        |id: &&str| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    assert!(ids.iter().all(plain), "{ids:?}");
    let names: BTreeSet<_> = all().map(|rule| rule.name).collect();
    assert_eq!(names.len(), ALL.len(), "{names:?}");
}

#[test]
fn every_score_is_in_the_range_of_its_severity() {
    for rule in all() {
        let range = match rule.severity {
            Severity::Low => 21..47,
            Severity::Medium => 47..73,
            Severity::High => 73..99,
            Severity::Critical => 99..101,
        };
        assert!(range.contains(&rule.risk_score), "{}: {} {}", rule.id, rule.severity, rule.risk_score);
    }
}

#[test]
fn every_technique_is_in_the_table_once() {
    for rule in all() {
        for technique in rule.techniques {
            assert!(TECHNIQUES.contains(technique), "{}: {}", rule.id, technique.id);
        }
        let ids: BTreeSet<_> = rule.techniques.iter().map(|technique| technique.id).collect();
        assert_eq!(ids.len(), rule.techniques.len(), "{}", rule.id);
    }
}

#[test]
fn every_technique_of_the_table_belongs_to_a_rule() {
    for technique in TECHNIQUES {
        assert!(all().any(|rule| rule.techniques.contains(&technique)), "{}", technique.id);
    }
}

#[test]
fn scores_and_techniques_match_the_sources() {
    let facts: Vec<_> = all()
        .map(|rule| {
            let techniques: Vec<_> = rule.techniques.iter().map(|technique| technique.id).collect();
            (rule.id, rule.severity.name(), rule.risk_score, techniques)
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("smb-to-internet", "high", 73, vec!["T1190", "T1048"]),
            ("rare-smb-destination", "medium", 47, vec!["T1048"]),
            ("external-access-windows-networking", "high", 73, vec!["T1046", "T1048", "T1133", "T1135"]),
            ("windows-networking-exposed", "medium", 47, vec!["T1133"]),
            ("ntlm-credential-to-internet", "high", 86, vec!["T1187", "T1048"]),
            ("external-logon-accepted", "critical", 99, vec!["T1133", "T1078"]),
            ("smb-password-guessing", "high", 73, vec!["T1110.001"]),
            ("smb-password-spraying", "high", 73, vec!["T1110.003"]),
            ("ntlm-relay", "critical", 99, vec!["T1557.001"]),
            ("data-leaving-over-smb", "critical", 99, vec!["T1048"]),
            ("smb-download-from-internet", "high", 73, vec!["T1105"]),
            (
                "remote-execution-over-smb",
                "critical",
                99,
                vec!["T1569.002", "T1053.005", "T1112", "T1021.002"]
            ),
            ("account-discovery-over-smb", "high", 73, vec!["T1087"]),
            ("share-discovery-over-smb", "medium", 47, vec!["T1135"]),
            ("exploit-like-smb-request", "high", 82, vec!["T1190"]),
            ("smb1-across-border", "high", 73, vec!["T1190", "T1133"]),
            ("smb-on-another-port", "medium", 47, vec!["T1571"]),
            ("smb-over-quic", "high", 73, vec!["T1048"]),
            ("webdav-to-internet", "medium", 47, vec!["T1071.001"]),
            ("smb-sweep", "high", 82, vec!["T1046"]),
        ]
    );
}

#[test]
fn tables_of_the_documentation_match_the_registry() {
    let mut section = "";
    let mut documented = BTreeSet::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split(':').next().unwrap_or_default();
        }
        if !line.starts_with("| `") {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _, severity, techniques] = cells[..] else { panic!("a row of four cells: {line}") };
        // Where it depends on the direction or the outcome, the severity of the metadata comes first.
        let severity = severity.split(';').next().unwrap_or_default().trim_start_matches("outbound ");
        let row = [section, id.trim_matches('`'), severity, techniques].map(str::to_owned);
        assert!(documented.insert(row), "twice: {line}");
    }
    let registered: BTreeSet<_> = all()
        .map(|rule| {
            let section = match rule.scope.direction {
                Some(Direction::Outbound) => "Outbound",
                Some(Direction::Inbound) => "Inbound",
                None => "Either direction",
            };
            let severity = format!("{}, {}", rule.severity, rule.risk_score);
            let techniques: Vec<_> = rule.techniques.iter().map(|technique| technique.id).collect();
            [section.to_owned(), rule.id.to_owned(), severity, techniques.join(", ")]
        })
        .collect();
    assert_eq!(documented, registered, "docs/detections.md");
}
