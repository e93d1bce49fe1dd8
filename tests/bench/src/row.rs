//! One row of the result: the measurement, its comparison, and its target.

use crate::samples::{REPETITIONS, Samples, Statistic};

/// The unit of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds a packet or a lookup.
    Nanoseconds,
    /// Millions a second.
    MillionsPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Percent of one core.
    PercentOfCore,
    /// Events a second.
    PerSecond,
    /// Megabytes (10^6).
    Megabytes,
}

impl Unit {
    /// As a person writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::MillionsPerSecond => "M/s",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::PercentOfCore => "% core",
            Self::PerSecond => "/s",
            Self::Megabytes => "MB",
        }
    }
}

/// A bound: of the comparison if a row has one, otherwise of its figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
}

impl Target {
    /// The bound itself.
    pub(crate) const fn bound(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
        }
    }

    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// The verdict on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The target is met.
    Met,
    /// The target is missed.
    Missed,
    /// The repetitions differ by more than the distance to the target.
    Unclear,
    /// There was no target.
    Unrated,
    /// It could not be measured here.
    NotMeasured,
}

impl Verdict {
    /// Its name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Unclear => "unclear",
            Self::Unrated => "",
            Self::NotMeasured => "not measured",
        }
    }
}

/// How a row is compared with something else.
#[derive(Clone, Debug)]
pub(crate) enum Comparison {
    /// The row divided by it.
    Ratio,
    /// The cost that the row adds to a floor, divided by the cost that the other adds to it.
    AddedRatio(Samples),
    /// The row less the other.
    Difference,
}

/// The comparison of a row.
#[derive(Clone, Debug)]
pub(crate) struct Against {
    /// Name.
    pub name: &'static str,
    /// Its samples, of the same rounds.
    pub samples: Samples,
    /// How.
    pub comparison: Comparison,
}

/// A figure and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The middle one of the repetitions.
    pub value: f64,
    /// The greatest less the least of them; `None` if nothing was repeated.
    pub spread: Option<f64>,
}

impl Figure {
    fn of(repetitions: Vec<f64>) -> Self {
        let spread = |all: &Samples| all.max() - all.min();
        let count = repetitions.len();
        let all = Samples::new(repetitions);
        Self { value: all.median(), spread: (count >= REPETITIONS).then(|| spread(&all)) }
    }
}

/// One row of the result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its group.
    pub group: &'static str,
    /// Its subject.
    pub what: String,
    /// Unit of all its numbers except a ratio.
    pub unit: Unit,
    /// How its samples become one figure.
    pub statistic: Statistic,
    /// The measurement, or why there is none.
    pub samples: Result<Samples, String>,
    /// Its comparison.
    pub against: Option<Against>,
    /// Its target.
    pub target: Option<Target>,
    /// A remark.
    pub note: Option<String>,
}

impl Row {
    /// A row without a comparison.
    pub(crate) fn new(group: &'static str, what: impl Into<String>, unit: Unit, samples: Samples) -> Self {
        Self {
            group,
            what: what.into(),
            unit,
            statistic: Statistic::Median,
            samples: Ok(samples),
            against: None,
            target: None,
            note: None,
        }
    }

    /// A row that could not be measured, and why.
    pub(crate) fn not_measured(
        group: &'static str,
        what: impl Into<String>,
        unit: Unit,
        why: impl Into<String>,
    ) -> Self {
        Self { samples: Err(why.into()), ..Self::new(group, what, unit, Samples::default()) }
    }

    /// Takes the low decile of its samples and of those that it is compared with.
    pub(crate) fn of_short_rounds(self) -> Self {
        Self { statistic: Statistic::LowDecile, ..self }
    }

    /// Compares it with `samples` of the same rounds.
    pub(crate) fn against(self, name: &'static str, samples: &Samples) -> Self {
        self.compared(name, samples, Comparison::Ratio)
    }

    /// Compares the cost that it adds to `floor` with the cost that `samples` add to it.
    pub(crate) fn added_against(self, name: &'static str, samples: &Samples, floor: &Samples) -> Self {
        self.compared(name, samples, Comparison::AddedRatio(floor.clone()))
    }

    /// Shows the cost that it adds to `samples`.
    pub(crate) fn added_to(self, name: &'static str, samples: &Samples) -> Self {
        self.compared(name, samples, Comparison::Difference)
    }

    fn compared(self, name: &'static str, samples: &Samples, comparison: Comparison) -> Self {
        Self { against: Some(Against { name, samples: samples.clone(), comparison }), ..self }
    }

    /// Sets its target.
    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Adds a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Its own figure.
    pub(crate) fn own(&self) -> Option<Figure> {
        let samples = self.samples.as_ref().ok()?;
        Some(Figure::of(samples.repetitions().iter().map(|one| one.figure(self.statistic)).collect()))
    }

