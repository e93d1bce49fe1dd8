//! The path's [`Environment`] in the kernel: maps, helpers, globals.

use core::{hint::black_box, slice};

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{bpf_get_smp_processor_id, generated::bpf_jiffies64},
    maps::{lpm_trie::Key, ring_buf::RingBufEntry},
};
use sensor_common::{
    block::BlockEntry,
    counter::Counter,
    evidence::{MessageStart, of_pipe},
    flow_mark::FlowMark,
    headers::Address,
    path::{Environment, Kept, READERS, begin},
    payload::{Content, MAX_PIECE_LEN, PIECE_HEAD_LEN, Piece, PieceBuffer},
    prefix::PrefixFlags,
    quic::QuicFlowKey,
    settings::{PortKind, PortTable, Settings, feature, port},
    slot::{RecordKind, RecordV4, RecordV6, Slot, TCP},
    topbits::{BLOCK_V6_WORDS, TABLE_V4_WORDS, TOP_ENTRIES, TableV4},
};

use crate::{
    maps::{
        BLOCK_PACKETS, BLOCKING, BLOCKS, BLOCKS_V6, CLOCK, COUNTERS, ENFORCEMENT, EXEMPTED, FLOW_MARKS,
        LAST_READERS, LEAVES_V4, OPAQUE_ZERO, PIECE_BUFFER, PREFIXES_V4, PREFIXES_V6, QUIC_FLOWS,
        QUIC_INITIALS, RECORDS, SETTINGS, SLOTS, TABLES_V4, TCP_PORTS, TOPS_V6, UDP_PORTS, VIEW,
    },
    scratch::{forget_offset, keep_block_key, keep_ends},
};

/// The kernel around one packet.
pub(crate) struct Kernel;

/// Reads one of the [`Settings`]: a read-only global that the agent sets before load.
macro_rules! setting {
    ($field:ident) => {{
        let settings: *const Settings = (&raw const SETTINGS).cast();
        // SAFETY: the global is valid and never written; volatile, or the compiler would take what it was built with.
        unsafe { (&raw const (*settings).$field).read_volatile() }
    }};
}

/// Reads one port of a port table.
#[inline(always)]
fn kind_of(table: *const PortTable, port: u16) -> u8 {
    // SAFETY: the table has a byte for every port; volatile because others write it.
    unsafe { table.cast::<u8>().add(port as usize).read_volatile() }
}

/// A prefix view: its number, and its IPv4 table.
#[derive(Clone, Copy)]
pub(crate) struct View {
    number: u32,
    table_v4: *const TableV4,
}

/// Bits in a key of the tries that say the view.
const VIEW_BITS: u32 = 32;

/// Gives back `length`, 1 to `MAX`, a power of two, in a way that shows the verifier that it is.
#[inline(always)]
pub(crate) fn length_of<const MAX: usize>(length: u32) -> u32 {
    // The compiler would leave out what it knows to change nothing; it does not know a number that was forgotten.
    (forget_offset(length as usize).wrapping_sub(1) & (MAX - 1)) as u32 + 1
}

/// Wakes the agent with the first record of a tick on this CPU and leaves it alone for the rest of it: the agent, once
/// woken, looks by itself until a few ticks brought nothing. So a lone record is reported at once, and a flood does not pay
/// for a wake-up each time.
#[inline(always)]
fn wake_up(now: u32) -> u64 {
    let Some(counters) = COUNTERS.get_ptr_mut(0) else { return u64::from(BPF_RB_FORCE_WAKEUP) };
    // SAFETY: the word behind the counters is this CPU's own.
    unsafe {
        let woken = counters.cast::<u64>().add(Counter::COUNT);
        if *woken == u64::from(now) {
            return u64::from(BPF_RB_NO_WAKEUP);
        }
        *woken = u64::from(now);
    }
    u64::from(BPF_RB_FORCE_WAKEUP)
}

/// Writes the record of an IPv4 flow, or the beginning of an IPv6 one, part by part: as a whole it would be made on the stack.
///
/// # Safety
/// There is piece_buffer for a record.
#[inline(always)]
unsafe fn write_v4(record: *mut RecordV4, slot: &Slot, kind: RecordKind) {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*record).line).write(slot.line);
        (&raw mut (*record).details).write(slot.details);
        (*record).line.kind = kind as u8;
    }
}

/// The block that is stored for these addresses in this order.
#[inline(never)]
fn blocked_between(first: &Address, second: &Address) -> BlockEntry {
    match keep_block_key(first, second) {
        Some(key) => BlockEntry(BLOCKS.get(key).copied().unwrap_or(0)),
        None => BlockEntry::NONE,
    }
}

