//! The result as a table for a terminal.

use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};

use crate::row::{Comparison, Row, Target, Verdict};

const HEADER: [&str; 10] =
    ["what", "figure", "min", "max", "unit", "compared with", "result", "spread", "target", ""];
const NUMBERS: [usize; 6] = [1, 2, 3, 6, 7, 8];

/// All rows, and a line that counts the verdicts.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(HEADER);
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            table.add_row([format!("── {group}")]);
        }
        table.add_row(cells(row));
    }
    for column in NUMBERS {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n");
    for row in rows {
        match (&row.samples, &row.note) {
            (Err(why), _) => text += &format!("not measured: {}: {why}\n", row.what),
            (Ok(_), Some(note)) => text += &format!("{}: {note}\n", row.what),
            (Ok(_), None) => {}
        }
    }
    text + &tally(rows) + "\n"
}

/// How many targets were met, missed, too close to say, and not measured.
pub(crate) fn tally(rows: &[Row]) -> String {
    let count = |verdict| {
        let with_target = rows.iter().filter(|row| row.target.is_some());
        with_target.filter(|row| row.verdict() == verdict).count()
    };
    format!(
        "targets: {} met, {} missed, {} unclear, {} not measured",
        count(Verdict::Met),
        count(Verdict::Missed),
        count(Verdict::Unclear),
        count(Verdict::NotMeasured)
    )
}

fn cells(row: &Row) -> Vec<Cell> {
    let (figure, min, max) = match (&row.samples, row.own()) {
        (Ok(samples), Some(own)) => (number(own.value), number(samples.min()), number(samples.max())),
        _ => Default::default(),
    };
    let against = row.against.as_ref().map(|against| {
        let with = format!("{} {}", against.name, number(against.samples.figure(row.statistic)));
        (with, result(row).unwrap_or_default())
    });
    let (against, result) = against.unwrap_or_default();
    let spread = row.figure().and_then(|figure| figure.spread).map(number).unwrap_or_default();
    [
        row.what.clone(),
        figure,
        min,
        max,
        row.unit.name().to_owned(),
        against,
        result,
        spread,
        row.target.map(bound).unwrap_or_default(),
        row.verdict().name().to_owned(),
    ]
    .map(Cell::new)
    .into()
}

/// The result of a row's comparison.
pub(crate) fn result(row: &Row) -> Option<String> {
    let value = number(row.comparison()?.value);
    Some(match &row.against.as_ref()?.comparison {
        Comparison::Ratio => format!("{value} ×"),
        Comparison::AddedRatio(_) => format!("{value} × what it adds"),
        Comparison::Difference => format!("+{value} {}", row.unit.name()),
    })
}

/// A target as a sign and a number.
pub(crate) fn bound(target: Target) -> String {
    match target {
        Target::AtMost(bound) => format!("≤ {}", number(bound)),
        Target::AtLeast(bound) => format!("≥ {}", number(bound)),
    }
}

/// Three significant digits or so.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{row::Unit, samples::Samples};

    #[test]
    fn counts_targets_and_lists_reasons() {
        let samples = Samples::new(vec![1.0]);
        let rows = [
            Row::new("g", "one", Unit::Seconds, samples.clone()).target(Target::AtMost(2.0)),
            Row::new("g", "two", Unit::Seconds, samples).target(Target::AtLeast(2.0)),
            Row::not_measured("g", "three", Unit::Seconds, "no peer").target(Target::AtMost(1.0)),
        ];
        let text = render(&rows);
        assert!(
            text.ends_with(
                "not measured: three: no peer\ntargets: 1 met, 1 missed, 0 unclear, 1 not measured\n"
            ),
            "{text}"
        );
        assert!(text.contains("MISSED"));
    }
}
