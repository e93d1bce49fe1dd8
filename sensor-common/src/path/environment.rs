//! The environment of the path: the kernel, or ordinary memory.

use core::ops::{Deref, DerefMut};

use super::{capture::begin, kept::Kept};
use crate::{
    block::BlockEntry,
    counter::Counter,
    evidence::{MessageStart, of_pipe},
    flow_mark::FlowMark,
    headers::Address,
    payload::{Content, Piece, PieceBuffer},
    prefix::PrefixFlags,
    quic::QuicFlowKey,
    settings::PortKind,
    slot::{RecordKind, Slot},
};

/// What the path needs from its environment.
pub trait Environment {
    /// A guard for one slot that leaves the environment free for use.
    type Slot: DerefMut<Target = Slot>;
    /// A guard for the buffer of a piece of payload.
    type PieceBuffer: DerefMut<Target = PieceBuffer>;
    /// A guard for the addresses of a packet.
    type Ends: Deref<Target = [Address; 2]>;
    /// A record of which the first half is written.
    type Replaced;
    /// A prefix view.
    type View: Copy;

    /// A zero whose value the verifier does not know. A value that is joined with it is unknown to the verifier too.
    /// Verifiers before Linux 6.2 distinguish all constants in a program of several functions; without this they would verify the
    /// following code once for each combination of them.
    #[inline(always)]
    fn opaque_zero(&self) -> u32 {
        0
    }

    /// [`of_pipe`] for the start of a message in the buffer of a piece of payload.
    #[inline(always)]
    fn of_pipe(&self, start: &MessageStart<'_>, at: u32, length: u32) -> u32 {
        of_pipe(start, at, length)
    }

    /// [`begin`].
    #[inline(always)]
    fn begin(&mut self, slot: &mut Slot, content: &mut Content)
    where
        Self: Sized,
    {
        begin(self, slot, content);
    }

    /// Which [`feature`](crate::settings::feature)s are on.
    fn features(&self) -> u32;
    /// Secret of the slot hash.
    fn seed(&self) -> [u64; 2];
    /// Slots of each CPU; a power of two.
    fn slots_per_cpu(&self) -> u32;
    /// Ticks after which an untouched slot starts a new flow.
    fn idle_ticks(&self) -> u32;
    /// What the port table says about the port (wire order) of this transport.
    fn port_kind(&self, transport: u8, port: u16) -> PortKind;
    /// Notes that SMB or WebDAV was recognised on this TCP port (wire order).
    fn suspect(&mut self, port: u16);
    /// The mark of a flow at this [`place`](crate::flow_mark::place), which all CPUs share.
    fn flow_mark(&self, place: usize) -> FlowMark;
    /// Puts a mark there.
    fn set_flow_mark(&mut self, place: usize, word: FlowMark);
    /// Puts this into an entry of the table of [`READERS`](super::READERS), which all CPUs share; says what was there.
    fn becomes_reader(&mut self, entry: usize, reader: u16) -> u16;
    /// Whether the agent asked for this flow of QUIC to be counted.
    fn counts(&self, flow: &QuicFlowKey) -> bool;
    /// Whether one more Initial packet of QUIC, of the flow with this hash, may be handed up at this tick; counts it.
    fn admits_initial(&mut self, now: u32, flow: u64) -> bool;
    /// Stores both addresses of a packet outside the stack, which is small in a kernel program.
    fn keep_ends(&mut self, ends: [Address; 2]) -> Option<Self::Ends>;
    /// The active prefix view, or `None` if there is none (a load-time mistake). A packet asks once.
    fn view(&self) -> Option<Self::View>;
    /// The number of a view.
    fn number(view: Self::View) -> u32;
    /// Word of the IPv4 table.
    fn table_v4(&self, view: Self::View, word: usize) -> u64;
    /// Word of the leaf of an IPv4 /24 (its number); all ones if there is none.
    fn leaf_v4(&self, view: u32, network: u32, word: usize) -> u64;
    /// Entry of the first IPv6 table.
    fn top_v6(&self, view: u32, index: u32) -> u32;
    /// Word of an IPv6 block.
    fn block_v6(&self, view: u32, block: u32, word: u32) -> u64;
    /// Flags of the longest IPv4 prefix that covers the address (wire order).
    fn walk_v4(&self, view: u32, address: u32) -> PrefixFlags;
    /// Flags of the longest IPv6 prefix that covers the address.
    fn walk_v6(&self, view: u32, address: &Address) -> PrefixFlags;
    /// Kernel ticks, low 32 bits.
    fn now(&self) -> u32;
    /// The current CPU.
    fn cpu(&self) -> u16;
    /// Slot `index` of `cpu`, or `None` when there is no such slot.
    fn slot(&mut self, cpu: u16, index: u32) -> Option<Self::Slot>;
    /// Hands a record to the agent; `false` if the ring is full.
    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool;
    /// Begins a [`RecordKind::Replaced`] record with the IPv4 flow in `slot`; `None` if the ring is full.
    fn begin_replaced(&mut self, slot: &Slot) -> Option<Self::Replaced>;
    /// Completes it with the IPv4 flow that took the slot, and submits it.
    fn complete_replaced(&mut self, record: Self::Replaced, slot: &Slot);
    /// The buffer for a piece of payload.
    fn piece_buffer(&mut self) -> Option<Self::PieceBuffer>;
    /// Submits a piece of payload; `false` if the ring is full.
    fn emit_piece(&mut self, piece: &Piece) -> bool;
    /// Whether enforcement is on at this tick.
    fn enforces(&self, now: u32) -> bool;
    /// The block that concerns packets between these addresses, in whatever order; [`BlockEntry::NONE`] if there is none.
    fn block_of(&self, source: &Address, destination: &Address) -> BlockEntry;
    /// Whether there are blocks, in force or not.
    fn has_blocks(&self) -> bool;
    /// Whether blocks are in force at this tick.
    fn blocks(&self, now: u32) -> bool;
    /// Counts a packet for the block with this number.
    fn count_block(&mut self, number: u32);
    /// Counts a packet for the exemption with this number.
    fn count_exempt(&mut self, counter: u32);
    /// Adds to a counter.
    fn count(&mut self, counter: Counter, by: u64);
    /// Counts a packet that was seen and let pass for this reason.
    #[inline(always)]
    fn count_passed(&mut self, reason: Counter) {
        self.count(Counter::Seen, 1);
        self.count(reason, 1);
    }
    /// Counts a packet that was kept: as seen and kept, and for enforcement.
    #[inline(always)]
    fn count_kept(&mut self, kept: Kept) {
        kept.each(|counter, by| self.count(counter, by));
    }
}
