//! The path's [`Environment`] in the kernel: maps, helpers, globals.

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{bpf_get_smp_processor_id, generated::bpf_jiffies64},
    maps::lpm_trie::Key,
};
use sensor_common::{
    counter::Counter,
    headers::{Address, Ports},
    path::Environment,
    prefix::PrefixFlags,
    settings::{PortKind, PortTable, Settings, port_kind, port_word, with_suspect},
    slot::{FlowLine, RecordKind, Slot, TCP},
    topbits::{BLOCK_V6_WORDS, TOP_ENTRIES},
};

use crate::{
    maps::{
        BLOCKS_V4, BLOCKS_V6, CONTROL, COUNTERS, PREFIXES_V4, PREFIXES_V6, RECORDS, SETTINGS, SLOTS,
        TCP_PORTS, TOP_V4, TOP_V6, UDP_PORTS,
    },
    scratch::forget_ports,
};

/// The kernel around one packet.
pub(crate) struct Kernel;

/// Reads one word of a port table.
#[inline(always)]
fn word_of(table: *const PortTable, port: u16) -> u64 {
    // SAFETY: `port_word` is inside the table for every port; volatile because others write it.
    unsafe { table.cast::<u64>().add(port_word(port)).read_volatile() }
}

/// Bits in a key of the tries that say the view.
const VIEW_BITS: u32 = 32;

/// Wakes the agent with the first record of a tick on this CPU and leaves it alone for the rest of it: the agent, once
/// woken, looks by itself until a few ticks brought nothing. So a lone record is told at once, and a flood does not pay
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

impl Environment for Kernel {
    type Slot = &'static mut Slot;

    #[inline(always)]
    fn features(&self) -> u32 {
        let settings: *const Settings = (&raw const SETTINGS).cast();
        // SAFETY: a read-only global that the agent sets before load; only the one field is read.
        unsafe { (&raw const (*settings).features).read_volatile() }
    }

    #[inline(always)]
    fn port_kind(&self, transport: u8, port: u16) -> PortKind {
        let table = if transport == TCP { TCP_PORTS.0.get().cast_const() } else { &raw const UDP_PORTS };
        port_kind(word_of(table, port), port)
    }

    #[inline(always)]
    fn suspect(&mut self, port: u16) {
        let table = TCP_PORTS.0.get();
        let marked = with_suspect(word_of(table, port), port);
        // SAFETY: as in `word_of`; see SharedPorts for two writers.
        unsafe { table.cast::<u64>().add(port_word(port)).write_volatile(marked) };
    }

    #[inline(always)]
    fn forget(&mut self, ports: Ports) -> Ports {
        forget_ports(ports)
    }

    #[inline(always)]
    fn view(&self) -> u32 {
        CONTROL.get(0).map_or(0, |control| control.view & 1)
    }

    #[inline(always)]
    fn top_v4(&self, view: u32, index: u32) -> u32 {
        TOP_V4.get(view * TOP_ENTRIES + index).copied().unwrap_or(3)
    }

    #[inline(always)]
    fn block_v4(&self, view: u32, block: u32, word: usize) -> u64 {
        let block = BLOCKS_V4.get_ptr(view * SETTINGS.load().blocks_v4 + block);
        match block {
            // SAFETY: a block has eight words.
            Some(block) => unsafe { block.cast::<u64>().add(word & 7).read() },
            None => u64::MAX,
        }
    }

    #[inline(always)]
    fn top_v6(&self, view: u32, index: u32) -> u32 {
        TOP_V6.get(view * TOP_ENTRIES + index).copied().unwrap_or(3)
    }

    #[inline(always)]
    fn block_v6(&self, view: u32, block: u32, word: u32) -> u64 {
        let block = view * SETTINGS.load().blocks_v6 + block;
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
    fn settings(&self) -> Settings {
        SETTINGS.load()
    }

    #[inline(always)]
    fn now(&self) -> u32 {
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
        let slot = SLOTS.get_ptr_mut(u32::from(cpu) * SETTINGS.load().slots_per_cpu + index)?;
        // SAFETY: only this CPU writes its slots, and hooks on one CPU do not interrupt each other: they all run with
        // bottom halves off. The agent only reads.
        Some(unsafe { &mut *slot })
    }

    #[inline(always)]
    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool {
        let wake = wake_up(self.now());
        if slot.line.family == 4 {
            let Some(mut record) = RECORDS.reserve::<FlowLine>(0) else { return false };
            record.write(slot.line).kind = kind as u8;
            record.submit(wake);
        } else {
            let Some(mut record) = RECORDS.reserve::<Slot>(0) else { return false };
            record.write(*slot).line.kind = kind as u8;
            record.submit(wake);
        }
        true
    }

    #[inline(always)]
    fn count_outcome(&mut self, outcome: Counter) {
        if let Some(counters) = COUNTERS.get_ptr_mut(0) {
            let counters = counters.cast::<u64>();
            // SAFETY: the value is this CPU's own, and counters are below its length.
            unsafe {
                *counters.add(Counter::Seen as usize) += 1;
                *counters.add(outcome as usize) += 1;
            }
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
