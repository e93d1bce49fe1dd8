//! The result as a picture: one bar for each row on a logarithmic scale, with its range and its target. Rows of a group share a
//! scale.

use std::fmt::Write as _;

use crate::{
    row::{Row, Verdict},
    table::{bound, number, result},
};

const WIDTH: u32 = 1_040;
const LABELS: u32 = 330;
const BARS: u32 = 380;
const LINE: u32 = 22;
const STYLE: &str = ":root{--back:#fff;--text:#222;--soft:#5c5c5c;--met:#2a7f4f;--missed:#b3372f;--unclear:#b7791f;\
    --unrated:#6b7f99}@media(prefers-color-scheme:dark){:root{--back:#16191d;--text:#e6e6e6;--soft:#a5a9ae;--met:#4fae7c;\
    --missed:#e0685f;--unclear:#dba24a;--unrated:#8499b3}}.back{fill:var(--back)}\
    text{font:13px system-ui,sans-serif;fill:var(--text)}.h{font-weight:600}.s{fill:var(--soft)}.met{fill:var(--met)}\
    .missed{fill:var(--missed)}.unclear{fill:var(--unclear)}.unrated{fill:var(--unrated)}\
    .range{stroke:var(--text);stroke-opacity:.55}.target{stroke:var(--text);stroke-width:2}";

/// A logarithmic scale over the numbers of a group.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let positive = values.filter(|value| *value > 0.0 && value.is_finite());
        let (least, most) = positive
            .fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| (least.min(value), most.max(value)));
        // The shortest bar is still a bar.
        Self { least: least / 2.0, most: most.max(least) }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(self.least) / self.least).ln() / (self.most / self.least).ln();
        f64::from(BARS) * share.clamp(0.0, 1.05)
    }
}

/// An SVG image of all rows that were measured.
pub(crate) fn draw(rows: &[Row], title: &str) -> String {
    let mut body = String::new();
    let mut y = 2 * LINE;
    let mut drawn: Vec<&Row> = rows.iter().filter(|row| row.samples.is_ok()).collect();
    while let Some(first) = drawn.first() {
        let (group, unit) = (first.group, first.unit);
        let (these, others): (Vec<&Row>, Vec<&Row>) =
            drawn.into_iter().partition(|row| (row.group, row.unit) == (group, unit));
        drawn = others;
        y += LINE;
        let heading = format!("{group} ({}, logarithmic)", unit.name());
        let _ = writeln!(body, "<text class=\"h\" x=\"10\" y=\"{y}\">{}</text>", escape(&heading));
        let figures = these.iter().filter_map(|row| Some(row.own()?.value));
        let scale = Scale::of(figures.chain(these.iter().filter_map(|row| row.target_value())));
        for row in &these {
            y += LINE;
            bar(&mut body, row, y, &scale);
        }
    }
    let height = y + LINE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"h\" x=\"10\" y=\"{LINE}\">{}</text>\n{body}</svg>\n",
        escape(title)
    )
}

fn bar(body: &mut String, row: &Row, y: u32, scale: &Scale) {
    let (Ok(samples), Some(own)) = (&row.samples, row.own()) else { return };
    let (class, what) = match row.verdict() {
        Verdict::Met => ("met", "met"),
        Verdict::Missed => ("missed", "missed"),
        Verdict::Unclear => ("unclear", "unclear"),
        Verdict::Unrated | Verdict::NotMeasured => ("unrated", ""),
    };
    let mut value = number(own.value);
    if let (Some(against), Some(result)) = (&row.against, result(row)) {
        let _ = write!(value, " = {result} {}", against.name);
    }
    if let Some(target) = row.target {
        let _ = write!(value, " ({}, {what})", bound(target));
    }
    let (low, high) = (scale.at(samples.min()), scale.at(samples.max()));
    let left = f64::from(LABELS);
    let _ = writeln!(
        body,
        "<text x=\"20\" y=\"{y}\">{label}</text><rect class=\"{class}\" x=\"{LABELS}\" y=\"{top}\" width=\"{width:.1}\" \
         height=\"12\"/><path class=\"range\" d=\"M{from:.1} {middle}H{to:.1}\"/>{target}<text class=\"s\" x=\"{after:.1}\" \
         y=\"{y}\">{value}</text>",
        label = escape(&row.what),
        top = y - 11,
        width = scale.at(own.value),
        from = left + low,
        to = left + high,
        middle = y - 5,
        target = row.target_value().map(|value| target_line(left + scale.at(value), y)).unwrap_or_default(),
        after = left + f64::from(BARS) * 1.05 + 8.0,
        value = escape(&value),
    );
}

fn target_line(x: f64, y: u32) -> String {
    format!("<path class=\"target\" d=\"M{x:.1} {}V{}\"/>", y - 14, y + 4)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        row::{Target, Unit},
        samples::Samples,
    };

    #[test]
    fn draws_measured_rows_and_escapes_names() {
        let rows = [
            Row::new("a < b", "one & two", Unit::Seconds, Samples::new(vec![1.0, 2.0]))
                .target(Target::AtMost(2.0)),
            Row::not_measured("a < b", "three", Unit::Seconds, "no"),
        ];
        let picture = draw(&rows, "title");
        assert!(picture.contains("a &lt; b") && picture.contains("one &amp; two"));
        assert!(picture.contains("class=\"met\"") && picture.contains("class=\"target\""));
        assert!(!picture.contains("three"));
    }

    #[test]
    fn equal_ratios_are_equal_distances() {
        let scale = Scale::of([1.0, 10.0, 100.0].into_iter());
        let distances = [scale.at(10.0) - scale.at(1.0), scale.at(100.0) - scale.at(10.0)];
        assert!((distances[0] - distances[1]).abs() < 1e-9, "{distances:?}");
        assert_eq!(scale.at(0.0), 0.0);
    }
}
