//! The document of what a rule did not tell one by one, as `schema/suppression.schema.json` describes it.

use serde_json::{Map, Value, json};

use super::{
    Context,
    admission::Summary,
    document::{ECS_VERSION, loss, sensor, told_rule},
    note,
    timestamp::rfc3339,
};
use crate::flow::Evidence;

/// Builds the document.
pub(super) fn document(summary: &Summary, context: &Context<'_>) -> Value {
    let rule = summary.rule;
    let counts = Evidence::ALL.iter().zip(summary.hidden).filter(|(_, count)| *count > 0);
    let by_evidence: Map<String, Value> =
        counts.map(|(evidence, count)| (evidence.name().to_owned(), json!(count))).collect();
    let sources: Vec<_> = summary
        .loudest
        .named
        .iter()
        .map(|(source, count)| json!({ "ip": source.to_string(), "suppressed": count }))
        .collect();
    let seen = seen(summary);
    let mut document = json!({
        "@timestamp": rfc3339(context.now),
        "ecs": { "version": ECS_VERSION },
        "message": format!("{}: {seen}", rule.name),
        "event": {
            "kind": "alert",
            "category": ["network", "intrusion_detection"],
            "type": ["info"],
            "module": "smb_sensor",
            "dataset": "smb_sensor.suppression",
            "id": format!("suppression/{}/{}/{}", rule.id, summary.from / 1_000_000, summary.window),
            "sequence": 0,
            "severity": rule.risk_score,
            "risk_score": rule.risk_score,
            "start": rfc3339(summary.from),
            "end": rfc3339(summary.until),
            "duration": i64::try_from(summary.until - summary.from).unwrap_or(i64::MAX),
        },
        "rule": told_rule(rule),
        "observer": sensor(context),
        "smb_sensor": {
            "suppression": {
                "written": summary.admitted,
                "suppressed": summary.total(),
                "repeated": summary.repeated,
                "by_evidence": by_evidence,
                "sources": sources,
                "undercount": summary.loudest.undercount,
            },
            "note": note::note_on_hidden(summary, &seen, context.networks_defined),
            "false_positives": rule.false_positives,
            "loss": loss(summary.lost_before, context),
        },
    });
    if let Some(distinct) = summary.loudest.distinct {
        document["smb_sensor"]["suppression"]["distinct_sources"] = json!(distinct);
    }
    if !summary.loudest.named.is_empty() {
        let named: Vec<_> = summary.loudest.named.iter().map(|(source, _)| source.to_string()).collect();
        document["related"] = json!({ "ip": named });
    }
    document
}

/// What was hidden, how far it got, and whose it was.
fn seen(summary: &Summary) -> String {
    let counts = Evidence::ALL.iter().zip(summary.hidden).filter(|(_, count)| *count > 0);
    let far: Vec<_> = counts.map(|(evidence, count)| format!("{count} {}", got(*evidence))).collect();
    let named: Vec<_> =
        summary.loudest.named.iter().map(|(source, count)| format!("{source} ({count})")).collect();
    let named = named.join(", ");
    let whose = match (summary.loudest.distinct, summary.loudest.undercount) {
        (Some(1), _) => format!("All came from {named}."),
        (Some(distinct), _) => format!("They came from {distinct} sources, the most from {named}."),
        (None, more) if named.is_empty() => {
            format!("There were more sources than can be told apart, and none had more than {more}.")
        }
        (None, more) => format!(
            "There were more sources than can be told apart; the most came from {named}, each of which may have up to {more} more."
        ),
    };
    format!(
        "Beside {} alerts that were written, {} more were only counted: {}. {whose}",
        summary.admitted,
        summary.total(),
        far.join(", "),
    )
}

