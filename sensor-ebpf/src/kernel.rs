//! The path's [`Environment`] in the kernel: maps, helpers, globals.

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, generated::bpf_jiffies64},
    maps::lpm_trie::Key,
};
use sensor_common::{
    counter::Counter,
    headers::Address,
    path::Environment,
    prefix::PrefixFlags,
    settings::{PORT_WORDS, Settings, bit, word},
    slot::{FlowLine, RecordKind, Slot, TCP},
};

use crate::maps::{COUNTERS, PREFIXES_V4, PREFIXES_V6, RECORDS, SERVICES, SETTINGS, SLOTS};

/// The kernel around one packet.
pub(crate) struct Kernel;

#[inline(always)]
fn watched(table: *const [u64; PORT_WORDS], port: u16) -> bool {
    // SAFETY: `word` is below PORT_WORDS for every port; volatile because the agent writes the table before load.
    let bits = unsafe { table.cast::<u64>().add(word(port)).read_volatile() };
    bits & bit(port) != 0
}

impl Environment for Kernel {
    type Slot = &'static mut Slot;

    #[inline(always)]
    fn is_service(&self, transport: u8, port: u16) -> bool {
        if transport == TCP {
            watched(&raw const SERVICES.tcp, port)
        } else {
            watched(&raw const SERVICES.udp, port)
        }
    }

    #[inline(always)]
    fn prefix_v4(&self, address: u32) -> PrefixFlags {
        PrefixFlags(PREFIXES_V4.get(Key::new(32, address)).copied().unwrap_or(0))
    }

    #[inline(always)]
    fn prefix_v6(&self, address: &Address) -> PrefixFlags {
        PrefixFlags(PREFIXES_V6.get(Key::new(128, *address)).copied().unwrap_or(0))
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
        let line = FlowLine {
            kind: kind as u8,
            ..slot.line
        };
        if line.family == 4 {
            let Some(mut record) = RECORDS.reserve::<FlowLine>(0) else {
                return false;
            };
            record.write(line);
            record.submit(0);
        } else {
            let Some(mut record) = RECORDS.reserve::<Slot>(0) else {
                return false;
            };
            record.write(Slot {
                line,
                wide: slot.wide,
            });
            record.submit(0);
        }
        true
    }

    #[inline(always)]
    fn count(&mut self, counter: Counter, by: u64) {
        if let Some(counters) = COUNTERS.get_ptr_mut(0) {
            // SAFETY: the value is this CPU's own, and `counter` is below its length.
            unsafe { *counters.cast::<u64>().add(counter as usize) += by };
        }
    }
}
