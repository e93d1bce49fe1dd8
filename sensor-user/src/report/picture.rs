//! The pictures of a report: shapes and their positions, which the template draws as SVG.

use sensor_core::{level::Severity, rules::sentence::bytes};

use super::{pairs::Pair, severities::Severities, verdicts::Verdicts, weeks::Week};
use crate::alerts::cut;

/// Width of a picture.
pub(super) const WIDTH: u64 = 720;

/// A rectangle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) class: &'static str,
}

/// A text beside a rectangle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) text: String,
}

/// A column for each week, with a part for each severity, the worst at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) height: u64,
    /// The line on which columns stand.
    pub(super) ground: u64,
    pub(super) parts: Vec<Part>,
    /// Numbers above columns, and days below them.
    pub(super) numbers: Vec<Label>,
    pub(super) days: Vec<Label>,
    /// The same in words.
    pub(super) sentence: String,
}

impl Columns {
    pub(super) fn of(weeks: &[Week]) -> Self {
        const TOP: u64 = 22;
        const TALLEST: u64 = 180;
        let ground = TOP + TALLEST;
        let step = WIDTH / (weeks.len() as u64).max(1);
        let width = (step * 7 / 10).clamp(2, 60);
        let most = weeks.iter().map(|week| week.opened.total()).max().unwrap_or(0).max(1);
        // Of many weeks, not every one has room for its day.
        let every = weeks.len().div_ceil(12).max(1);
        let (mut parts, mut numbers, mut days, mut words) = (vec![], vec![], vec![], vec![]);
        for (place, week) in weeks.iter().enumerate() {
            let middle = place as u64 * step + step / 2;
            let mut y = ground;
            for (class, count) in week.opened.named() {
                let height = scaled(count, most, TALLEST);
                y = y.saturating_sub(height);
                if height > 0 {
                    parts.push(Part { x: middle - width / 2, y, width, height, class });
                }
            }
            let total = week.opened.total();
            if total > 0 && every <= 2 {
                numbers.push(Label { x: middle, y: y.saturating_sub(5), text: total.to_string() });
            }
            if place % every == 0 {
                let day = week.begins.get(5..).unwrap_or_default().to_owned();
                days.push(Label { x: middle, y: ground + 17, text: day });
            }
            words.push(format!("week of {}: {}", week.begins, in_words(&week.opened)));
        }
        Self { height: ground + 24, ground, parts, numbers, days, sentence: words.join("; ") }
    }
}

/// Rows with a bar of several parts each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bars {
    pub(super) height: u64,
    pub(super) parts: Vec<Part>,
    pub(super) labels: Vec<Label>,
    /// The same in words.
    pub(super) sentence: String,
}

/// Height of a row of bars.
const ROW: u64 = 44;

