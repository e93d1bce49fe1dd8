//! Compares both results.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    accepted,
    fact::{Fact, Seen},
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
pub(crate) fn compare(capture: String, ours: &Seen, theirs: &Seen) -> Comparison {
    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let none = BTreeSet::new();
    let rows = keys.into_iter().map(|key @ (ends, fact)| {
        let all_theirs = theirs;
        let (ours, theirs) = (ours.get(key).unwrap_or(&none), theirs.get(key).unwrap_or(&none));
        let verdict = match (ours.is_empty(), theirs.is_empty()) {
            _ if ours == theirs => Verdict::Agree,
            (false, true) => Verdict::OnlyOurs,
            (true, false) => Verdict::OnlyTheirs,
            _ => Verdict::Differ,
        };
        let verdict = match accepted::reason(&capture, ends, *fact, all_theirs) {
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
        let comparison = compare(capture.to_owned(), &seen(ours), &seen(theirs));
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
    fn operation_needs_a_bind_in_its_own_connection() {
        let (called, bound) = (("a – b", Fact::Operation, "2"), ("a – b", Fact::Interface, "x"));
        let elsewhere = ("a – c", Fact::Interface, "x");
        assert!(matches!(verdicts("c", &[], &[called])[..], [Verdict::Accepted(_)]));
        let with_bind = verdicts("c", &[bound], &[called, bound]);
        assert_eq!(with_bind, [Verdict::Agree, Verdict::OnlyTheirs]);
        assert!(
            verdicts("c", &[], &[called, elsewhere]).iter().any(|one| matches!(one, Verdict::Accepted(_)))
        );
    }
}
