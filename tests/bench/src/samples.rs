//! Repeated measurements, taken in turns.

use anyhow::{Context as _, Result};

/// Repetitions of every measurement: the spread of their figures says how far a figure can be trusted.
pub(crate) const REPETITIONS: usize = 3;

/// How samples become one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    /// The middle.
    Median,
    /// The value below which a tenth of them lies. A disturbance makes a short round longer, and nothing makes one shorter.
    LowDecile,
}

/// One quantity, measured several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Samples in the order of the rounds.
    pub(crate) const fn new(samples: Vec<f64>) -> Self {
        Self(samples)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which `share` (0 to 1) of the samples lie; not a number without samples.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1) as f64;
        let (below, above) = ((share * last).floor(), (share * last).ceil());
        let at = |index: f64| sorted.get(index as usize).copied().unwrap_or(f64::NAN);
        at(below) + (at(above) - at(below)) * (share * last - below)
    }

    /// All samples as one figure.
    pub(crate) fn figure(&self, statistic: Statistic) -> f64 {
        self.quantile(match statistic {
            Statistic::Median => 0.5,
            Statistic::LowDecile => 0.1,
        })
    }

    /// The samples of each repetition: a third of the rounds each, one after another. Fewer than three samples are one repetition.
    pub(crate) fn repetitions(&self) -> Vec<Self> {
        let all = self.0.len();
        if all < REPETITIONS {
            return vec![self.clone()];
        }
        let part = |number| self.0[number * all / REPETITIONS..(number + 1) * all / REPETITIONS].to_vec();
        (0..REPETITIONS).map(|number| Self(part(number))).collect()
    }

    /// A quantile of each repetition.
    pub(crate) fn quantiles(&self, share: f64) -> Self {
        Self(self.repetitions().iter().map(|repetition| repetition.quantile(share)).collect())
    }

    /// The middle.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The least.
    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The greatest.
    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// Each sample divided by that of the same round in `other`: a disturbance of a whole round disturbs no ratio.
    pub(crate) fn by(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }

    /// Each sample minus that of the same round in `other`.
    pub(crate) fn less(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a - b).collect())
    }
}

/// Something that can be measured again and again.
pub(crate) struct Subject<'a> {
    name: &'static str,
    measure: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Subject<'a> {
    /// `measure` takes one sample.
    pub(crate) fn new(name: &'static str, measure: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { name, measure: Box::new(measure) }
    }
}

/// The samples of several subjects that were measured in turns.
#[derive(Debug)]
pub(crate) struct Interleaved(Vec<(&'static str, Samples)>);

impl Interleaved {
    /// Measures every subject once per round: A B C, B C A, C A B and so on, so that none always follows the same one. The
    /// first `warm_up` rounds do not count.
    pub(crate) fn measure(subjects: Vec<Subject<'_>>, warm_up: usize, rounds: usize) -> Result<Self> {
        let mut subjects = subjects;
        let mut samples: Vec<_> = subjects.iter().map(|subject| (subject.name, Samples::default())).collect();
        for round in 0..warm_up + rounds {
            for turn in 0..subjects.len() {
                let at = (round + turn) % subjects.len();
                let subject = &mut subjects[at];
                let sample = (subject.measure)().with_context(|| format!("measure {}", subject.name))?;
                if round >= warm_up {
                    samples[at].1.0.push(sample);
                }
            }
        }
        Ok(Self(samples))
    }

    /// The samples of one subject; none if there is no such subject.
    pub(crate) fn of(&self, name: &str) -> Option<&Samples> {
        self.0.iter().find_map(|(subject, samples)| (*subject == name).then_some(samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_number_is_between_the_middle_two() {
        let samples = Samples::new(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((samples.min(), samples.median(), samples.max()), (1.0, 2.5, 4.0));
        assert!(Samples::default().median().is_nan());
    }

    #[test]
    fn repetitions_are_consecutive_and_have_every_sample() {
        let samples = Samples::new((0..7).map(f64::from).collect());
        let parts: Vec<_> = samples.repetitions().into_iter().map(|part| part.0).collect();
        assert_eq!(parts, [vec![0.0, 1.0], vec![2.0, 3.0], vec![4.0, 5.0, 6.0]]);
        assert_eq!(Samples::new(vec![1.0, 2.0]).repetitions().len(), 1);
    }

    #[test]
    fn low_decile_ignores_disturbed_rounds() {
        let samples = Samples::new((1..=11).map(f64::from).chain([500.0; 9]).collect());
        assert!((2.0..4.0).contains(&samples.figure(Statistic::LowDecile)));
    }

    #[test]
    fn takes_ratios_round_by_round() {
        let (a, b) = (Samples::new(vec![2.0, 20.0]), Samples::new(vec![1.0, 10.0]));
        assert_eq!(a.by(&b).max(), 2.0);
    }

    #[test]
    fn each_round_measures_all_and_starts_with_another() {
        let order = std::cell::RefCell::new(Vec::new());
        let subject = |name| {
            let order = &order;
            Subject::new(name, move || {
                order.borrow_mut().push(name);
                Ok(order.borrow().len() as f64)
            })
        };
        let measured = Interleaved::measure(vec![subject("a"), subject("b")], 1, 2).unwrap();
        assert_eq!(order.borrow().join(""), "abbaab");
        assert_eq!(measured.of("a").unwrap().0, [4.0, 5.0]);
        assert!(measured.of("c").is_none());
    }
}
