//! The report.

use std::collections::BTreeSet;

use comfy_table::{Table, presets::NOTHING};

use crate::{
    compare::{Comparison, Row, Verdict},
    fact::Fact,
};

/// One row per capture, one column per fact: how many agree, differ, or are seen by one side alone.
pub(crate) fn render(comparisons: &[Comparison]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let names = Fact::ALL.map(Fact::name);
    table.set_header(["capture"].into_iter().chain(names));
    for comparison in comparisons.iter().filter(|comparison| !comparison.rows.is_empty()) {
        let cells = Fact::ALL.map(|fact| cell(comparison, fact));
        table.add_row([comparison.capture.clone()].into_iter().chain(cells));
    }
    let total = Fact::ALL.map(|fact| {
        let agree: usize = comparisons.iter().map(|one| count(one, fact, |v| v == Verdict::Agree)).sum();
        let both: usize = comparisons.iter().map(|one| count(one, fact, seen_by_both)).sum();
        format!("{agree} of {both}")
    });
    table.add_row(["agree, of what both see".to_owned()].into_iter().chain(total));
    table.to_string()
}

fn seen_by_both(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Agree | Verdict::Differ)
}

fn count(comparison: &Comparison, fact: Fact, which: impl Fn(Verdict) -> bool) -> usize {
    comparison.counts(fact).into_iter().filter(|(verdict, _)| which(*verdict)).map(|(_, count)| count).sum()
}

fn cell(comparison: &Comparison, fact: Fact) -> String {
    let parts = comparison.counts(fact).into_iter().map(|(verdict, count)| match verdict {
        Verdict::Agree => format!("{count} agree"),
        Verdict::Differ => format!("{count} DIFFER"),
        Verdict::Accepted(_) => format!("{count} accepted"),
        Verdict::OnlyOurs => format!("{count} ours only"),
        Verdict::OnlyTheirs => format!("{count} tshark only"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Prints every difference, explained or not; returns the number of unexplained ones. A fact that tshark alone sees counts too.
pub(crate) fn differences(comparisons: &[Comparison]) -> usize {
    let mut unexplained = 0;
    for comparison in comparisons {
        for row in comparison.rows.iter().filter(|row| row.verdict != Verdict::Agree) {
            unexplained += usize::from(matches!(row.verdict, Verdict::Differ | Verdict::OnlyTheirs));
            println!("{}", describe(comparison, row));
        }
    }
    unexplained
}

fn describe(comparison: &Comparison, row: &Row) -> String {
    let verdict = match row.verdict {
        Verdict::Accepted(reason) => format!("accepted: {reason}"),
        Verdict::Differ => "DIFFER".to_owned(),
        Verdict::OnlyOurs => "seen by the reader alone".to_owned(),
        Verdict::OnlyTheirs => "seen by tshark alone".to_owned(),
        Verdict::Agree => "agree".to_owned(),
    };
    let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
    format!(
        "{}, {}, {}: {verdict}\n  reader: {}\n  tshark: {}",
        comparison.capture,
        row.ends,
        row.fact.name(),
        list(&row.ours),
        list(&row.theirs)
    )
}
