//! Draws the terminal.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line as TextLine, Span},
    widgets::{Block, Paragraph, Row, Sparkline, Table},
};
use sensor_core::level::Severity;
use sensor_dissect::escape::shown;

use super::{
    rates::{PerSecond, Rates},
    sample::Sample,
};
use crate::{
    alerts,
    status::{Output, Status, text},
};

/// Width from which incidents and outputs are side by side.
const WIDE: u16 = 160;

/// Width of the list of incidents from which it has all columns.
const ROOMY: u16 = 100;

/// Most lines of problems.
const MAX_PROBLEMS: usize = 3;

/// Keys.
const KEYS: &str = "q ends  ↑ ↓ scroll the incidents";

/// A picture of the agent at one moment.
pub(super) struct View<'a> {
    pub(super) sample: Option<&'a Sample>,
    pub(super) rates: &'a Rates,
    /// Incidents above the first one that is shown.
    pub(super) scrolled: usize,
    pub(super) has_colours: bool,
}

impl View<'_> {
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let Some(sample) = self.sample else {
            frame.render_widget(TextLine::from("asking the agent …"), frame.area());
            return;
        };
        let problems = self.problems(sample);
        let outputs = sample.status.as_ref().map_or(&[][..], |status| &status.outputs);
        let [head, above, below, foot] = Layout::vertical([
            Constraint::Length(1 + problems.len() as u16),
            Constraint::Length(5),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let mut lines = vec![TextLine::from(title(sample))];
        lines.extend(problems);
        frame.render_widget(Paragraph::new(lines), head);
        self.draw_rates(sample, frame, above);
        let (incidents, deliveries) = if frame.area().width >= WIDE {
            let [left, right] = Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(below);
            (left, right)
        } else {
            let rows = (outputs.len() as u16).min(below.height / 3) + 3;
            let [upper, lower] =
                Layout::vertical([Constraint::Min(0), Constraint::Length(rows)]).areas(below);
            (upper, lower)
        };
        self.draw_incidents(sample, frame, incidents);
        self.draw_outputs(outputs, frame, deliveries);
        frame.render_widget(TextLine::from(KEYS), foot);
    }

    /// What is wrong, or why nothing is known.
    fn problems<'s>(&self, sample: &'s Sample) -> Vec<TextLine<'s>> {
        let lines = match &sample.status {
            Ok(status) => &status.problems[..status.problems.len().min(MAX_PROBLEMS)],
            Err(reason) => std::slice::from_ref(reason),
        };
        let style = self.style(Color::Red, Modifier::BOLD);
        lines.iter().map(|line| TextLine::styled(shown(line.as_bytes()).to_string(), style)).collect()
    }

    fn draw_rates(&self, sample: &Sample, frame: &mut Frame<'_>, area: Rect) {
        let block = Block::bordered().title(" packets on watched ports, per second ");
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let [picture, numbers] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(inner);
        let shown = self.rates.seen.len().min(picture.width.into());
        let seen = self.rates.seen.iter().skip(self.rates.seen.len() - shown).copied();
        let line = Sparkline::default().data(seen).style(self.style(Color::Cyan, Modifier::empty()));
        frame.render_widget(line, picture);
        let now = self.rates.now.as_ref().map_or_else(|| "-".to_owned(), rates);
        let total = sample.status.as_ref().map(totals).unwrap_or_default();
        frame.render_widget(TextLine::from(format!("{now}{total}")), numbers);
    }

    fn draw_incidents(&self, sample: &Sample, frame: &mut Frame<'_>, area: Rect) {
        // On a narrow terminal, what happened needs the room of the time and of the number of connections.
        let columns: &[usize] = if area.width < ROOMY { &[0, 2, 3, 4, 6] } else { &[0, 1, 2, 3, 4, 5, 6] };
        let rows = sample.incidents.iter().skip(self.scrolled).map(|(severity, cells)| {
            let mut spans: Vec<Span<'_>> = columns.iter().map(|at| Span::raw(cells[*at].as_str())).collect();
            spans[0] = spans[0].clone().style(self.severity(*severity));
            Row::new(spans)
        });
        let widest = |column: usize| {
            let widths = sample.incidents.iter().map(|(_, cells)| Span::raw(cells[column].as_str()).width());
            widths.max().unwrap_or(0).min(if area.width < ROOMY { 15 } else { 24 }) as u16
        };
        let widths = [
            Constraint::Length(8),
            Constraint::Length(15),
            Constraint::Length(widest(2).max(13)),
            Constraint::Length(widest(3).max(13)),
            Constraint::Min(10),
            Constraint::Length(4),
            Constraint::Length(4),
        ];
        let widths = columns.iter().map(|at| widths[*at]);
        let header = Row::new(columns.iter().map(|at| alerts::COLUMNS[*at]))
            .style(self.style(Color::Reset, Modifier::BOLD));
        let title = format!(" incidents ({}) ", sample.incidents.len());
        let table = Table::new(rows, widths).header(header).block(Block::bordered().title(title));
        frame.render_widget(table, area);
    }

    fn draw_outputs(&self, outputs: &[Output], frame: &mut Frame<'_>, area: Rect) {
        let rows = outputs.iter().map(|one| {
            let fails = one.last_error.as_ref().map(|error| &error.at) > one.last_success.as_ref();
            let last = match &one.last_error {
                Some(error) if fails => shown(error.reason.as_bytes()).to_string(),
                _ => one.last_success.clone().unwrap_or_else(|| "-".to_owned()),
            };
            let numbers = [one.delivered, one.waiting, one.errors].map(|number| number.to_string());
            let style =
                if fails && one.waiting > 0 { self.style(Color::Red, Modifier::BOLD) } else { Style::new() };
            Row::new([vec![one.name.clone()], numbers.to_vec(), vec![last]].concat()).style(style)
        });
        let widths = [
            Constraint::Length(16),
            Constraint::Length(9),
            Constraint::Length(8),
            Constraint::Length(7),
            Constraint::Min(10),
        ];
        let header = Row::new(["OUTPUT", "DELIVERED", "WAITING", "ERRORS", "LAST"])
            .style(self.style(Color::Reset, Modifier::BOLD));
        let table = Table::new(rows, widths).header(header).block(Block::bordered().title(" outputs "));
        frame.render_widget(table, area);
    }

    fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Critical => self.style(Color::Red, Modifier::BOLD),
            Severity::High => self.style(Color::Red, Modifier::empty()),
            Severity::Medium => self.style(Color::Yellow, Modifier::empty()),
            Severity::Low => Style::new(),
        }
    }

    /// A colour where there are colours, and whatever else distinguishes it.
    fn style(&self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.has_colours { style.fg(colour) } else { style }
    }
}

