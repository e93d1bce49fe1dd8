//! The result for other programs.

use serde_json::{Value, json};

use crate::{
    row::{Row, Target, Verdict},
    samples::Samples,
};

/// One row. Numbers are in `unit`; `ratio` is the median of the rounds' ratios.
pub(crate) fn of(row: &Row) -> Value {
    json!({
        "group": row.group,
        "what": row.what,
        "unit": row.unit.name(),
        "measured": row.samples.as_ref().ok().map(spread),
        "not_measured": row.samples.as_ref().err(),
        "against": row.against.as_ref().map(|against| json!({
            "name": against.name,
            "measured": spread(&against.samples),
            "ratio": spread(&against.ratio),
        })),
        "target": row.target.map(|target| match target {
            Target::AtMost(bound) => json!({ "at_most": bound }),
            Target::AtLeast(bound) => json!({ "at_least": bound }),
        }),
        "verdict": match row.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Unrated => "unrated",
            Verdict::NotMeasured => "not measured",
        },
        "note": row.note,
    })
}

fn spread(samples: &Samples) -> Value {
    json!({
        "median": rounded(samples.median()),
        "min": rounded(samples.min()),
        "max": rounded(samples.max()),
        "samples": samples.len(),
    })
}

/// Four decimal places: no figure is more exact.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
