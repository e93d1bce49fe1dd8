//! Which clients were hidden most, in bounded room.
//!
//! A table of counters by the method of Misra and Gries (Finding repeated elements, 1982). While there are no more sources than it
//! has room for, every count is exact. Where one more comes, each count loses one, and so does the newcomer: a count is then too low
//! by the number of these losses at most, and whoever was hidden more often than that is in the table for certain.

use std::{cmp::Reverse, collections::HashMap, net::IpAddr};

/// Sources that are told apart.
const ROOM: usize = 1_024;

/// Sources that are named.
const NAMED: usize = 5;

/// The sources that were hidden most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loudest {
    /// Sources with the alerts of each that were counted at least, the most first.
    pub named: Vec<(IpAddr, u64)>,
    /// All sources; unknown if there were more than could be told apart.
    pub distinct: Option<u64>,
    /// How many more alerts each of the named may have had; 0 while [`distinct`](Self::distinct) is known.
    pub undercount: u64,
}

/// Counts by source.
#[derive(Debug, Default)]
pub(super) struct Sources {
    counts: HashMap<IpAddr, u64>,
    losses: u64,
}

impl Sources {
    pub(super) fn add(&mut self, source: IpAddr) {
        if self.counts.len() >= ROOM && !self.counts.contains_key(&source) {
            // Each count that is lost here was added once: over many alerts this costs no more than adding does.
            self.losses += 1;
            self.counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
            return;
        }
        *self.counts.entry(source).or_default() += 1;
    }

    pub(super) fn loudest(&self) -> Loudest {
        let mut named: Vec<_> = self.counts.iter().map(|(source, count)| (*source, *count)).collect();
        named.sort_by_key(|(source, count)| (Reverse(*count), *source));
        named.truncate(NAMED);
        let distinct = (self.losses == 0).then_some(self.counts.len() as u64);
        Loudest { named, distinct, undercount: self.losses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0A00_0000 + n).into()
    }

    fn counted(alerts: impl Iterator<Item = u32>) -> Sources {
        let mut sources = Sources::default();
        alerts.for_each(|n| sources.add(source(n)));
        sources
    }

    #[test]
    fn few_sources_are_counted_exactly_and_the_loudest_named_first() {
        let told = counted((0..9).flat_map(|n| (0..n).map(move |_| n))).loudest();
        let expected = [(8, 8), (7, 7), (6, 6), (5, 5), (4, 4)].map(|(n, count)| (source(n), count));
        assert_eq!(told, Loudest { named: expected.into(), distinct: Some(8), undercount: 0 });
    }

    #[test]
    fn a_loud_source_is_found_among_a_flood_of_others_and_its_count_is_not_too_high() {
        // Every tenth alert is of source 0, every other one of a source of its own.
        let sources = counted((0..100_000).map(|n| if n % 10 == 0 { 0 } else { n }));
        assert!(sources.counts.len() <= ROOM);
        let told = sources.loudest();
        let (loudest, count) = told.named[0];
        assert_eq!((loudest, told.distinct), (source(0), None));
        assert!(count <= 10_000 && count + told.undercount >= 10_000, "{told:?}");
        assert!(told.undercount <= 100_000 / ROOM as u64, "{told:?}");
    }

    #[test]
    fn where_nobody_stands_out_nobody_has_to_be_named() {
        let told = counted(0..=ROOM as u32).loudest();
        assert_eq!(told, Loudest { named: vec![], distinct: None, undercount: 1 });
    }
}
