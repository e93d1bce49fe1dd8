//! One line of the result: what was measured, what it is held against, and what it was to reach.

use crate::samples::Samples;

/// What the numbers of a row are.
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

/// A bound, of the ratio where a row has one, else of the median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// Not more.
    AtMost(f64),
    /// Not less.
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

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The target is reached.
    Met,
    /// It is not.
    Missed,
    /// There was none to reach.
    Unrated,
    /// It could not be measured here.
    NotMeasured,
}

impl Verdict {
    /// As a person reads it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Unrated => "",
            Self::NotMeasured => "not measured",
        }
    }
}

/// What a row is held against.
#[derive(Clone, Debug)]
pub(crate) struct Against {
    /// Name.
    pub name: &'static str,
    /// Its samples.
    pub samples: Samples,
    /// The row by it, round by round.
    pub ratio: Samples,
}

/// One line of the result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Heading under which it stands.
    pub group: &'static str,
    /// What was measured.
    pub what: String,
    /// Unit of all its numbers but the ratio.
    pub unit: Unit,
    /// What was measured, or why nothing was.
    pub samples: Result<Samples, String>,
    /// What it is held against.
    pub against: Option<Against>,
    /// What it was to reach.
    pub target: Option<Target>,
    /// What else is to be known.
    pub note: Option<String>,
}

impl Row {
    /// A row with nothing to be held against.
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

    /// Holds it against `samples` of the same rounds.
    pub(crate) fn against(mut self, name: &'static str, samples: &Samples) -> Self {
        if let Ok(own) = &self.samples {
            self.against = Some(Against { name, ratio: own.by(samples), samples: samples.clone() });
        }
        self
    }

    /// Says what it is to reach.
    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Says what else is to be known.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The number that is held against the target.
    pub(crate) fn figure(&self) -> Option<f64> {
        match (&self.against, &self.samples) {
            (Some(against), _) => Some(against.ratio.median()),
            (None, Ok(samples)) => Some(samples.median()),
            (None, Err(_)) => None,
        }
    }

    /// What came of it.
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
