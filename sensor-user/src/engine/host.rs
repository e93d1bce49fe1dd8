//! The packet path on the host: the kernel program's own code over ordinary memory.
//!
//! Takes frames, gives the records, counters and slots that the kernel program would give. Needs no privileges.

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::{Deref, DerefMut},
    rc::Rc,
};

use sensor_common::{
    counter::Counter,
    glance::{Glance, glance, plain_ipv4, plain_ipv6},
    headers::Address,
    path::{Arrival, Environment, Verdict, capture, count_unjudged, watch, watch_plain},
    payload::{self, PIECE_HEAD_LEN, Piece},
    prefix::{CELLS, PrefixFlags},
    settings::{Enforcement, PortKind, PortTable, Services, Settings, port},
    slot::{FlowLine, RecordKind, Slot, TCP},
    topbits::BLOCK_V6_WORDS,
};
use zerocopy::IntoBytes;

use crate::{
    kernel::slots::Glance as SlotGlance,
    networks::{PrefixSet, Room, Tables},
};

/// The path's surroundings in ordinary memory.
pub struct HostEngine {
    settings: Settings,
    services: Box<Services>,
    prefixes: PrefixSet,
    tables: Tables,
    slots: Rc<RefCell<Slots>>,
    /// What each slot looked like at the last sweep.
    swept: Vec<SlotGlance>,
    counters: [u64; Counter::COUNT],
    /// By number of the exemption.
    exempted: Vec<u64>,
    records: Vec<Vec<u8>>,
    enforcement: Enforcement,
    room: Rc<Cell<Option<Box<payload::Room>>>>,
    now: u32,
}

/// The slots, and which of them were touched since the last sweep: one bit each.
struct Slots {
    all: Vec<Slot>,
    touched: Vec<u64>,
}

impl Slots {
    fn new(count: usize) -> Self {
        Self { all: vec![Slot::default(); count], touched: vec![0; count.div_ceil(64)] }
    }

    fn put(&mut self, index: usize, slot: Slot) {
        if let (Some(place), Some(word)) = (self.all.get_mut(index), self.touched.get_mut(index / 64)) {
            *place = slot;
            *word |= 1 << (index % 64);
        }
    }
}

/// A hold on one slot; what was changed is put back when it is dropped.
pub struct SlotHold {
    slot: Slot,
    index: usize,
    slots: Rc<RefCell<Slots>>,
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
        self.slots.borrow_mut().put(self.index, self.slot);
    }
}

/// A hold on the room for a piece of payload; it is put back when this is dropped.
pub struct RoomHold {
    room: Option<Box<payload::Room>>,
    place: Rc<Cell<Option<Box<payload::Room>>>>,
}

impl Deref for RoomHold {
    type Target = payload::Room;

    fn deref(&self) -> &payload::Room {
        self.room.as_ref().unwrap_or_else(|| unreachable!("it is taken when dropped"))
    }
}

impl DerefMut for RoomHold {
    fn deref_mut(&mut self) -> &mut payload::Room {
        self.room.as_mut().unwrap_or_else(|| unreachable!("it is taken when dropped"))
    }
}

impl Drop for RoomHold {
    fn drop(&mut self) {
        self.place.set(self.room.take());
    }
}

impl HostEngine {
    /// An engine with empty slots.
    #[must_use]
    pub fn new(settings: Settings, services: Box<Services>, prefixes: PrefixSet, room: Room) -> Self {
        let count = settings.slots_per_cpu as usize;
        let tables = Tables::new(&prefixes, room);
        Self {
            settings,
            services,
            prefixes,
            tables,
            slots: Rc::new(RefCell::new(Slots::new(count))),
            swept: vec![SlotGlance::default(); count],
            counters: [0; Counter::COUNT],
            exempted: vec![0; CELLS as usize],
            records: vec![],
            enforcement: Enforcement::default(),
            room: Rc::new(Cell::new(Some(Box::new(payload::Room::EMPTY)))),
            now: 0,
        }
    }

    /// Puts other prefixes into force; flows stay.
    pub fn put_prefixes(&mut self, prefixes: PrefixSet, room: Room) {
        self.tables = Tables::new(&prefixes, room);
        self.prefixes = prefixes;
    }

    /// Sets the time, in ticks.
    pub const fn set_now(&mut self, ticks: u32) {
        self.now = ticks;
    }

    /// Puts enforcement into force, or ends it.
    pub const fn enforce(&mut self, enforcement: Enforcement) {
        self.enforcement = enforcement;
    }

