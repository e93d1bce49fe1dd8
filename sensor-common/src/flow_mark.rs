//! Marks on flows in which SMB or WebDAV was recognised on an unwatched port. All CPUs share them.
//!
//! A flow has one word, at a place that its hash says. A word holds another part of the hash, what was recognised, and when the
//! flow was last seen. Two flows with the same place share a word: the later one takes it.

use crate::slot::mark;

/// Number of words; a power of two.
pub const FLOW_MARKS: usize = 1 << 14;

/// The word of one flow, or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowMark(pub u64);

/// Where the word of the flow with this hash is.
#[inline(always)]
#[must_use]
pub const fn place(hash: u64) -> usize {
    hash as usize & (FLOW_MARKS - 1)
}

/// Set in every word but 0.
const PRESENT: u64 = 1;
/// Where the marks of the server begin: two bits, in the order of [`mark`].
const SERVER_AT: u32 = 1;
/// The bit for [`mark::HTTP`].
const HTTP_AT: u32 = 3;
/// Where the time begins.
const TIME_AT: u32 = 4;
/// Where the part of the hash begins.
const HASH_AT: u32 = 24;

const TIME_MASK: u32 = (1 << (HASH_AT - TIME_AT)) - 1;
const SERVER: u16 = mark::SERVER_IS_LOCAL | mark::SERVER_IS_REMOTE;
const SERVER_SHIFT: u32 = mark::SERVER_IS_LOCAL.trailing_zeros();

/// Ticks that one unit of the time in a word has, as a power of two.
const UNIT: u32 = 8;

impl FlowMark {
    /// No flow.
    pub const NONE: Self = Self(0);

    /// The word of the flow with this `hash`, with those of the flow's [`mark`]s that a word holds, at tick `now`.
    #[inline(always)]
    #[must_use]
    pub const fn new(hash: u64, marks: u16, now: u32) -> Self {
        let server = ((marks & SERVER) >> SERVER_SHIFT) as u64;
        let http = (marks / mark::HTTP) as u64;
        let time = (now >> UNIT & TIME_MASK) as u64;
        let hash = hash >> HASH_AT << HASH_AT;
        Self(hash | time << TIME_AT | http << HTTP_AT | server << SERVER_AT | PRESENT)
    }

    /// Whether it is that of the flow with this hash.
    #[inline(always)]
    #[must_use]
    pub const fn is_of(self, hash: u64) -> bool {
        self.0 != 0 && (self.0 ^ hash) >> HASH_AT == 0
    }

    /// Whether its flow was seen within `idle` ticks before tick `now`, to within two units. After 2^28 ticks a word that nobody took is
    /// fresh again for that time.
    #[inline(always)]
    #[must_use]
    pub const fn is_fresh(self, now: u32, idle: u32) -> bool {
        let time = (self.0 >> TIME_AT) as u32;
        let age = (now >> UNIT).wrapping_sub(time) & TIME_MASK;
        self.0 != 0 && age <= (idle >> UNIT) + 1
    }

    /// What was recognised in its flow: [`mark`] bits.
    #[inline(always)]
    #[must_use]
    pub const fn marks(self) -> u16 {
        let server = ((self.0 >> SERVER_AT) as u16) << SERVER_SHIFT & SERVER;
        let http = ((self.0 >> HTTP_AT) as u16 & 1) * mark::HTTP;
        server | http
    }

    /// Whether the time in a word changes between these ticks.
    #[inline(always)]
    #[must_use]
    pub const fn is_due(last: u32, now: u32) -> bool {
        (last ^ now) >> UNIT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: u64 = 0xFEDC_BA98_7654_3210;

    #[test]
    fn word_holds_the_flow_and_what_was_recognised() {
        for marks in
            [0, mark::SERVER_IS_LOCAL, mark::SERVER_IS_REMOTE, SERVER, mark::HTTP, SERVER | mark::HTTP]
        {
            for now in [0, 77, u32::MAX] {
                let word = FlowMark::new(HASH, marks | mark::HOOKS | mark::THREAT, now);
                assert!(word.is_of(HASH) && word.is_fresh(now, 0), "{word:?}");
                assert_eq!(word.marks(), marks);
            }
        }
        assert!(FlowMark::new(0, 0, 0).is_of(0), "a word is never 0");
    }

    #[test]
    fn another_flow_with_the_same_place_has_another_word() {
        let other = HASH ^ 1 << 63;
        assert_eq!(place(HASH), place(other));
        assert!(!FlowMark::new(HASH, 0, 0).is_of(other));
        assert!(!FlowMark::NONE.is_of(0));
    }

    #[test]
    fn word_is_too_old_after_the_idle_time_across_the_wrap() {
        let fresh = |then, now, idle| FlowMark::new(HASH, 0, then).is_fresh(now, idle);
        assert!(fresh(0, 10_000, 10_000) && !fresh(0, 11_000, 10_000));
        assert!(fresh(u32::MAX - 100, 9_000, 10_000) && !fresh(u32::MAX - 100, 11_000, 10_000));
        assert!(fresh(0, 1 << 31, u32::MAX), "flows that are never idle");
        assert!(!FlowMark::NONE.is_fresh(0, u32::MAX));
    }
}
