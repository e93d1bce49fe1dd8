//! Maps and read-only globals of the kernel program; sizes are set by the agent at load.

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, LpmTrie, PerCpuArray, RingBuf},
};
use sensor_common::{
    counter::Counter,
    headers::Address,
    settings::{Services, Settings},
    slot::Slot,
};

/// Load-time settings.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Global<Settings> = Global::new(Settings::DEFAULT);

/// Watched ports.
#[unsafe(no_mangle)]
pub(crate) static SERVICES: Services = Services::NONE;

/// IPv4 prefix → flags.
#[map]
pub(crate) static PREFIXES_V4: LpmTrie<u32, u32> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// IPv6 prefix → flags.
#[map]
pub(crate) static PREFIXES_V6: LpmTrie<Address, u32> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Flow slots, those of CPU n from n × slots_per_cpu on; the agent maps them into its memory and reads without a call.
#[map]
pub(crate) static SLOTS: Array<Slot> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Counters of each CPU, by [`Counter`].
#[map]
pub(crate) static COUNTERS: PerCpuArray<[u64; Counter::COUNT]> = PerCpuArray::with_max_entries(1, 0);

/// Records to the agent.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(4096, 0);