    /// Takes one frame down the path.
    pub fn frame(&mut self, bytes: &[u8], arrival: Arrival) -> Verdict {
        let plain = match glance(self, bytes, |length| arrival.frame_len < length) {
            Glance::Foreign => return Verdict::Foreign,
            Glance::PlainIpv4(server, service) => {
                plain_ipv4(bytes, arrival.vlan).map(|ports| (ports, (server, service)))
            }
            Glance::PlainIpv6(server, service) => {
                plain_ipv6(bytes, arrival.vlan).map(|ports| (ports, (server, service)))
            }
            Glance::Unsure => None,
        };
        let verdict = match plain {
            Some((ports, service)) => watch_plain(self, bytes, &ports, service, arrival),
            None => watch(self, bytes, arrival),
        };
        count_unjudged(self, verdict);
        if verdict == Verdict::Evident {
            capture(self, bytes);
            return Verdict::Kept;
        }
        verdict
    }

    /// One counter.
    #[must_use]
    pub const fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Packets that were let be for each exemption, by its number.
    #[must_use]
    pub fn exempted(&self) -> &[u64] {
        &self.exempted
    }

    /// The records since the last call, as they would stand on the ring.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.records)
    }

    /// Gives `found` each slot that changed since the last sweep, in their order.
    pub fn sweep(&mut self, mut found: impl FnMut(&Slot)) {
        let mut slots = self.slots.borrow_mut();
        let Slots { all, touched } = &mut *slots;
        for (at, word) in touched.iter_mut().enumerate() {
            let mut left = std::mem::take(word);
            while left != 0 {
                let index = at * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let glance = SlotGlance::at(&all[index]);
                if self.swept[index] != glance {
                    self.swept[index] = glance;
                    found(&all[index]);
                }
            }
        }
    }

    /// Forgets flows and counts, and on which ports SMB was recognised.
    pub fn reset(&mut self) {
        let count = self.swept.len();
        self.slots = Rc::new(RefCell::new(Slots::new(count)));
        self.swept = vec![SlotGlance::default(); count];
        self.counters = [0; Counter::COUNT];
        self.exempted.fill(0);
        self.records.clear();
        self.services.tcp.iter_mut().for_each(|kind| *kind &= !port::SUSPECT);
    }
}

impl Environment for HostEngine {
    type Slot = SlotHold;
    type Room = RoomHold;
    type Ends = Box<[Address; 2]>;
    type Replaced = FlowLine;
    type View = ();

    fn features(&self) -> u32 {
        self.settings.features
    }

    fn port_kind(&self, transport: u8, port: u16) -> PortKind {
        let table: &PortTable = if transport == TCP { &self.services.tcp } else { &self.services.udp };
        PortKind(table[usize::from(port)])
    }

    fn suspect(&mut self, port: u16) {
        self.services.tcp[usize::from(port)] |= port::SUSPECT;
    }

    fn keep_ends(&mut self, ends: [Address; 2]) -> Option<Box<[Address; 2]>> {
        Some(Box::new(ends))
    }

    fn view(&self) -> Option<()> {
        Some(())
    }

    fn number((): ()) -> u32 {
        0
    }

    fn table_v4(&self, (): (), word: usize) -> u64 {
        self.tables.table_v4[word]
    }

    fn leaf_v4(&self, _view: u32, network: u32, word: usize) -> u64 {
        self.tables.leaf_v4(network).map_or(u64::MAX, |leaf| leaf[word])
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

    fn seed(&self) -> [u64; 2] {
        self.settings.seed
    }

    fn slots_per_cpu(&self) -> u32 {
        self.settings.slots_per_cpu
    }

    fn idle_ticks(&self) -> u32 {
        self.settings.idle_ticks
    }

    fn now(&self) -> u32 {
        self.now
    }

    fn cpu(&self) -> u16 {
        0
    }

    fn slot(&mut self, _cpu: u16, index: u32) -> Option<SlotHold> {
        let index = index as usize;
        let slot = *self.slots.borrow().all.get(index)?;
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

    fn begin_replaced(&mut self, slot: &Slot) -> Option<FlowLine> {
        Some(FlowLine { kind: RecordKind::Replaced as u8, ..slot.line })
    }

    fn complete_replaced(&mut self, settled: FlowLine, slot: &Slot) {
        let opened = FlowLine { kind: RecordKind::Opened as u8, ..slot.line };
        self.records.push([settled, opened].as_bytes().to_vec());
    }

    fn room(&mut self) -> Option<RoomHold> {
        let place = Rc::clone(&self.room);
        let room = place.take()?;
        Some(RoomHold { room: Some(room), place })
    }

    fn emit_piece(&mut self, piece: &Piece) -> bool {
        let length = PIECE_HEAD_LEN + usize::from(piece.head.captured);
        self.records.push(piece.as_bytes()[..length].to_vec());
        true
    }

    fn enforces(&self, now: u32) -> bool {
        self.enforcement.is_in_force(now)
    }

    fn count_exempt(&mut self, cell: u32) {
        self.exempted[cell as usize] += 1;
    }

    fn count(&mut self, counter: Counter, by: u64) {
        self.counters[counter as usize] += by;
    }
}
