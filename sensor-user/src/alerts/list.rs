//! The list: one line for each incident, or two on a narrow terminal.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::Table;
use sensor_core::{
    incident::{Incident, Party, message},
    level::Severity,
    time::Timestamp,
};
use sensor_dissect::escape::shown;
use time::{OffsetDateTime, macros::format_description};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::response::Verdict;

/// The cells of a line.
pub(crate) type Line = [String; 7];

/// The heads of the columns.
pub(crate) const COLUMNS: [&str; 7] =
    ["SEVERITY", "LAST SEEN (UTC)", "INTERNAL HOST", "EXTERNAL HOST", "WHAT HAPPENED", "CONN", "ID"];

/// Indexes of columns.
const HOSTS: [usize; 2] = [2, 3];
const WHAT: usize = 4;
const CONNECTIONS: usize = 5;

/// Width below which the message gets a line of its own.
const NARROW: usize = 40;

/// Fewest digits of an identifier.
const SHORTEST_ID: usize = 4;

/// The terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// Whether it has colours.
    pub(super) colours: bool,
    /// Its width; `None` if lines may have any length.
    pub(super) width: Option<u16>,
}

impl Terminal {
    /// Standard output. NO_COLOR turns colours off (no-color.org).
    pub(super) fn here() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        // A serial console has no width that it knows.
        let width = if is_terminal { Table::new().width().filter(|width| *width > 0) } else { None };
        Self { colours: is_terminal && !no_color, width }
    }
}

/// The table, or a line that says that there are no incidents. Verdicts are by the identifiers of their incidents.
pub(super) fn table(
    incidents: &[Incident],
    verdicts: &BTreeMap<String, Verdict>,
    terminal: &Terminal,
) -> String {
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let digits = digits(incidents);
    let rows: Vec<_> = incidents
        .iter()
        .map(|incident| (incident.severity, with_verdict(incident, verdicts, digits)))
        .collect();
    let layout = Layout::of(rows.iter().map(|(_, cells)| cells), terminal.width);
    let mut text = layout.lines(&COLUMNS.map(str::to_owned), None);
    for (severity, cells) in &rows {
        text.push_str(&layout.lines(cells, Some(*severity).filter(|_| terminal.colours)));
    }
    text
}

/// An incident as a line, with the shortest identifier.
pub(super) fn line(incident: &Incident) -> Line {
    cells(incident, SHORTEST_ID)
}

/// The cells of an incident, with its verdict before what happened.
fn with_verdict(incident: &Incident, verdicts: &BTreeMap<String, Verdict>, digits: usize) -> Line {
    let mut cells = cells(incident, digits);
    if let Some(verdict) = verdicts.get(&incident.id.to_string()) {
        cells[WHAT] = format!("[{verdict}] {}", cells[WHAT]);
    }
    cells
}

fn cells(incident: &Incident, digits: usize) -> Line {
    [
        incident.severity.name().to_owned(),
        second(incident.last),
        party(&incident.internal),
        party(&incident.external),
        message::summary(incident),
        incident.counted.connections.to_string(),
        incident.id.to_string()[..digits].to_owned(),
    ]
}

/// Number of digits that makes all identifiers unique.
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

/// Widths of the columns.
struct Layout {
    widths: [usize; 7],
    /// Whether the message is below the other columns.
    below: bool,
    /// Total width.
    width: usize,
}

impl Layout {
    fn of<'a>(rows: impl Iterator<Item = &'a Line>, terminal: Option<u16>) -> Self {
        let mut widths = COLUMNS.map(str::len);
        for cells in rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        let gaps = 2 * (COLUMNS.len() - 1);
        let others = widths.iter().sum::<usize>() - widths[WHAT] + gaps;
        let Some(width) = terminal.map(usize::from) else {
            return Self { width: others + widths[WHAT], widths, below: false };
        };
        let rest = width.saturating_sub(others);
        if rest >= widths[WHAT].min(NARROW) {
            widths[WHAT] = widths[WHAT].min(rest);
            return Self { widths, below: false, width };
        }
        let hosts = widths[HOSTS[0]] + widths[HOSTS[1]];
        let over = (others - 2).saturating_sub(width);
        // Long addresses are cut, the longer column first; identifiers never are.
        let available = hosts.saturating_sub(over);
        let [larger, smaller] =
            if widths[HOSTS[0]] > widths[HOSTS[1]] { HOSTS } else { [HOSTS[1], HOSTS[0]] };
        widths[smaller] = widths[smaller].min(available / 2);
        widths[larger] = widths[larger].min(available - widths[smaller]);
        Self { widths, below: true, width }
    }

    fn lines(&self, cells: &Line, severity: Option<Severity>) -> String {
        let mut line = String::new();
        for (place, cell) in cells.iter().enumerate() {
            if place == WHAT && self.below {
                continue;
            }
            let cell = cut(cell, self.widths[place]);
            let padding = " ".repeat(self.widths[place] - cell.width());
            match (place, severity.map(style)) {
                (0, Some(style)) => line.push_str(&format!("{style}{cell}{style:#}{padding}")),
                (CONNECTIONS, _) => line.push_str(&format!("{padding}{cell}")),
                _ => line.push_str(&format!("{cell}{padding}")),
            }
            line.push_str("  ");
        }
        let mut lines = line.trim_end().to_owned() + "\n";
        if self.below {
            lines.push_str(&format!("  {}\n", cut(&cells[WHAT], self.width.saturating_sub(2))));
        }
        lines
    }
}

/// The text, at most `width` columns of it.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

const fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => Style::new(),
    }
}

/// An address with the host name and the autonomous system, or the number of addresses, with their network if that is narrow.
fn party(party: &Party) -> String {
    let Some(address) = party.only_address() else {
        let number = party.phrase();
        return match party.narrow_network() {
            Some(net) => format!("{net} ({number})"),
            None => number,
        };
    };
    let system =
        party.enrichment().and_then(|known| known.autonomous_system.as_ref()).map(ToString::to_string);
    let parts = [Some(address.to_string()), party.best_name().map(|name| shown(name.as_bytes())), system];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `29 Nov 10:14:07`, UTC.
pub(super) fn second(at: Timestamp) -> String {
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
    fn quiet_list_has_no_line() {
        let terminal = Terminal { colours: false, width: None };
        assert_eq!(table(&[], &BTreeMap::new(), &terminal), "no incidents\n");
    }

    #[test]
    fn cuts_text_by_columns_and_marks_it() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("中中中中", 6), "中中…", "a wide character takes two columns");
        assert_eq!(cut("abc", 0), "");
    }
}
