//! Maps and read-only globals of the kernel program; sizes are set by the agent at load.

use core::cell::UnsafeCell;

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, LpmTrie, PerCpuArray, RingBuf},
};
use sensor_common::{
    counter::Counter,
    settings::{Control, PORT_WORDS, PortTable, Settings},
    slot::Slot,
    topbits::{BLOCK_V4_WORDS, TOP_ENTRIES},
};

/// Load-time settings.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Global<Settings> = Global::new(Settings::DEFAULT);

/// Watched UDP ports.
#[unsafe(no_mangle)]
pub(crate) static UDP_PORTS: PortTable = [0; PORT_WORDS];

/// Watched TCP ports, and those on which the program itself recognised SMB.
#[unsafe(no_mangle)]
pub(crate) static TCP_PORTS: SharedPorts = SharedPorts(UnsafeCell::new([0; PORT_WORDS]));

/// A port table that the program writes to.
#[repr(transparent)]
pub(crate) struct SharedPorts(pub(crate) UnsafeCell<PortTable>);

// SAFETY: words are read and written whole and volatile. Two CPUs that mark ports of one word at the same time may lose
// one mark; the next SMB message on that port sets it again.
unsafe impl Sync for SharedPorts {}

/// What the agent changes while the program runs.
#[map]
pub(crate) static CONTROL: Array<Control> = Array::with_max_entries(1, 0);

/// (view, IPv4 prefix) → flags: the truth behind the tables.
#[map]
pub(crate) static PREFIXES_V4: LpmTrie<[u32; 2], u32> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// (view, IPv6 prefix) → flags.
#[map]
pub(crate) static PREFIXES_V6: LpmTrie<[u32; 5], u32> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// First tables of both views, by the top 16 bits of an address.
#[map]
pub(crate) static TOP_V4: Array<u32> = Array::with_max_entries(2 * TOP_ENTRIES, 0);

/// The same for IPv6.
#[map]
pub(crate) static TOP_V6: Array<u32> = Array::with_max_entries(2 * TOP_ENTRIES, 0);

/// IPv4 blocks of both views.
#[map]
pub(crate) static BLOCKS_V4: Array<[u64; BLOCK_V4_WORDS]> = Array::with_max_entries(1, 0);

/// Words of the IPv6 blocks of both views.
#[map]
pub(crate) static BLOCKS_V6: Array<u64> = Array::with_max_entries(1, 0);

/// Flow slots, those of CPU n from n × slots_per_cpu on; the agent maps them into its memory and reads without a call.
#[map]
pub(crate) static SLOTS: Array<Slot> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Counters of each CPU, by [`Counter`]; the last word is the tick in which the agent was last woken from this CPU.
#[map]
pub(crate) static COUNTERS: PerCpuArray<[u64; Counter::COUNT + 1]> = PerCpuArray::with_max_entries(1, 0);

/// Records to the agent.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(4096, 0);
