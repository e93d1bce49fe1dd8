//! Implements the environment of the packet path for the host engine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::Rc,
};

use sensor_common::{
    block::{BlockEntry, block_ends},
    counter::Counter,
    flow_mark::FlowMark,
    headers::Address,
    path::Environment,
    payload::{PIECE_HEAD_LEN, Piece},
    prefix::PrefixFlags,
    quic::QuicFlowKey,
    settings::{PortKind, PortTable, port},
    slot::{RecordKind, RecordV4, Slot, TCP},
};
use zerocopy::IntoBytes;

use super::{
    HostEngine,
    holds::{PieceBufferGuard, SlotGuard},
};

impl Environment for HostEngine {
    type Slot = SlotGuard;
    type PieceBuffer = PieceBufferGuard;
    type Ends = Box<[Address; 2]>;
    type Replaced = RecordV4;
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

    fn flow_mark(&self, place: usize) -> FlowMark {
        FlowMark(self.flow_marks[place])
    }

    fn set_flow_mark(&mut self, place: usize, word: FlowMark) {
        self.flow_marks[place] = word.0;
    }

    fn becomes_reader(&mut self, entry: usize, reader: u16) -> u16 {
        std::mem::replace(&mut self.readers[entry], reader)
    }

    fn counts(&self, flow: &QuicFlowKey) -> bool {
        self.quic_flows.contains(flow)
    }

    fn admits_initial(&mut self, now: u32, flow: u64) -> bool {
        let second = self.settings.second;
        self.cpus[usize::from(self.cpu)].quic_initials.admits(now, second, flow)
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
        self.tables.word_v4(word)
    }

    fn leaf_v4(&self, _view: u32, network: u32, word: usize) -> u64 {
        self.tables.leaf_word_v4(network, word)
    }

    fn top_v6(&self, _view: u32, index: u32) -> u32 {
        self.tables.top_v6(index)
    }

    fn block_v6(&self, _view: u32, block: u32, word: u32) -> u64 {
        self.tables.block_word_v6(block, word)
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
        self.cpu
    }

    fn slot(&mut self, cpu: u16, index: u32) -> Option<SlotGuard> {
        let index = usize::from(cpu) * self.settings.slots_per_cpu as usize + index as usize;
        let slot = *self.slots.borrow().all.get(index)?;
        Some(SlotGuard { slot, index, slots: Rc::clone(&self.slots) })
    }

    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool {
        self.records.push(if slot.line.family == 4 {
            slot.record_v4(kind).as_bytes().to_vec()
        } else {
            slot.record_v6(kind).as_bytes().to_vec()
        });
        true
    }

    fn begin_replaced(&mut self, slot: &Slot) -> Option<RecordV4> {
        Some(slot.record_v4(RecordKind::Replaced))
    }

    fn complete_replaced(&mut self, settled: RecordV4, slot: &Slot) {
        let opened = slot.record_v4(RecordKind::Opened);
        self.records.push([settled, opened].as_bytes().to_vec());
    }

    fn piece_buffer(&mut self) -> Option<PieceBufferGuard> {
        let place = Rc::clone(&self.cpus[usize::from(self.cpu)].piece_buffer);
        let piece_buffer = place.take()?;
        Some(PieceBufferGuard { piece_buffer: Some(piece_buffer), place })
    }

    fn emit_piece(&mut self, piece: &Piece) -> bool {
        let length = PIECE_HEAD_LEN + usize::from(piece.head.captured);
        self.records.push(piece.as_bytes()[..length].to_vec());
        true
    }

    fn enforces(&self, now: u32) -> bool {
        self.enforcement.is_in_force(now)
    }

    fn block_of(&self, source: &Address, destination: &Address) -> BlockEntry {
        let between = |first, second| {
            let ends = block_ends(first, second);
            let covering = self.blocks.iter().filter(|(key, _)| key.covers(&ends));
            covering.max_by_key(|(key, _)| key.prefix_len()).map(|(_, entry)| *entry)
        };
        between(source, destination).or_else(|| between(destination, source)).unwrap_or(BlockEntry::NONE)
    }

    fn has_blocks(&self) -> bool {
        self.blocking.on != 0
    }

    fn blocks(&self, now: u32) -> bool {
        self.blocking.is_in_force(now)
    }

    fn count_block(&mut self, number: u32) {
        self.block_packets[number as usize] += 1;
    }

    fn count_exempt(&mut self, counter: u32) {
        self.exempted[counter as usize] += 1;
    }

    fn count(&mut self, counter: Counter, by: u64) {
        self.counters[counter as usize] += by;
    }
}