impl Bars {
    /// A row for each severity, with a part for each verdict.
    pub(super) fn of_verdicts(verdicts: &Verdicts) -> Self {
        let names = verdicts.named().map(|(name, _)| name);
        let rows = Severity::ALL.into_iter().rev().map(|severity| {
            let counts = verdicts.of_severity(severity);
            let words: Vec<_> = names
                .iter()
                .zip(counts)
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| format!("{count} {name}"))
                .collect();
            let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
            let classes = ["confirmed", "benign", "duplicate", "open"];
            (format!("{severity}: {words}"), classes.into_iter().zip(counts).collect())
        });
        Self::of(rows.collect())
    }

    /// A row for each pair, with what left and what came in.
    pub(super) fn of_pairs(pairs: &[Pair]) -> Self {
        let host = |address: &str, name: Option<&str>| match name {
            Some(name) => format!("{address} ({name})"),
            None => address.to_owned(),
        };
        let rows = pairs.iter().map(|pair| {
            let internal = host(&pair.internal, pair.internal_name.as_deref());
            let external = host(&pair.external, pair.external_name.as_deref());
            let ends = format!("{} and {}", cut(&internal, 36), cut(&external, 36));
            let (left, came) = (bytes(pair.left_bytes), bytes(pair.came_bytes));
            let parts = vec![("left", pair.left_bytes), ("came", pair.came_bytes)];
            (format!("{ends}: {left} left, {came} came in"), parts)
        });
        Self::of(rows.collect())
    }

    fn of(rows: Vec<(String, Vec<(&'static str, u64)>)>) -> Self {
        let total =
            |parts: &[(&str, u64)]| parts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let most = rows.iter().map(|(_, parts)| total(parts)).max().unwrap_or(0).max(1);
        let (mut all, mut labels) = (vec![], vec![]);
        for ((text, counts), row) in rows.iter().zip(0..) {
            let top = row * ROW;
            labels.push(Label { x: 0, y: top + 14, text: text.clone() });
            let mut x = 0;
            for (class, count) in counts {
                let width = scaled(*count, most, WIDTH).min(WIDTH - x);
                if width > 0 {
                    all.push(Part { x, y: top + 20, width, height: 14, class });
                }
                x += width;
            }
        }
        let sentence = rows.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join("; ");
        Self { height: labels.len() as u64 * ROW, parts: all, labels, sentence }
    }
}

/// A length for a number. Nothing that is there is too small to be seen.
fn scaled(count: u64, most: u64, longest: u64) -> u64 {
    let length = u128::from(count) * u128::from(longest) / u128::from(most);
    if count == 0 { 0 } else { u64::try_from(length).unwrap_or(longest).clamp(2, longest) }
}

fn in_words(counts: &Severities) -> String {
    let words: Vec<_> = counts
        .named()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(day: u64, critical: u64, low: u64) -> Week {
        let opened = Severities { critical, low, ..Severities::default() };
        Week { begins: format!("2026-11-{day:02}"), opened }
    }

    #[test]
    fn columns_stand_on_the_ground_and_the_tallest_fills_the_picture() {
        let columns = Columns::of(&[week(2, 1, 3), week(9, 0, 0), week(16, 0, 1)]);
        let [critical, low, single] = &columns.parts[..] else { panic!("{:?}", columns.parts) };
        assert_eq!(critical.y + critical.height, columns.ground);
        assert_eq!(low.y + low.height, critical.y, "stacked");
        assert_eq!((critical.height, low.height, single.height), (45, 135, 45));
        assert_eq!(columns.numbers.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["4", "1"]);
        assert_eq!(
            columns.sentence,
            "week of 2026-11-02: 1 critical, 3 low; week of 2026-11-09: none; week of 2026-11-16: 1 low"
        );
    }

    #[test]
    fn every_column_is_inside_the_picture() {
        for weeks in [0, 1, 5, 53] {
            let weeks: Vec<_> = (0..weeks).map(|day| week(day, day, u64::MAX / 4)).collect();
            let columns = Columns::of(&weeks);
            assert!(
                columns
                    .parts
                    .iter()
                    .all(|part| part.x + part.width <= WIDTH && part.y + part.height <= columns.ground)
            );
            assert!(columns.days.len() <= 12);
        }
    }

    #[test]
    fn bars_are_as_long_as_their_share_of_the_longest() {
        let mut verdicts = Verdicts::default();
        verdicts.confirmed.critical = 1;
        verdicts.none.critical = 3;
        verdicts.benign.low = 2;
        let bars = Bars::of_verdicts(&verdicts);
        let shown: Vec<_> = bars.parts.iter().map(|part| (part.class, part.x, part.width)).collect();
        assert_eq!(shown, [("confirmed", 0, 180), ("open", 180, 540), ("benign", 0, 360)]);
        assert!(
            bars.sentence.starts_with("critical: 1 confirmed, 3 no verdict; high: none"),
            "{}",
            bars.sentence
        );
        let rows = vec![(String::new(), vec![("left", u64::MAX), ("came", u64::MAX)])];
        assert!(Bars::of(rows).parts.iter().all(|part| part.x + part.width <= WIDTH));
    }
}
