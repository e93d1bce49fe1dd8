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
    glance::{Glance, glance, plain_ipv4, plain_ipv6},
    headers::{Address, Ports},
    path::{Arrival, Environment, Verdict, count_unjudged, watch, watch_plain},
    prefix::PrefixFlags,
    settings::{PortKind, PortTable, Services, Settings, port_kind, port_word, with_suspect},
    slot::{FlowLine, RecordKind, Slot, TCP},
    topbits::BLOCK_V6_WORDS,
};
use zerocopy::IntoBytes;

use crate::networks::{PrefixSet, Room, Tables};

/// The path's surroundings in ordinary memory.
pub struct HostEngine {
    settings: Settings,
    services: Box<Services>,
    prefixes: PrefixSet,
    tables: Tables,
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
        let slots = Rc::new(RefCell::new(vec![Slot::default(); settings.slots_per_cpu as usize]));
        let room = Room { v4_blocks: settings.blocks_v4, v6_blocks: settings.blocks_v6 };
        let tables = Tables::new(&prefixes, room);
        Self {
            settings,
            services,
            prefixes,
            tables,
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
        let plain = match glance(self, bytes, arrival.frame_len) {
            Glance::Foreign => return Verdict::Foreign,
            Glance::PlainIpv4 => plain_ipv4(bytes, arrival.vlan),
            Glance::PlainIpv6 => plain_ipv6(bytes, arrival.vlan),
            Glance::Unsure => None,
        };
        let verdict = match plain {
            Some(ports) => watch_plain(self, bytes, &ports, arrival),
            None => watch(self, bytes, arrival),
        };
        count_unjudged(self, verdict);
        verdict
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

    fn features(&self) -> u32 {
        self.settings.features
    }

    fn port_kind(&self, transport: u8, port: u16) -> PortKind {
        let table: &PortTable = if transport == TCP { &self.services.tcp } else { &self.services.udp };
        port_kind(table[port_word(port)], port)
    }

    fn suspect(&mut self, port: u16) {
        let word = &mut self.services.tcp[port_word(port)];
        *word = with_suspect(*word, port);
    }

    fn forget(&mut self, ports: Ports) -> Ports {
        ports
    }

    fn view(&self) -> u32 {
        0
    }

    fn top_v4(&self, _view: u32, index: u32) -> u32 {
        self.tables.top_v4[index as usize]
    }

    fn block_v4(&self, _view: u32, block: u32, word: usize) -> u64 {
        self.tables.blocks_v4[block as usize][word]
    }

    fn top_v6(&self, _view: u32, index: u32) -> u32 {
        self.tables.top_v6[index as usize]
    }

    fn block_v6(&self, _view: u32, block: u32, word: u32) -> u64 {
        self.tables.blocks_v6[(block * BLOCK_V6_WORDS + word) as usize]
    }

    fn walk_v4(&self, _view: u32, address: u32) -> PrefixFlags {
        self.prefixes.lookup(IpAddr::V4(Ipv4Addr::from(address.to_ne_bytes())))
    }

    fn walk_v6(&self, _view: u32, address: &Address) -> PrefixFlags {
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
        Some(SlotHold { slot, index, slots: Rc::clone(&self.slots) })
    }

    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool {
        let line = FlowLine { kind: kind as u8, ..slot.line };
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
