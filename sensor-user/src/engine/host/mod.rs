//! The packet path on the host: the kernel program's own code over ordinary memory.
//!
//! Takes frames, gives the records, counters and slots that the kernel program would give. Needs no privileges.

mod environment;
mod holds;
mod tables;

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
};

use sensor_common::{
    block::{BlockEntry, MAX_BLOCKS},
    classify::Server,
    counter::Counter,
    fast_path::{FastPath, fast_path, plain_ipv4, plain_ipv6},
    flow_mark::FLOW_MARKS,
    headers::{Link, Ports},
    path::{
        Arrival, Environment as _, Look, READERS, Verdict, capture, command, count_unparsed, parse, process,
        process_known, process_plain,
    },
    payload,
    prefix::EXEMPTION_COUNTERS,
    quic::{InitialWindow, QuicFlowKey},
    settings::{Enforcement, PortKind, Services, Settings, feature, port},
    slot::Slot,
};

pub use self::holds::{PieceBufferGuard, SlotGuard};
use self::{holds::Slots, tables::HostTables};
use crate::kernel::{blocks::BlockKey, quic, slots::SlotVersion};
use sensor_core::address::FiveTuple;
use sensor_core::networks::{Capacity, PrefixSet};

/// The path's environment in ordinary memory.
pub struct HostEngine {
    settings: Settings,
    services: Box<Services>,
    prefixes: PrefixSet,
    tables: HostTables,
    slots: Rc<RefCell<Slots>>,
    /// The state of each slot at the last sweep.
    swept: Vec<SlotVersion>,
    counters: [u64; Counter::COUNT],
    /// Counts of exempt packets, by number of the exemption.
    exempted: Vec<u64>,
    records: Vec<Vec<u8>>,
    enforcement: Enforcement,
    blocks: Vec<(BlockKey, BlockEntry)>,
    blocking: Enforcement,
    /// Packets of each block, by its number.
    block_packets: Vec<u64>,
    /// What each CPU has for itself.
    cpus: Vec<OfCpu>,
    now: u32,
    cpu: u16,
    /// Marks of flows on unwatched ports.
    flow_marks: Vec<u64>,
    /// For each side's stream in a slot, the CPU that looked at it last.
    readers: Vec<u16>,
    quic_flows: HashSet<QuicFlowKey>,
}

/// What a CPU has for itself, besides its slots.
struct OfCpu {
    piece_buffer: Rc<Cell<Option<Box<payload::PieceBuffer>>>>,
    quic_initials: InitialWindow,
}

impl OfCpu {
    fn new() -> Self {
        Self {
            piece_buffer: Rc::new(Cell::new(Some(Box::new(payload::PieceBuffer::EMPTY)))),
            quic_initials: InitialWindow::default(),
        }
    }
}

impl HostEngine {
    /// An engine with empty slots.
    #[must_use]
    pub fn new(settings: Settings, services: Box<Services>, prefixes: PrefixSet, capacity: Capacity) -> Self {
        let count = settings.slots_per_cpu as usize;
        Self {
            settings,
            services,
            slots: Rc::new(RefCell::new(Slots::new(count))),
            swept: SlotVersion::of_unread(count),
            counters: [0; Counter::COUNT],
            exempted: vec![0; EXEMPTION_COUNTERS as usize],
            records: vec![],
            enforcement: Enforcement::default(),
            blocks: vec![],
            blocking: Enforcement::default(),
            block_packets: vec![0; MAX_BLOCKS as usize],
            cpus: vec![OfCpu::new()],
            now: 0,
            cpu: 0,
            flow_marks: vec![0; FLOW_MARKS],
            readers: vec![0; READERS],
            quic_flows: HashSet::new(),
            // Last: zeros in memory that this used before would have to be written.
            tables: HostTables::new(&prefixes, capacity),
            prefixes,
        }
    }

    /// Replaces the prefixes; flows stay.
    pub fn put_prefixes(&mut self, prefixes: PrefixSet, capacity: Capacity) {
        self.tables = HostTables::new(&prefixes, capacity);
        self.prefixes = prefixes;
    }

    /// Sets the time, in ticks.
    pub const fn set_now(&mut self, ticks: u32) {
        self.now = ticks;
    }

    /// Handles frames on this CPU from now on, which has slots of its own.
    pub fn set_cpu(&mut self, cpu: u16) {
        let count = self.settings.slots_per_cpu as usize * (usize::from(cpu) + 1);
        self.slots.borrow_mut().extend(count);
        if self.swept.len() < count {
            self.swept.resize(count, SlotVersion::default());
        }
        while self.cpus.len() <= usize::from(cpu) {
            self.cpus.push(OfCpu::new());
        }
        self.cpu = cpu;
    }

    /// Sets the enforcement switch.
    pub const fn enforce(&mut self, enforcement: Enforcement) {
        self.enforcement = enforcement;
    }

    /// Replaces the blocks, and sets their switch.
    pub fn block(&mut self, blocks: Vec<(BlockKey, BlockEntry)>, blocking: Enforcement) {
        self.blocks = blocks;
        self.blocking = blocking;
    }