/// [`of_pipe`] for the start of a message in this CPU's buffer. The verifier follows this function once, and not at each call.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_pipe(into: u32, have: u32, at: u32, length: u32) -> u32 {
    let Some(buffer) = PIECE_BUFFER.get_ptr(0) else { return 0 };
    // SAFETY: the value is this CPU's own, and is not written meanwhile.
    let bytes = unsafe { &(*buffer).piece.bytes };
    of_pipe(&MessageStart { bytes, into, have }, at, length)
}

/// [`begin`] for the packet in this CPU's buffer and its slot, which has this index. The verifier follows this function once, too.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_begin(index: u32) -> u32 {
    let Some(buffer) = PIECE_BUFFER.get_ptr_mut(0) else { return 0 };
    let mut kernel = Kernel;
    let cpu = kernel.cpu();
    let Some(slot) = kernel.slot(cpu, index) else { return 0 };
    // SAFETY: the value is this CPU's own, and the caller uses neither meanwhile.
    begin(&mut kernel, slot, unsafe { &mut (*buffer).content });
    1
}

impl Environment for Kernel {
    type Slot = &'static mut Slot;
    type PieceBuffer = &'static mut PieceBuffer;
    type Ends = &'static [Address; 2];
    type Replaced = RingBufEntry<[RecordV4; 2]>;
    type View = View;

    #[inline(always)]
    fn opaque_zero(&self) -> u32 {
        // SAFETY: the global is valid; volatile, or the compiler would know that nobody writes it.
        unsafe { OPAQUE_ZERO.0.get().read_volatile() }
    }

    #[inline(always)]
    fn of_pipe(&self, start: &MessageStart<'_>, at: u32, length: u32) -> u32 {
        smb_pipe(start.into, start.have, at, length)
    }

    #[inline(always)]
    fn begin(&mut self, slot: &mut Slot, content: &mut Content) {
        // The function finds both by itself: the compiler has to know that others may use them.
        let (_, content) = (black_box(slot), black_box(content));
        smb_begin(content.slot);
    }

    #[inline(always)]
    fn features(&self) -> u32 {
        setting!(features)
    }

    #[inline(always)]
    fn seed(&self) -> [u64; 2] {
        setting!(seed)
    }

    #[inline(always)]
    fn slots_per_cpu(&self) -> u32 {
        setting!(slots_per_cpu)
    }

    #[inline(always)]
    fn idle_ticks(&self) -> u32 {
        setting!(idle_ticks)
    }

    #[inline(always)]
    fn port_kind(&self, transport: u8, port: u16) -> PortKind {
        let table =
            if transport == TCP { TCP_PORTS.0.get().cast_const() } else { UDP_PORTS.0.get().cast_const() };
        PortKind(kind_of(table, port))
    }

    #[inline(always)]
    fn suspect(&mut self, port: u16) {
        let table = TCP_PORTS.0.get();
        let marked = kind_of(table, port) | port::SUSPECT;
        // SAFETY: as in `kind_of`; two writers write the same.
        unsafe { table.cast::<u8>().add(port as usize).write_volatile(marked) };
    }

    #[inline(always)]
    fn flow_mark(&self, place: usize) -> FlowMark {
        match FLOW_MARKS.get_ptr(place as u32) {
            // SAFETY: the word is valid; volatile because every CPU writes it, whole.
            Some(word) => FlowMark(unsafe { word.read_volatile() }),
            None => FlowMark::NONE,
        }
    }

    #[inline(always)]
    fn set_flow_mark(&mut self, place: usize, word: FlowMark) {
        if let Some(place) = FLOW_MARKS.get_ptr_mut(place as u32) {
            // SAFETY: likewise.
            unsafe { place.write_volatile(word.0) };
        }
    }

    #[inline(always)]
    fn becomes_reader(&mut self, entry: usize, reader: u16) -> u16 {
        // As in `top_v6`: what was on the stack meanwhile is unknown to older verifiers.
        let entry = black_box(entry) & (READERS - 1);
        // SAFETY: the entry is inside; volatile because every CPU writes it.
        unsafe {
            let entry = LAST_READERS.0.get().cast::<u16>().add(entry);
            let last = entry.read_volatile();
            // The line stays shared where nothing changes.
            if last != reader {
                entry.write_volatile(reader);
            }
            last
        }
    }

    #[inline(always)]
    fn counts(&self, flow: &QuicFlowKey) -> bool {
        QUIC_FLOWS.get_ptr(flow).is_some()
    }

