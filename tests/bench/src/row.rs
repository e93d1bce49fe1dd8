//! One row of the result: the measurement, its comparison, and its target.

use crate::samples::Samples;

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

/// A bound, of the ratio if a row has one, otherwise of the median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
}

impl Target {
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
            Self::Unrated => "",
            Self::NotMeasured => "not measured",
        }
    }
}

/// The comparison of a row.
#[derive(Clone, Debug)]
pub(crate) struct Against {
    /// Name.
    pub name: &'static str,
    /// Its samples.
    pub samples: Samples,
    /// The ratio to it, round by round.
    pub ratio: Samples,
}

/// One row of the result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its group.
    pub group: &'static str,
    /// Its subject.
    pub what: String,
    /// Unit of all its numbers except the ratio.
    pub unit: Unit,
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
        Self { group, what: what.into(), unit, samples: Ok(samples), against: None, target: None, note: None }
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

    /// Compares it with `samples` of the same rounds.
    pub(crate) fn against(mut self, name: &'static str, samples: &Samples) -> Self {
        if let Ok(own) = &self.samples {
            self.against = Some(Against { name, ratio: own.by(samples), samples: samples.clone() });
        }
        self
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

    /// The number to compare with the target.
    pub(crate) fn figure(&self) -> Option<f64> {
        match (&self.against, &self.samples) {
            (Some(against), _) => Some(against.ratio.median()),
            (None, Ok(samples)) => Some(samples.median()),
            (None, Err(_)) => None,
        }
    }

    /// Its verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.figure(), self.target) {
            (None, _) => Verdict::NotMeasured,
            (Some(_), None) => Verdict::Unrated,
            (Some(figure), Some(target)) if target.is_met_by(figure) => Verdict::Met,
            (Some(_), Some(_)) => Verdict::Missed,
        }
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
}
