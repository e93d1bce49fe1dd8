//! What the rules say of themselves: all of it, each for itself, and after their sources.

use std::collections::BTreeSet;

use super::*;
use crate::{attack::TECHNIQUES, profile::ProfileName};

/// The rules of all profiles, the sensor's own among them.
fn all() -> impl Iterator<Item = &'static Rule> {
    ProfileName::ALL.into_iter().flat_map(|name| name.profile().rules).map(|rule| rule.rule)
}

#[test]
fn every_rule_says_of_itself_what_an_alert_needs() {
    for rule in all() {
        for text in [rule.name, rule.description, rule.check, rule.contain] {
            assert!(text.len() > 10 && text.trim() == text, "{}: {text:?}", rule.id);
        }
        assert!(rule.description.ends_with('.'), "{}: {:?}", rule.id, rule.description);
        assert!(rule.description.len() < 400, "{}: a short description", rule.id);
        assert!(!rule.false_positives.is_empty(), "{} knows no false positive", rule.id);
        assert!(rule.false_positives.iter().all(|one| one.len() > 20), "{}", rule.id);
        assert!(!rule.techniques.is_empty(), "{} is about no technique", rule.id);
    }
}

#[test]
fn every_rule_has_an_identifier_and_a_name_by_which_it_is_known_alone() {
    let ids: BTreeSet<_> = all().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), all().count(), "{ids:?}");
    let plain =
        |id: &&str| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    assert!(ids.iter().all(plain), "{ids:?}");
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len(), "{names:?}");
}

#[test]
fn every_score_is_within_the_range_of_its_severity() {
    for rule in all() {
        let range = match rule.severity {
            Severity::Medium => 47..73,
            Severity::High => 73..99,
            Severity::Critical => 99..101,
        };
        assert!(
            range.contains(&rule.risk_score),
            "{}: {} {}",
            rule.id,
            rule.severity.name(),
            rule.risk_score
        );
    }
}

#[test]
fn every_technique_is_one_of_the_table_and_named_once() {
    for rule in all() {
        for technique in rule.techniques {
            assert!(TECHNIQUES.contains(technique), "{}: {}", rule.id, technique.id);
        }
        let ids: BTreeSet<_> = rule.techniques.iter().map(|technique| technique.id).collect();
        assert_eq!(ids.len(), rule.techniques.len(), "{}", rule.id);
    }
}

#[test]
fn the_rules_carry_the_scores_and_techniques_of_their_sources() {
    let facts: Vec<_> = RULES
        .iter()
        .map(|rule| {
            (
                rule.id,
                rule.severity.name(),
                rule.risk_score,
                rule.techniques.iter().map(|t| t.id).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("smb-to-internet", "high", 73, vec!["T1190", "T1048"]),
            ("rare-smb-destination", "medium", 47, vec!["T1048"]),
            ("external-access-windows-networking", "high", 73, vec!["T1046", "T1048", "T1133", "T1135"]),
            ("ntlm-credential-to-internet", "high", 86, vec!["T1187", "T1048"]),
            ("data-leaving-over-smb", "high", 82, vec!["T1048"]),
            ("smb1-across-border", "high", 73, vec!["T1190", "T1133"]),
            ("smb-on-another-port", "medium", 47, vec!["T1571"]),
            ("smb-sweep", "high", 82, vec!["T1046"]),
        ]
    );
}
