//! The document of what a rule did not tell one by one, as `schema/suppression.schema.json` describes it.

use serde_json::{Map, Value, json};

use super::{
    Context,
    admission::Summary,
    document::{ECS_VERSION, sensor, told_rule},
    timestamp::rfc3339,
};
use crate::flow::Evidence;

/// Builds the document.
pub(super) fn document(summary: &Summary, context: &Context<'_>) -> Value {
    let rule = summary.rule;
    let counts = Evidence::ALL.iter().zip(summary.hidden).filter(|(_, count)| *count > 0);
    let by_evidence: Map<String, Value> =
        counts.clone().map(|(evidence, count)| (evidence.name().to_owned(), json!(count))).collect();
    let listed: Vec<String> = counts.map(|(evidence, count)| format!("{count} {evidence}")).collect();
    json!({
        "@timestamp": rfc3339(context.now),
        "ecs": { "version": ECS_VERSION },
        "message": format!(
            "{}: beside {} alerts that were written, {} more were only counted ({}).",
            rule.name, summary.admitted, summary.total(), listed.join(", ")
        ),
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
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{
            admission::Admission,
            document::tests::{SUPPRESSION, assert_valid},
        },
        detect::RULES,
    };

    #[test]
    fn the_document_says_how_many_of_which_evidence_and_follows_the_schema() {
        let context = Context::for_tests();
        let mut admission = Admission::new(100);
        for n in 0..150 {
            let evidence = if n < 120 { Evidence::Attempt } else { Evidence::Refused };
            let _ = admission.ask(RULES[0], evidence, None, context.now);
        }
        let document = document(&admission.drain(context.now)[0], &context);
        assert_valid(SUPPRESSION, &document);
        let told = &document["smb_sensor"]["suppression"];
        assert_eq!(told["by_evidence"], json!({ "attempt": 20, "refused": 30 }));
        assert_eq!((&told["written"], &told["suppressed"]), (&json!(100), &json!(50)));
        assert!(
            document["message"]
                .as_str()
                .unwrap()
                .contains("50 more were only counted (20 attempt, 30 refused)")
        );
    }
}