/// How far one got, in words.
const fn got(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Attempt => "that nobody answered",
        Evidence::Refused => "that were refused",
        Evidence::Established => "that were answered",
        Evidence::Smb => "that spoke SMB",
        Evidence::AuthenticatedAttempt => "with a logon that did not come to a session",
        Evidence::Session => "with a session",
        Evidence::Share => "with a share connected",
        Evidence::Data => "that exchanged data",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        alert::{
            admission::{Admission, Asker},
            document::tests::{SUPPRESSION, assert_valid},
        },
        cli::Cli,
        detect::RULES,
    };

    /// The document of what a rule hides when these ask beside a hundred others, in a context that lost records.
    fn hidden(askers: impl Iterator<Item = Asker>) -> Value {
        let context = Context { lost_records: 9, ..Context::for_tests() };
        let mut admission = Admission::new(100);
        let written = (0..100).map(|_| asker(0, Evidence::Attempt));
        for asker in written.chain(askers) {
            let _ = admission.ask(RULES[0], asker, None, context.now);
        }
        let document = document(&admission.drain(context.now)[0], &context);
        assert_valid(SUPPRESSION, &document);
        document
    }

    fn asker(n: u32, evidence: Evidence) -> Asker {
        let source = std::net::Ipv4Addr::from(0x0A00_0000 + n).into();
        Asker { source, evidence, lost_before: 4 }
    }

    #[test]
    fn the_document_says_how_many_of_which_evidence_and_whose_and_follows_the_schema() {
        let attempts = (0..20).map(|n| asker(n % 7, Evidence::Attempt));
        let refused = (0..30).map(|_| asker(2, Evidence::Refused));
        let document = hidden(attempts.chain(refused));
        let told = &document["smb_sensor"]["suppression"];
        assert_eq!(told["by_evidence"], json!({ "attempt": 20, "refused": 30 }));
        assert_eq!((&told["written"], &told["suppressed"]), (&json!(100), &json!(50)));
        assert_eq!((&told["distinct_sources"], &told["undercount"]), (&json!(7), &json!(0)));
        assert_eq!(told["sources"].as_array().unwrap().len(), 5);
        assert_eq!(told["sources"][0], json!({ "ip": "10.0.0.2", "suppressed": 33 }));
        assert_eq!(document["related"]["ip"][0], "10.0.0.2");
        let message = document["message"].as_str().unwrap();
        let expected = "50 more were only counted: 20 that nobody answered, 30 that were refused. They came from 7 sources, the most from \
                        10.0.0.2 (33), 10.0.0.0 (3)";
        assert!(message.contains(expected), "{message}");
        assert_eq!(document["smb_sensor"]["loss"], json!({ "ring_records": 5, "sampled": false }));
    }

    #[test]
    fn a_count_that_may_be_too_low_says_so() {
        let flood = hidden((0..5_000).map(|n| asker(if n % 2 == 0 { 0 } else { n }, Evidence::Attempt)));
        let told = &flood["smb_sensor"]["suppression"];
        assert!(told.get("distinct_sources").is_none() && told["undercount"].as_u64() > Some(0), "{told:#}");
        assert_eq!(told["sources"][0]["ip"], "10.0.0.0");
        assert!(flood["message"].as_str().unwrap().contains("may have up to"), "{flood:#}");
        let spoofed = hidden((0..1_025).map(|n| asker(n, Evidence::Attempt)));
        assert!(spoofed.get("related").is_none(), "{spoofed:#}");
        assert!(spoofed["message"].as_str().unwrap().contains("none had more than 1."), "{spoofed:#}");
    }

    #[test]
    fn the_note_says_what_was_seen_what_to_check_and_how_to_contain() {
        let document = hidden((0..3).map(|_| asker(2, Evidence::Established)));
        let note = &document["smb_sensor"]["note"];
        let text = |part: &str| note[part].as_str().unwrap();
        assert!(text("seen").contains("3 that were answered. All came from 10.0.0.2 (3)."), "{note:#}");
        assert!(text("contain").starts_with("Begin with the sources"), "{note:#}");
        let commands: Vec<_> = text("check").split('`').skip(1).step_by(2).collect();
        assert_eq!(commands.len(), 2, "{note:#}");
        for command in commands {
            Cli::try_parse_from(command.split(' ')).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
        assert!(commands_name(text("check"), "--flows --since 2023-11-14T22:13:20.500Z --source 10.0.0.2"));
        assert!(commands_name(text("check"), "--rule smb-to-internet --since 2023-11-14T22:13:20.500Z"));
        let document = hidden([asker(2, Evidence::Established), asker(3, Evidence::Share)].into_iter());
        let check = document["smb_sensor"]["note"]["check"].as_str().unwrap();
        assert!(commands_name(check, "--flows --since 2023-11-14T22:13:20.500Z --evidence smb"), "{check}");
    }

    fn commands_name(check: &str, flags: &str) -> bool {
        check.contains(&format!("`smb-sensor alerts {flags}`"))
    }
}
