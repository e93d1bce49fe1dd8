//! The list: one line for each incident.

use std::io::{self, IsTerminal as _};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets::NOTHING};
use sensor_core::{
    incident::{Incident, Party, message},
    level::Severity,
    time::Timestamp,
};
use sensor_dissect::escape::shown;
use time::{OffsetDateTime, macros::format_description};

const COLUMNS: [&str; 7] =
    ["SEVERITY", "LAST SEEN", "INTERNAL HOST", "EXTERNAL HOST", "WHAT HAPPENED", "CONN", "ID"];

/// Digits of an identifier that are shown at least.
const SHORTEST_ID: usize = 4;

/// Where the list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// Whether it has colours.
    pub(super) colours: bool,
    /// Whether lines are broken to its width.
    pub(super) wraps: bool,
}

impl Terminal {
    /// Standard output. Colours end with NO_COLOR (no-color.org).
    pub(super) fn here() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: is_terminal && !no_color, wraps: is_terminal }
    }
}

/// The table, or a line that says that there is nothing.
pub(super) fn table(incidents: &[Incident], terminal: &Terminal) -> String {
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(COLUMNS);
    if terminal.wraps {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    let digits = digits(incidents);
    for incident in incidents {
        let mut row = vec![severity(incident.severity, terminal.colours)];
        let texts = [
            minute(incident.last),
            party(&incident.internal),
            party(&incident.external),
            message::summary(incident),
            incident.counted.connections.to_string(),
            incident.id.to_string()[..digits].to_owned(),
        ];
        row.extend(texts.iter().map(|text| Cell::new(shown(text.as_bytes()))));
        table.add_row(row);
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

/// Digits that tell all of them apart.
fn digits(incidents: &[Incident]) -> usize {
    let ids: Vec<_> = incidents.iter().map(|incident| incident.id.to_string()).collect();
    let distinct = |digits: &usize| {
        let mut beginnings: Vec<_> = ids.iter().map(|id| &id[..*digits]).collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        beginnings.len() == ids.len()
    };
    (SHORTEST_ID..16).find(distinct).unwrap_or(16)
}

fn severity(severity: Severity, colours: bool) -> Cell {
    let cell = Cell::new(severity.name());
    if !colours {
        return cell;
    }
    match severity {
        Severity::Critical => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Severity::High => cell.fg(Color::Red),
        Severity::Medium => cell.fg(Color::Yellow),
        Severity::Low => cell,
    }
}

fn party(party: &Party) -> String {
    match (party.addresses.as_slice(), &party.name) {
        ([one], Some(name)) => format!("{one} {name}"),
        ([one], None) => one.to_string(),
        ([], _) => "-".to_owned(),
        ([first, ..], _) => {
            let at_least = if party.at_least { "at least " } else { "" };
            format!("{first} … ({at_least}{} addresses)", party.count)
        }
    }
}

/// `29 Nov 10:14:07`, UTC.
fn minute(at: Timestamp) -> String {
    let format = format_description!("[day padding:space] [month repr:short] [hour]:[minute]:[second]");
    OffsetDateTime::from_unix_timestamp_nanos(at.unix_nanos().into())
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_in_a_line() {
        assert_eq!(table(&[], &Terminal { colours: false, wraps: false }), "no incidents\n");
    }
}
