//! Maps and read-only globals of the kernel program; sizes are set by the agent at load.

use core::cell::UnsafeCell;

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf},
};
use sensor_common::{
    block::{BlockEnds, MAX_BLOCKS},
    counter::Counter,
    flow_mark,
    path::READERS,
    payload::PieceBuffer,
    prefix::EXEMPTION_COUNTERS,
    quic::{InitialWindow, MAX_FLOWS, QuicFlowKey},
    settings::{Enforcement, PORTS, PortTable, Settings},
    slot::Slot,
    topbits::{Leaf, TOP_ENTRIES, TableV4, TopsV6},
};

/// Load-time settings.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Global<Settings> = Global::new(Settings::DEFAULT);

/// Watched UDP ports, those of QUIC, and those of flows that the agent asked for; in a section of its own.
#[unsafe(link_section = ".bss.udp_ports")]
#[unsafe(no_mangle)]
pub(crate) static UDP_PORTS: Shared<PortTable> = Shared(UnsafeCell::new([0; PORTS]));

/// Watched TCP ports, and those on which the program itself recognised SMB.
#[unsafe(no_mangle)]
pub(crate) static TCP_PORTS: Shared<PortTable> = Shared(UnsafeCell::new([0; PORTS]));

/// The prefix view in force, 0 or 1: a packet reads it once and sees that view alone. In a section of its own, so that it
/// is a map of its own.
#[unsafe(link_section = ".bss.view")]
#[unsafe(no_mangle)]
pub(crate) static VIEW: Shared<u32> = Shared(UnsafeCell::new(0));

/// Enforcement, likewise.
#[unsafe(link_section = ".bss.enforce")]
#[unsafe(no_mangle)]
pub(crate) static ENFORCEMENT: Shared<Enforcement> = Shared(UnsafeCell::new(Enforcement { on: 0, until: 0 }));

/// The lease of blocks, likewise.
#[unsafe(link_section = ".bss.blocking")]
#[unsafe(no_mangle)]
pub(crate) static BLOCKING: Shared<Enforcement> = Shared(UnsafeCell::new(Enforcement { on: 0, until: 0 }));

/// The time in ticks where the agent gives it ([`feature::GIVEN_CLOCK`](sensor_common::settings::feature::GIVEN_CLOCK)),
/// likewise.
#[unsafe(link_section = ".bss.clock")]
#[unsafe(no_mangle)]
pub(crate) static CLOCK: Shared<u32> = Shared(UnsafeCell::new(0));

/// Always 0, which the verifier does not know
/// ([`Environment::opaque_zero`](sensor_common::path::Environment::opaque_zero)); likewise.
#[unsafe(link_section = ".bss.opaque_zero")]
#[unsafe(no_mangle)]
pub(crate) static OPAQUE_ZERO: Shared<u32> = Shared(UnsafeCell::new(0));

/// For each side's stream in a slot, the CPU that looked at it last, likewise.
#[unsafe(link_section = ".bss.readers")]
#[unsafe(no_mangle)]
pub(crate) static LAST_READERS: Shared<[u16; READERS]> = Shared(UnsafeCell::new([0; READERS]));

/// Words that others write while the program runs.
#[repr(transparent)]
pub(crate) struct Shared<T>(pub(crate) UnsafeCell<T>);

// SAFETY: what is in it is read and written in single words or bytes, volatile, and none depends on another.
unsafe impl<T> Sync for Shared<T> {}

/// (view, IPv4 prefix) → flags: the truth behind the tables.
#[map]
pub(crate) static PREFIXES_V4: LpmTrie<[u32; 2], u64> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// (view, IPv6 prefix) → flags.
#[map]
pub(crate) static PREFIXES_V6: LpmTrie<[u32; 5], u64> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// The IPv4 tables of both views; the agent maps them into its memory and writes without a call.
#[map]
pub(crate) static TABLES_V4: Array<TableV4> = Array::with_max_entries(2, BPF_F_MMAPABLE);

/// (view, number of the /24) → leaf.
#[map]
pub(crate) static LEAVES_V4: HashMap<[u32; 2], Leaf> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// First IPv6 tables of both views, by the top 16 bits of an address; in a section of its own.
#[unsafe(link_section = ".bss.top_v6")]
#[unsafe(no_mangle)]
pub(crate) static TOPS_V6: Shared<TopsV6> = Shared(UnsafeCell::new([0; 2 * TOP_ENTRIES as usize]));

/// Words of the IPv6 blocks of both views.
#[map]
pub(crate) static BLOCKS_V6: Array<u64> = Array::with_max_entries(1, 0);

/// Flow slots, those of CPU n from n × slots_per_cpu on; the agent maps them into its memory and reads without a call.
#[map]
pub(crate) static SLOTS: Array<Slot> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Marks of flows in which SMB or WebDAV was recognised on an unwatched port; new programs go on with those of earlier ones.
#[map]
pub(crate) static FLOW_MARKS: Array<u64> = Array::with_max_entries(flow_mark::FLOW_MARKS as u32, 0);

/// Counters of each CPU, by [`Counter`]; the word behind them is the tick in which the agent was last woken from this CPU.
#[map]
pub(crate) static COUNTERS: PerCpuArray<[u64; Counter::WORDS]> = PerCpuArray::with_max_entries(1, 0);

/// Packets that were let be for an exemption, of each CPU, by view and number of the exemption in it.
#[map]
pub(crate) static EXEMPTED: PerCpuArray<u64> = PerCpuArray::with_max_entries(2 * EXEMPTION_COUNTERS, 0);

/// Blocks, by the beginning of both addresses of a packet.
#[map]
pub(crate) static BLOCKS: LpmTrie<BlockEnds, u32> = LpmTrie::with_max_entries(MAX_BLOCKS, BPF_F_NO_PREALLOC);

/// Packets of each block, of each CPU, by its number.
#[map]
pub(crate) static BLOCK_PACKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_BLOCKS, 0);

/// Records to the agent.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// Where a piece of payload is put together on its way to the ring.
#[map]
pub(crate) static PIECE_BUFFER: PerCpuArray<PieceBuffer> = PerCpuArray::with_max_entries(1, 0);

/// The flows of QUIC that the agent asked for.
#[map]
pub(crate) static QUIC_FLOWS: HashMap<QuicFlowKey, u8> =
    HashMap::with_max_entries(MAX_FLOWS as u32, BPF_F_NO_PREALLOC);

/// The Initial packets of QUIC that each CPU handed up lately.
#[map]
pub(crate) static QUIC_INITIALS: PerCpuArray<InitialWindow> = PerCpuArray::with_max_entries(1, 0);