    /// The result of its comparison.
    pub(crate) fn comparison(&self) -> Option<Figure> {
        let (samples, against) = (self.samples.as_ref().ok()?, self.against.as_ref()?);
        let of = |samples: &Samples| samples.figure(self.statistic);
        let (own, other) = (samples.repetitions(), against.samples.repetitions());
        let pairs = own.iter().zip(&other);
        let results = match &against.comparison {
            // A disturbance of a whole round disturbs no ratio.
            Comparison::Ratio if self.statistic == Statistic::Median => {
                pairs.map(|(own, other)| own.by(other).median()).collect()
            }
            Comparison::Ratio => pairs.map(|(own, other)| of(own) / of(other)).collect(),
            Comparison::Difference => pairs.map(|(own, other)| of(own) - of(other)).collect(),
            Comparison::AddedRatio(floor) => {
                let added = |(one, floor): (&Samples, f64)| of(one) - floor;
                let triples = pairs.zip(floor.repetitions());
                triples
                    .map(|((own, other), floor)| added((own, of(&floor))) / added((other, of(&floor))))
                    .collect()
            }
        };
        Some(Figure::of(results))
    }

    /// The figure to compare with the target.
    pub(crate) fn figure(&self) -> Option<Figure> {
        if self.against.is_some() { self.comparison() } else { self.own() }
    }

    /// Its verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.figure(), self.target) {
            (None, _) => Verdict::NotMeasured,
            (Some(_), None) => Verdict::Unrated,
            (Some(Figure { value, spread: Some(spread) }), Some(target))
                if spread > (value - target.bound()).abs() =>
            {
                Verdict::Unclear
            }
            (Some(figure), Some(target)) if target.is_met_by(figure.value) => Verdict::Met,
            (Some(_), Some(_)) => Verdict::Missed,
        }
    }

    /// Where its target is on the scale of its own figure.
    pub(crate) fn target_value(&self) -> Option<f64> {
        let bound = self.target?.bound();
        let Some(against) = &self.against else { return Some(bound) };
        let of = |samples: &Samples| samples.figure(self.statistic);
        let other = of(&against.samples);
        Some(match &against.comparison {
            Comparison::Ratio => bound * other,
            Comparison::Difference => bound + other,
            Comparison::AddedRatio(floor) => of(floor) + bound * (other - of(floor)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(samples: &[f64]) -> Row {
        Row::new("group", "what", Unit::Nanoseconds, Samples::new(samples.to_vec()))
    }

    #[test]
    fn compares_the_ratio_where_it_exists_and_the_median_otherwise() {
        let baseline = Samples::new(vec![2.0, 2.0]);
        let ratio = row(&[3.0, 3.0]).against("other", &baseline);
        assert_eq!(ratio.clone().target(Target::AtMost(1.5)).verdict(), Verdict::Met);
        assert_eq!(ratio.target(Target::AtMost(1.4)).verdict(), Verdict::Missed);
        assert_eq!(row(&[3.0]).target(Target::AtLeast(3.0)).verdict(), Verdict::Met);
    }

    #[test]
    fn unmeasured_row_is_neither_met_nor_missed() {
        let row = Row::not_measured("group", "what", Unit::Seconds, "no such program");
        assert_eq!(row.target(Target::AtMost(1.0)).verdict(), Verdict::NotMeasured);
    }

    #[test]
    fn no_verdict_where_repetitions_differ_by_more_than_the_distance() {
        let samples = [1.0, 1.05, 1.2];
        let figure = row(&samples).figure().unwrap();
        assert!(figure.value == 1.05 && (figure.spread.unwrap() - 0.2).abs() < 1e-9, "{figure:?}");
        assert_eq!(row(&samples).target(Target::AtMost(1.1)).verdict(), Verdict::Unclear);
        assert_eq!(row(&samples).target(Target::AtMost(2.0)).verdict(), Verdict::Met);
        assert_eq!(row(&samples).target(Target::AtMost(0.5)).verdict(), Verdict::Missed);
    }

    #[test]
    fn added_cost_is_compared_above_the_floor() {
        let (floor, filter) = (Samples::new(vec![6.0; 3]), Samples::new(vec![10.0; 3]));
        let added = row(&[12.0; 3]).added_against("filter", &filter, &floor).target(Target::AtMost(2.0));
        assert_eq!(added.comparison(), Some(Figure { value: 1.5, spread: Some(0.0) }));
        assert_eq!(added.target_value(), Some(14.0));
        let difference = row(&[12.0; 3]).added_to("floor", &floor).target(Target::AtMost(5.0));
        assert_eq!((difference.figure().unwrap().value, difference.target_value()), (6.0, Some(11.0)));
    }
}
