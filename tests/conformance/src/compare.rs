//! Compares both results.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    accepted,
    fact::{Fact, Seen},
    tshark::Theirs,
};

/// How a fact of one connection compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Both agree.
    Agree,
    /// Both see something, and differ.
    Differ,
    /// Both differ for a known reason.
    Accepted(&'static str),
    /// Only the reader sees it.
    OnlyOurs,
    /// Only tshark sees it.
    OnlyTheirs,
}

/// The comparison of one capture.
pub(crate) struct Comparison {
    pub(crate) capture: String,
    pub(crate) rows: Vec<Row>,
}

/// A fact of a connection.
pub(crate) struct Row {
    pub(crate) ends: String,
    pub(crate) fact: Fact,
    pub(crate) verdict: Verdict,
    pub(crate) ours: BTreeSet<String>,
    pub(crate) theirs: BTreeSet<String>,
}

impl Comparison {
    /// Facts on which both agree.
    pub(crate) fn agreeing(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::Agree).count()
    }

    /// Number of facts of each verdict in a column.
    pub(crate) fn counts(&self, fact: Fact) -> BTreeMap<Verdict, usize> {
        let mut counts = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.fact == fact) {
            *counts.entry(row.verdict).or_default() += 1;
        }
        counts
    }
}

/// Compares what both see of a capture.
pub(crate) fn compare(capture: String, ours: &Seen, Theirs { seen: theirs, unbound }: &Theirs) -> Comparison {
    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let none = BTreeSet::new();
    let rows = keys.into_iter().map(|key @ (ends, fact)| {
        let (ours, theirs) = (ours.get(key).unwrap_or(&none), theirs.get(key).unwrap_or(&none));
        let verdict = match (ours.is_empty(), theirs.is_empty()) {
            _ if ours == theirs => Verdict::Agree,
            (false, true) => Verdict::OnlyOurs,
            (true, false) => Verdict::OnlyTheirs,
            _ => Verdict::Differ,
        };
        let verdict = match accepted::reason(
            (&capture, ends, *fact),
            (ours, theirs),
            unbound.get(ends).unwrap_or(&none),
        ) {
            Some(reason) if verdict != Verdict::Agree => Verdict::Accepted(reason),
            _ => verdict,
        };
        Row { ends: ends.clone(), fact: *fact, verdict, ours: ours.clone(), theirs: theirs.clone() }
    });
    let rows = rows.collect();
    Comparison { capture, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[(&str, Fact, &str)]) -> Seen {
        let mut seen = Seen::new();
        for (ends, fact, value) in values {
            seen.entry(((*ends).to_owned(), *fact)).or_default().insert((*value).to_owned());
        }
        seen
    }

    fn verdicts(capture: &str, ours: &[(&str, Fact, &str)], theirs: &[(&str, Fact, &str)]) -> Vec<Verdict> {
        verdicts_beside(capture, ours, theirs, &[])
    }

    /// `unbound` are operations of the connection `a – b`.
    fn verdicts_beside(
        capture: &str,
        ours: &[(&str, Fact, &str)],
        theirs: &[(&str, Fact, &str)],
        unbound: &[&str],
    ) -> Vec<Verdict> {
        let unbound = unbound.iter().map(|one| (*one).to_owned()).collect();
        let theirs = Theirs { seen: seen(theirs), unbound: [("a – b".to_owned(), unbound)].into() };
        let comparison = compare(capture.to_owned(), &seen(ours), &theirs);
        comparison.rows.iter().map(|row| row.verdict).collect()
    }

    #[test]
    fn extra_value_is_a_difference_and_order_is_none() {
        let (one, other) = (("a – b", Fact::Share, "x"), ("a – b", Fact::Share, "y"));
        assert_eq!(verdicts("c", &[one, other], &[other, one]), [Verdict::Agree]);
        assert_eq!(verdicts("c", &[one], &[one, other]), [Verdict::Differ]);
    }

    #[test]
    fn distinguishes_values_that_one_side_alone_sees() {
        let one = ("a – b", Fact::Share, "x");
        assert_eq!(verdicts("c", &[one], &[]), [Verdict::OnlyOurs]);
        assert_eq!(verdicts("c", &[], &[one]), [Verdict::OnlyTheirs]);
    }

    #[test]
    fn reason_covers_its_own_fact_and_capture_only() {
        let name = ("a – b", Fact::ServerName, "x");
        assert!(matches!(verdicts("cifs_negotiate_lanman.pcap", &[], &[name])[..], [Verdict::Accepted(_)]));
        assert_eq!(verdicts("other.pcap", &[], &[name]), [Verdict::OnlyTheirs]);
        let share = ("a – b", Fact::Share, "x");
        assert_eq!(verdicts("cifs_negotiate_lanman.pcap", &[], &[share]), [Verdict::OnlyTheirs]);
    }

    #[test]
    fn operation_needs_a_bind_of_its_own_pipe() {
        let (bound, called, other) = (
            ("a – b", Fact::Operation, "15"),
            ("a – b", Fact::Operation, "2"),
            ("a – c", Fact::Operation, "2"),
        );
        let accepted = |verdicts: Vec<Verdict>| matches!(verdicts[..], [Verdict::Accepted(_)]);
        assert!(accepted(verdicts_beside("c", &[], &[called], &["2"])));
        assert!(accepted(verdicts_beside("c", &[bound], &[bound, called], &["2"])));
        assert_eq!(verdicts_beside("c", &[bound], &[bound, called], &[]), [Verdict::Differ]);
        assert_eq!(verdicts_beside("c", &[], &[bound], &["2"]), [Verdict::OnlyTheirs]);
        assert_eq!(verdicts_beside("c", &[called], &[bound], &["2", "15"]), [Verdict::Differ]);
        assert_eq!(verdicts_beside("c", &[], &[other], &["2"]), [Verdict::OnlyTheirs]);
    }
}
