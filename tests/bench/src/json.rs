//! The result for other programs.

use serde_json::{Value, json};

use crate::{
    row::{Comparison, Figure, Row, Target, Verdict},
    samples::{Samples, Statistic},
};

/// One row. Numbers are in `unit`, except for ratios.
pub(crate) fn of(row: &Row) -> Value {
    json!({
        "group": row.group,
        "what": row.what,
        "unit": row.unit.name(),
        "statistic": match row.statistic {
            Statistic::Median => "median",
            Statistic::LowDecile => "low decile",
        },
        "figure": row.own().map(figure),
        "measured": row.samples.as_ref().ok().map(range),
        "not_measured": row.samples.as_ref().err(),
        "against": row.against.as_ref().map(|against| json!({
            "name": against.name,
            "measured": range(&against.samples),
            "comparison": match against.comparison {
                Comparison::Ratio => "ratio",
                Comparison::AddedRatio(_) => "ratio of added costs",
                Comparison::Difference => "difference",
            },
            "result": row.comparison().map(figure),
        })),
        "target": row.target.map(|target| match target {
            Target::AtMost(bound) => json!({ "at_most": bound }),
            Target::AtLeast(bound) => json!({ "at_least": bound }),
        }),
        "verdict": match row.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Unclear => "unclear",
            Verdict::Unrated => "unrated",
            Verdict::NotMeasured => "not measured",
        },
        "note": row.note,
    })
}

fn figure(figure: Figure) -> Value {
    json!({ "value": rounded(figure.value), "spread": figure.spread.map(rounded) })
}

fn range(samples: &Samples) -> Value {
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
