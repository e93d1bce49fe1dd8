//! The packet path on the host: the kernel program's own code over ordinary memory.
//!
//! Takes frames, gives the records, counters and slots that the kernel program would give. Needs no privileges.

use std::{
    cell::RefCell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::{Deref, DerefMut},
    rc::Rc,
};

use sensor_common::{
    counter::Counter,
    headers::Address,
    path::{Arrival, Environment, Verdict, watch},
    prefix::PrefixFlags,
    settings::{PORT_WORDS, Services, Settings, bit, word},
    slot::{FlowLine, RecordKind, Slot, TCP},
};
use zerocopy::IntoBytes;

use crate::networks::PrefixSet;

/// The path's surroundings in ordinary memory.
pub struct HostEngine {
    settings: Settings,
    services: Box<Services>,
    prefixes: PrefixSet,
    slots: Rc<RefCell<Vec<Slot>>>,
    counters: [u64; Counter::COUNT],
    records: Vec<Vec<u8>>,
    now: u32,
}

/// A hold on one slot; what was changed is put back when it is dropped.
pub struct SlotHold {
    slot: Slot,
    index: usize,
    slots: Rc<RefCell<Vec<Slot>>>,
}

impl Deref for SlotHold {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl DerefMut for SlotHold {
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.slot
    }
}

impl Drop for SlotHold {
    fn drop(&mut self) {
        if let Some(place) = self.slots.borrow_mut().get_mut(self.index) {
            *place = self.slot;
        }
    }
}

impl HostEngine {
    /// An engine with empty slots.
    #[must_use]
    pub fn new(settings: Settings, services: Box<Services>, prefixes: PrefixSet) -> Self {
        let slots = Rc::new(RefCell::new(vec![
            Slot::default();
            settings.slots_per_cpu as usize
        ]));
        Self {
            settings,
            services,
            prefixes,
            slots,
            counters: [0; Counter::COUNT],
            records: vec![],
            now: 0,
        }
    }

    /// Sets the time, in ticks.
    pub const fn set_now(&mut self, ticks: u32) {
        self.now = ticks;
    }

    /// Takes one frame down the path.
    pub fn frame(&mut self, bytes: &[u8], arrival: Arrival) -> Verdict {
        watch(self, bytes, arrival)
    }

    /// One counter.
    #[must_use]
    pub const fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// The records since the last call, as they would stand on the ring.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.records)
    }
}

impl Environment for HostEngine {
    type Slot = SlotHold;

    fn is_service(&self, transport: u8, port: u16) -> bool {
        let table: &[u64; PORT_WORDS] = if transport == TCP {
            &self.services.tcp
        } else {
            &self.services.udp
        };
        table[word(port)] & bit(port) != 0
    }

    fn prefix_v4(&self, address: u32) -> PrefixFlags {
        self.prefixes
            .lookup(IpAddr::V4(Ipv4Addr::from(address.to_ne_bytes())))
    }

    fn prefix_v6(&self, address: &Address) -> PrefixFlags {
        let mut octets = [0; 16];
        octets.copy_from_slice(address.as_bytes());
        self.prefixes.lookup(IpAddr::V6(Ipv6Addr::from(octets)))
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn now(&self) -> u32 {
        self.now
    }

    fn cpu(&self) -> u16 {
        0
    }

    fn slot(&mut self, _cpu: u16, index: u32) -> Option<SlotHold> {
        let index = index as usize;
        let slot = *self.slots.borrow().get(index)?;
        Some(SlotHold {
            slot,
            index,
            slots: Rc::clone(&self.slots),
        })
    }

    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool {
        let line = FlowLine {
            kind: kind as u8,
            ..slot.line
        };
        self.records.push(if line.family == 4 {
            line.as_bytes().to_vec()
        } else {
            Slot { line, ..*slot }.as_bytes().to_vec()
        });
        true
    }

    fn count(&mut self, counter: Counter, by: u64) {
        self.counters[counter as usize] += by;
    }
}