    #[inline(always)]
    fn admits_initial(&mut self, now: u32, flow: u64) -> bool {
        let Some(window) = QUIC_INITIALS.get_ptr_mut(0) else { return false };
        let second = setting!(second);
        // SAFETY: the value is this CPU's own.
        unsafe { (*window).admits(now, second, flow) }
    }

    #[inline(always)]
    fn keep_ends(&mut self, ends: [Address; 2]) -> Option<&'static [Address; 2]> {
        keep_ends(ends)
    }

    #[inline(always)]
    fn view(&self) -> Option<View> {
        // SAFETY: the global is valid; volatile because the agent writes it meanwhile.
        let number = unsafe { VIEW.0.get().read_volatile() } & 1;
        Some(View { number, table_v4: TABLES_V4.get_ptr(number)? })
    }

    #[inline(always)]
    fn number(view: View) -> u32 {
        view.number
    }

    #[inline(always)]
    fn table_v4(&self, view: View, word: usize) -> u64 {
        // SAFETY: the pointer is to a whole table, and the index is masked to be inside; volatile because the agent writes the
        // table of the view that is not in force.
        unsafe { view.table_v4.cast::<u64>().add(word & (TABLE_V4_WORDS - 1)).read_volatile() }
    }

    #[inline(always)]
    fn leaf_v4(&self, view: u32, network: u32, word: usize) -> u64 {
        match LEAVES_V4.get_ptr([view, network]) {
            // SAFETY: a leaf has eight words.
            Some(leaf) => unsafe { leaf.cast::<u64>().add(word & 7).read() },
            None => u64::MAX,
        }
    }

    #[inline(always)]
    fn top_v6(&self, view: u32, index: u32) -> u32 {
        let at = (view & 1) * TOP_ENTRIES + (index & (TOP_ENTRIES - 1));
        // The compiler knows by itself that this is inside, which verifiers of Linux 6.12 and before do not: they lose count of what is joined of
        // two numbers, or comes out of bytes put in another order.
        let at = (black_box(at) & (2 * TOP_ENTRIES - 1)) as usize;
        // SAFETY: the index is inside the tables of both views; volatile because the agent writes to the other view.
        unsafe { TOPS_V6.0.get().cast::<u32>().add(at).read_volatile() }
    }

    #[inline(always)]
    fn block_v6(&self, view: u32, block: u32, word: u32) -> u64 {
        let block = view * setting!(blocks_v6) + block;
        BLOCKS_V6.get(block * BLOCK_V6_WORDS + word).copied().unwrap_or(u64::MAX)
    }

    #[inline(never)]
    fn walk_v4(&self, view: u32, address: u32) -> PrefixFlags {
        let key = Key::new(VIEW_BITS + 32, [view, address]);
        PrefixFlags(PREFIXES_V4.get(key).copied().unwrap_or(0))
    }

    #[inline(never)]
    fn walk_v6(&self, view: u32, address: &Address) -> PrefixFlags {
        let [a, b, c, d] = *address;
        let key = Key::new(VIEW_BITS + 128, [view, a, b, c, d]);
        PrefixFlags(PREFIXES_V6.get(key).copied().unwrap_or(0))
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        if setting!(features) & feature::GIVEN_CLOCK != 0 {
            // SAFETY: the global is valid; volatile because the agent writes it.
            return unsafe { CLOCK.0.get().read_volatile() };
        }
        // SAFETY: takes nothing and returns the tick count.
        unsafe { bpf_jiffies64() as u32 }
    }

    #[inline(always)]
    fn cpu(&self) -> u16 {
        // SAFETY: takes nothing and returns the CPU number.
        unsafe { bpf_get_smp_processor_id() as u16 }
    }

    #[inline(always)]
    fn slot(&mut self, cpu: u16, index: u32) -> Option<Self::Slot> {
        let slot = SLOTS.get_ptr_mut(u32::from(cpu) * setting!(slots_per_cpu) + index)?;
        // SAFETY: only this CPU writes its slots, and its hooks do not interrupt each other: they all run with bottom halves off.
        // The agent only reads. So does this CPU in the slots of others, where any bytes are valid numbers.
        Some(unsafe { &mut *slot })
    }

    #[inline(always)]
    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool {
        let wake = wake_up(self.now());
        if slot.line.family == 4 {
            let Some(mut record) = RECORDS.reserve::<RecordV4>(0) else { return false };
            // SAFETY: the record is ours until it is submitted.
            unsafe { write_v4(record.as_mut_ptr(), slot, kind) };
            record.submit(wake);
        } else {
            let Some(mut record) = RECORDS.reserve::<RecordV6>(0) else { return false };
            // SAFETY: as above.
            unsafe {
                let record = record.as_mut_ptr();
                write_v4(record.cast(), slot, kind);
                (&raw mut (*record).high).write(slot.high);
            }
            record.submit(wake);
        }
        true
    }

    #[inline(always)]
    fn begin_replaced(&mut self, slot: &Slot) -> Option<RingBufEntry<[RecordV4; 2]>> {
        let mut record = RECORDS.reserve::<[RecordV4; 2]>(0)?;
        let settled: *mut RecordV4 = record.as_mut_ptr().cast();
        // SAFETY: the record has piece_buffer for two, and it is ours until it is submitted.
        unsafe { write_v4(settled, slot, RecordKind::Replaced) };
        Some(record)
    }

    #[inline(always)]
    fn complete_replaced(&mut self, mut record: RingBufEntry<[RecordV4; 2]>, slot: &Slot) {
        // SAFETY: as above.
        unsafe { write_v4(record.as_mut_ptr().cast::<RecordV4>().add(1), slot, RecordKind::Opened) };
        record.submit(wake_up(slot.line.last));
    }

    #[inline(always)]
    fn piece_buffer(&mut self) -> Option<&'static mut PieceBuffer> {
        let piece_buffer = PIECE_BUFFER.get_ptr_mut(0)?;
        // SAFETY: the value is this CPU's own, and a packet is done with it before the next one comes.
        Some(unsafe { &mut *piece_buffer })
    }

    #[inline(always)]
    fn emit_piece(&mut self, piece: &Piece) -> bool {
        let length = PIECE_HEAD_LEN + length_of::<MAX_PIECE_LEN>(u32::from(piece.head.captured)) as usize;
        // SAFETY: a piece has piece_buffer for the longest length there is.
        let bytes = unsafe { slice::from_raw_parts((&raw const *piece).cast::<u8>(), length) };
        RECORDS.output::<[u8]>(bytes, wake_up(self.now())).is_ok()
    }

    #[inline(always)]
    fn enforces(&self, now: u32) -> bool {
        // SAFETY: as for the view.
        unsafe { ENFORCEMENT.0.get().read_volatile() }.is_in_force(now)
    }

    #[inline(always)]
    fn count_kept(&mut self, kept: Kept) {
        if let Some(counters) = COUNTERS.get_ptr_mut(0) {
            let counters = counters.cast::<u64>();
            // SAFETY: the value is this CPU's own, and counters are below its length.
            kept.each(|counter, by| unsafe { *counters.add(counter as usize) += by });
        }
    }

    #[inline(always)]
    fn count_passed(&mut self, reason: Counter) {
        if let Some(counters) = COUNTERS.get_ptr_mut(0) {
            let counters = counters.cast::<u64>();
            // The compiler knows by itself that this is inside, and would leave the mask out; the verifier does not know it of a
            // number that several paths led to.
            let reason = black_box(reason as usize) & (Counter::WORDS - 1);
            // SAFETY: the value is this CPU's own, and the indices are below its length.
            unsafe {
                *counters.add(Counter::Seen as usize) += 1;
                *counters.add(reason) += 1;
            }
        }
    }

    #[inline(always)]
    fn block_of(&self, source: &Address, destination: &Address) -> BlockEntry {
        match blocked_between(source, destination) {
            BlockEntry::NONE => blocked_between(destination, source),
            entry => entry,
        }
    }

    #[inline(always)]
    fn has_blocks(&self) -> bool {
        // SAFETY: likewise.
        unsafe { (&raw const (*BLOCKING.0.get()).on).read_volatile() != 0 }
    }

    #[inline(always)]
    fn blocks(&self, now: u32) -> bool {
        // SAFETY: as for the view.
        unsafe { BLOCKING.0.get().read_volatile() }.is_in_force(now)
    }

    #[inline(never)]
    fn count_block(&mut self, number: u32) {
        if let Some(packets) = BLOCK_PACKETS.get_ptr_mut(number) {
            // SAFETY: the value is this CPU's own.
            unsafe { *packets += 1 };
        }
    }

    #[inline(never)]
    fn count_exempt(&mut self, counter: u32) {
        if let Some(packets) = EXEMPTED.get_ptr_mut(counter) {
            // SAFETY: the value is this CPU's own.
            unsafe { *packets += 1 };
        }
    }

    #[inline(always)]
    fn count(&mut self, counter: Counter, by: u64) {
        if let Some(counters) = COUNTERS.get_ptr_mut(0) {
            // SAFETY: the value is this CPU's own, and `counter` is below its length.
            unsafe { *counters.cast::<u64>().add(counter as usize) += by };
        }
    }
}