    /// Packets of each block, by its number.
    #[must_use]
    pub fn block_packets(&self) -> &[u64] {
        &self.block_packets
    }

    /// Counts these flows of QUIC from now on, and no others.
    pub fn count_quic(&mut self, flows: &[FiveTuple]) {
        self.services.udp.iter_mut().for_each(|kind| *kind &= !port::SUSPECT);
        self.services.udp = *quic::marked(&self.services.udp, flows);
        self.quic_flows = flows.iter().map(quic::key).collect();
    }

    /// Whether the fast path shows that a frame is not watched, after all frames that were shown to this engine. Changes nothing but the
    /// ports on which SMB or WebDAV was recognised.
    pub fn is_foreign(&mut self, bytes: &[u8], arrival: Arrival) -> bool {
        match fast_path(self, bytes, |length| arrival.frame_len < length) {
            FastPath::Foreign => return true,
            FastPath::PlainIpv4(..) | FastPath::PlainIpv6(..) => {}
            FastPath::Unsure => {
                if let Some(port) =
                    parse(self, bytes, arrival).ok().and_then(|parsed| parsed.recognised_port())
                {
                    self.suspect(port);
                }
            }
        }
        false
    }

    /// Processes one frame.
    pub fn frame(&mut self, bytes: &[u8], arrival: Arrival) -> Verdict {
        let fast = match arrival.link {
            Link::Ethernet => fast_path(self, bytes, |length| arrival.frame_len < length),
            Link::Ip => FastPath::Unsure,
        };
        let verdict = match fast {
            FastPath::Foreign => return Verdict::Foreign,
            FastPath::PlainIpv4(server, service) => {
                self.plain(bytes, |frame| plain_ipv4(frame, arrival.vlan), (server, service), arrival)
            }
            FastPath::PlainIpv6(server, service) => {
                self.plain(bytes, |frame| plain_ipv6(frame, arrival.vlan), (server, service), arrival)
            }
            FastPath::Unsure => process(self, bytes, arrival),
        };
        count_unparsed(self, verdict);
        if verdict == Verdict::Evident {
            let mut look = Look::Message;
            while look != Look::Done {
                look = if look == Look::Command { command(self, bytes) } else { capture(self, bytes) };
            }
            return Verdict::Kept;
        }
        verdict
    }

    /// Processes a plain frame.
    fn plain(
        &mut self,
        bytes: &[u8],
        read: impl Fn(&[u8]) -> Option<Ports>,
        service: (Server, PortKind),
        arrival: Arrival,
    ) -> Verdict {
        // Here known packets take the general parser too, so that tests can compare both ways.
        if self.settings.has(feature::SHORT) {
            return process(self, bytes, arrival);
        }
        if let Some(verdict) = process_known(self, bytes, &read, service.1, &arrival) {
            return verdict;
        }
        match read(bytes) {
            // As in the kernel, blocks are looked at on the general path alone.
            Some(ports) if self.blocking.on == 0 => process_plain(self, bytes, &ports, service, arrival),
            _ => process(self, bytes, arrival),
        }
    }

    /// One counter.
    #[must_use]
    pub const fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Packets that passed by each exemption, by its number.
    #[must_use]
    pub fn exempted(&self) -> &[u64] {
        &self.exempted
    }

    /// The records since the last call, in the form of the ring.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.records)
    }

    /// Passes each slot that changed since the last sweep to `found`, in order.
    pub fn sweep(&mut self, mut found: impl FnMut(&Slot)) {
        let mut slots = self.slots.borrow_mut();
        let Slots { all, touched } = &mut *slots;
        for (at, word) in touched.iter_mut().enumerate() {
            let mut left = std::mem::take(word);
            while left != 0 {
                let index = at * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let version = SlotVersion::at(&all[index]);
                if self.swept[index] != version {
                    self.swept[index] = version;
                    found(&all[index]);
                }
            }
        }
    }

    /// Whether SMB or WebDAV was recognised on this TCP port, so that further packets of it are watched.
    #[must_use]
    pub fn suspects(&self, port: u16) -> bool {
        self.services.tcp[usize::from(port.to_be())] & port::SUSPECT != 0
    }

    /// Forgets flows, counts, and the ports and flows on which SMB or WebDAV was recognised.
    pub fn reset(&mut self) {
        let count = self.swept.len();
        self.slots = Rc::new(RefCell::new(Slots::new(count)));
        self.swept = SlotVersion::of_unread(count);
        self.counters = [0; Counter::COUNT];
        self.exempted.fill(0);
        self.block_packets.fill(0);
        self.records.clear();
        self.services.tcp.iter_mut().for_each(|kind| *kind &= !port::SUSPECT);
        self.flow_marks.fill(0);
        self.readers.fill(0);
        self.count_quic(&[]);
        self.cpus.iter_mut().for_each(|cpu| cpu.quic_initials = InitialWindow::default());
    }
}