fn title(sample: &Sample) -> String {
    match &sample.status {
        Ok(status) => {
            let names: Vec<_> = status.interfaces.iter().map(|one| one.name.as_str()).collect();
            format!(
                "smb-sensor {}  up {}  {}  profile {}  enforcement {}",
                status.version,
                text::span(status.uptime_seconds),
                names.join(" "),
                status.profile,
                status.enforcement
            )
        }
        Err(_) => "smb-sensor".to_owned(),
    }
}

fn rates(now: &PerSecond) -> String {
    format!(
        "seen {:.0}  kept {:.0}  records {:.0}  lost {:.0}  documents {:.1}",
        now.seen, now.kept, now.records, now.lost, now.documents
    )
}

fn totals(status: &Status) -> String {
    format!("   in all: seen {}  lost {}", status.packets.seen, status.ring.lost)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

    use super::*;
    use crate::status::{Failure, InterfaceStatus};

    fn sample() -> Sample {
        let lan0 = InterfaceStatus { name: "lan0".into(), ..InterfaceStatus::default() };
        let siem = Output {
            name: "siem".into(),
            delivered: 5,
            waiting: 7,
            last_error: Some(Failure { at: "T".into(), reason: "\x1b[2Jrefused".into() }),
            ..Output::default()
        };
        let status = Status {
            problems: vec!["the output siem fails: 7 documents wait for it".into()],
            version: "1.2.3".into(),
            uptime_seconds: 61,
            interfaces: vec![lan0],
            outputs: vec![siem],
            ..Status::default()
        };
        let incident = |severity: Severity, id: &str| {
            let cells = ["", "29 Nov 10:14:07", "10.0.0.2 PC", "8.8.4.4", "an NTLM credential", "3", id];
            let mut cells = cells.map(str::to_owned);
            severity.name().clone_into(&mut cells[0]);
            (severity, cells)
        };
        let incidents = vec![incident(Severity::Critical, "7f3a"), incident(Severity::Low, "0b1c")];
        Sample { taken: Instant::now(), status: Ok(status), incidents }
    }

    fn drawn(
        sample: Option<&Sample>,
        scrolled: usize,
        has_colours: bool,
        (width, height): (u16, u16),
    ) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let rates = Rates::default();
        let view = View { sample, rates: &rates, scrolled, has_colours };
        terminal.draw(|frame| view.draw(frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        let width = buffer.area.width.into();
        let rows = buffer.content.chunks(width);
        rows.map(|row| {
            row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
        })
        .collect()
    }

    #[test]
    fn everything_is_on_the_smallest_usual_terminal_and_on_a_wide_one() {
        for size in [(80, 24), (200, 50)] {
            let text = lines(&drawn(Some(&sample()), 0, true, size)).join("\n");
            for part in [
                "smb-sensor 1.2.3  up 1 min 1 s  lan0",
                "the output siem fails",
                "10.0.0.2 PC",
                "7f3a",
                "0b1c",
            ] {
                assert!(text.contains(part), "{part} is missing:\n{text}");
            }
            assert!(text.contains("refused") && !text.contains('\x1b'), "{text}");
            assert!(text.ends_with(KEYS), "{text}");
        }
        let incidents_of =
            |lines: &[String]| lines.iter().position(|line| line.contains(" incidents ")).unwrap();
        let outputs_of = |lines: &[String]| lines.iter().position(|line| line.contains(" outputs ")).unwrap();
        let wide = lines(&drawn(Some(&sample()), 0, true, (200, 50)));
        assert_eq!(incidents_of(&wide), outputs_of(&wide), "side by side");
    }

    #[test]
    fn tiny_terminal_is_no_error() {
        for size in [(1, 1), (20, 5), (79, 8)] {
            drawn(Some(&sample()), 0, true, size);
        }
    }

    #[test]
    fn there_is_no_colour_without_colours() {
        let has_colour = |has_colours| {
            let buffer = drawn(Some(&sample()), 0, has_colours, (80, 24));
            buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
        };
        assert!(has_colour(true) && !has_colour(false));
    }

    #[test]
    fn scrolling_leaves_the_first_incidents_out() {
        let text = lines(&drawn(Some(&sample()), 1, true, (80, 24))).join("\n");
        assert!(!text.contains("7f3a") && text.contains("0b1c"), "{text}");
    }

    #[test]
    fn reason_is_shown_if_no_agent_runs() {
        let sample = Sample { status: Err("no agent runs on /x".into()), ..sample() };
        let text = lines(&drawn(Some(&sample), 0, true, (80, 24))).join("\n");
        assert!(text.contains("no agent runs on /x") && text.contains("7f3a"), "{text}");
        let nothing = lines(&drawn(None, 0, true, (80, 24))).join("\n");
        assert!(nothing.starts_with("asking the agent"), "{nothing}");
    }
}
