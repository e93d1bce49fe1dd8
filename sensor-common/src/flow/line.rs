//! The lines of a slot: gaps of a stream, and the sequence lock of the writer.

use core::hint::black_box;

use crate::slot::{FlowDetails, FlowLine, UDP, tcp};

impl FlowDetails {
    /// Bytes of a side's stream that were left out so far.
    #[inline(always)]
    pub(super) const fn gap(&self, side: usize) -> u32 {
        let [a, b, c] = self.gap[side & 1];
        u32::from_le_bytes([a, b, c, 0])
    }

    /// Sets them. A gap of 16 MiB or more counts as a little less than that.
    #[inline(always)]
    pub(super) const fn set_gap(&mut self, side: usize, bytes: u32) {
        const MAX: u32 = (1 << 24) - 1;
        let [a, b, c, _] = (if bytes < MAX { bytes } else { MAX }).to_le_bytes();
        self.gap[side & 1] = [a, b, c];
    }
}

impl FlowLine {
    /// Whether the connection ended: a reset, or a FIN from both sides. Never for UDP.
    #[inline(always)]
    #[must_use]
    pub const fn is_over(&self) -> bool {
        let [local, remote] = self.tcp_flags;
        self.transport != UDP && ((local | remote) & tcp::RST != 0 || local & remote & tcp::FIN != 0)
    }

    /// Makes the generation odd before anything else changes, and returns it. Together with [`end_change`](Self::end_change)
    /// this is the writer's half of a sequence lock: a reader that sees an odd generation, or a different one after its copy
    /// than before, discards the copy.
    ///
    /// The stores are volatile, so each one happens and the compiler moves nothing across the fences. The processor keeps
    /// the order of stores if its memory model does (x86-64, s390x). BPF has no store barrier before Linux 6.15, so on other
    /// machines (arm64) a reader may still see a mixture during the few nanoseconds in which stores overtake each other.
    #[inline(always)]
    pub(super) fn begin_change(&mut self) -> u32 {
        let generation = self.generation.wrapping_add(2) | 1;
        // SAFETY: a field of our own, borrowed for writing.
        unsafe { (&raw mut self.generation).write_volatile(generation) };
        compiler_barrier();
        generation
    }

    /// Makes the generation even again, after all other changes.
    #[inline(always)]
    pub(super) fn end_change(&mut self) {
        compiler_barrier();
        let generation = self.generation ^ 1;
        // SAFETY: as above.
        unsafe { (&raw mut self.generation).write_volatile(generation) };
    }

    /// Packets from both sides.
    #[inline(always)]
    #[must_use]
    pub const fn total_packets(&self) -> u64 {
        self.packets[0] as u64 + self.packets[1] as u64
    }
}

/// Keeps the compiler from moving visible loads and stores across this point. A `compiler_fence` would say so, but the BPF
/// backend of LLVM has no instruction for one. This is an empty assembler block that may touch all memory. A test over the
/// object's instructions checks the effect.
#[inline(always)]
fn compiler_barrier() {
    black_box(());
}
