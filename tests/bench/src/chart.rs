//! The result as a picture: one bar per row, from least to greatest with a mark at the median; rows of a group share a scale.

use std::fmt::Write as _;

use crate::{
    row::{Row, Verdict},
    samples::Samples,
    table::{bound, number},
};

const WIDTH: u32 = 960;
const LABELS: u32 = 330;
const BARS: u32 = 380;
const LINE: u32 = 22;
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#222}.h{font-weight:600}.s{fill:#666}\
    .met{fill:#2a7f4f}.missed{fill:#b3372f}.unrated{fill:#6b7f99}.range{stroke:#111;stroke-opacity:.55}";

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
        let _ =
            writeln!(body, "<text class=\"h\" x=\"10\" y=\"{y}\">{} ({})</text>", escape(group), unit.name());
        let samples = || these.iter().filter_map(|row| row.samples.as_ref().ok());
        let most = samples().map(Samples::median).fold(f64::MIN_POSITIVE, f64::max);
        for row in &these {
            y += LINE;
            bar(&mut body, row, y, most);
        }
    }
    let height = y + LINE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text class=\"h\" x=\"10\" y=\"{LINE}\">{}</text>\n{body}</svg>\n",
        escape(title)
    )
}

fn bar(body: &mut String, row: &Row, y: u32, most: f64) {
    let Ok(samples) = &row.samples else { return };
    let (class, what) = match row.verdict() {
        Verdict::Met => ("met", "met"),
        Verdict::Missed => ("missed", "missed"),
        Verdict::Unrated | Verdict::NotMeasured => ("unrated", ""),
    };
    // Outliers are cut off: the median counts.
    let at = |value: f64| f64::from(BARS) * (value / most).clamp(0.0, 1.08);
    let mut value = number(samples.median());
    if let Some(against) = &row.against {
        let _ = write!(value, " = {} × {}", number(against.ratio.median()), against.name);
    }
    if let Some(target) = row.target {
        let _ = write!(value, " ({}, {what})", bound(target));
    }
    let (low, high) = (at(samples.min()), at(samples.max()));
    let _ = writeln!(
        body,
        "<text x=\"20\" y=\"{y}\">{label}</text><rect class=\"{class}\" x=\"{LABELS}\" y=\"{top}\" width=\"{width:.1}\" \
         height=\"12\"/><path class=\"range\" d=\"M{from:.1} {middle}H{to:.1}\"/><text class=\"s\" x=\"{after:.1}\" \
         y=\"{y}\">{value}</text>",
        label = escape(&row.what),
        top = y - 11,
        width = at(samples.median()),
        from = f64::from(LABELS) + low,
        to = f64::from(LABELS) + high,
        middle = y - 5,
        after = f64::from(LABELS) + high.max(at(samples.median())) + 8.0,
        value = escape(&value),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Target, Unit};

    #[test]
    fn draws_measured_rows_and_escapes_names() {
        let rows = [
            Row::new("a < b", "one & two", Unit::Seconds, Samples::new(vec![1.0, 2.0]))
                .target(Target::AtMost(2.0)),
            Row::not_measured("a < b", "three", Unit::Seconds, "no"),
        ];
        let picture = draw(&rows, "title");
        assert!(picture.contains("a &lt; b") && picture.contains("one &amp; two"));
        assert!(picture.contains("class=\"met\"") && !picture.contains("three"));
    }
}
