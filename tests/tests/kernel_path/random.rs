//! Numbers that look random and are the same on every run.

/// Marsaglia's xorshift64: the same sequence for the same seed.
pub(crate) struct Xorshift(pub(crate) u64);

impl Xorshift {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
