//! Decides which packets are kept: those of reported flows, from some time before the report on.
//!
//! Takes packets and changes of incidents in order, writes to a file. Everything is bounded: the memory for packets
//! without an incident, the bytes of a flow, and the file.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Write},
    net::SocketAddr,
};

use pcap_parser::Linktype;
use sensor_common::slot::{TCP, UDP};

use super::pcapng::{self, Packet, linktype};
use crate::{
    capture::{Frame, segment::segment},
    kernel::interface::Interface,
};
use sensor_core::address::FiveTuple;

/// Bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes remembered of packets without an incident.
    pub window_bytes: usize,
    /// Nanoseconds for which they are remembered.
    pub window_time: u64,
    /// Bytes in the file for each flow.
    pub flow_bytes: u64,
    /// Most flows with an incident at a time.
    pub flows: usize,
    /// Nanoseconds without a packet after which a flow gives its place to another.
    pub idle_time: u64,
    /// Most bytes of the file.
    pub file_bytes: u64,
}

/// A flow in either direction: transport and both ends, the lower first.
type Key = (u8, SocketAddr, SocketAddr);

/// A flow with an incident.
struct Alerted {
    comment: String,
    bytes: u64,
    /// Time of its incident or its last packet.
    last: u64,
    /// When it ended: packets until then may still be waiting.
    over: Option<u64>,
}

/// Writes packets.
pub struct Recorder<W> {
    out: W,
    bounds: Bounds,
    /// What the packets of each interface begin with.
    links: Vec<Linktype>,
    snap_length: u32,
    window: VecDeque<(Key, Packet)>,
    window_bytes: usize,
    flows: HashMap<Key, Alerted>,
    bytes: u64,
    written: u64,
    left_out: u64,
    full: bool,
    /// When free places were last looked for.
    tidied: u64,
}

/// Nanoseconds between two searches for places, each of which reads every flow.
const SEARCH: u64 = 1_000_000_000;

fn key(transport: u8, one: SocketAddr, other: SocketAddr) -> Key {
    (transport, one.min(other), one.max(other))
}

fn key_of(packet: &Packet, link: Linktype) -> Option<Key> {
    let frame = Frame { link, bytes: &packet.bytes, nanoseconds: packet.at };
    let segment = segment(&frame)?;
    let transport = if segment.tcp.is_some() { TCP } else { UDP };
    Some(key(transport, segment.source, segment.destination))
}

impl<W: Write> Recorder<W> {
    /// Starts a section in a file that has `bytes` already.
    ///
    /// # Errors
    /// Those of the file.
    pub fn new(
        out: W,
        bytes: u64,
        interfaces: &[Interface],
        snap_length: u32,
        bounds: Bounds,
    ) -> io::Result<Self> {
        let mut out = out;
        let bytes = bytes + pcapng::write_head(&mut out, interfaces, snap_length)?;
        Ok(Self {
            out,
            bounds,
            snap_length,
            links: interfaces.iter().map(|interface| linktype(interface.link)).collect(),
            window: VecDeque::new(),
            window_bytes: 0,
            flows: HashMap::new(),
            bytes,
            written: 0,
            left_out: 0,
            full: false,
            tidied: 0,
        })
    }

    /// An interface appeared; its number is the next one.
    ///
    /// # Errors
    /// Those of the file.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<()> {
        self.links.push(linktype(interface.link));
        self.bytes += pcapng::write_interface(&mut self.out, interface, self.snap_length)?;
        Ok(())
    }

    /// Packets written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Flows that could not be recorded because all places were taken.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether the file has its maximum length: nothing more is written.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// A packet passed.
    ///
    /// # Errors
    /// Those of the file.
    pub fn packet(&mut self, packet: Packet) -> io::Result<()> {
        let link = self.links.get(packet.interface as usize).copied();
        let Some(key) = link.and_then(|link| key_of(&packet, link)) else { return Ok(()) };
        if let Some(alerted) = self.flows.get_mut(&key) {
            if alerted.over.is_none_or(|over| packet.at <= over) {
                alerted.last = alerted.last.max(packet.at);
                return self.write(&key, &packet);
            }
            self.flows.remove(&key);
        }
        let oldest = packet.at.saturating_sub(self.bounds.window_time);
        self.window_bytes += weight(&packet);
        self.window.push_back((key, packet));
        while self
            .window
            .front()
            .is_some_and(|(_, first)| self.window_bytes > self.bounds.window_bytes || first.at < oldest)
        {
            if let Some((_, gone)) = self.window.pop_front() {
                self.window_bytes -= weight(&gone);
            }
        }
        Ok(())
    }

    /// A flow got an incident at `at`: writes its remembered packets and all later ones.
    ///
    /// # Errors
    /// Those of the file.
    pub fn alerted(&mut self, flow: &FiveTuple, alert: &str, rule: &str, at: u64) -> io::Result<()> {
        let key = key(flow.transport, flow.local, flow.remote);
        if self.flows.get(&key).is_some_and(|alerted| alerted.over.is_some()) {
            // The same ends again are another flow.
            self.flows.remove(&key);
        }
        if !self.flows.contains_key(&key) && !self.has_place(at) {
            self.left_out += 1;
            return Ok(());
        }
        let alerted = self.flows.entry(key).or_insert_with(|| Alerted {
            comment: String::new(),
            bytes: 0,
            last: at,
            over: None,
        });
        alerted.last = alerted.last.max(at);
        if !alerted.comment.is_empty() {
            alerted.comment.push('\n');
        }
        alerted.comment.push_str(&format!("smb-sensor incident {alert}, rule {rule}"));
        let (its, others) = std::mem::take(&mut self.window).into_iter().partition(|(of, _)| *of == key);
        self.window = others;
        for (_, packet) in its {
            self.window_bytes -= weight(&packet);
            self.write(&key, &packet)?;
        }
        Ok(())
    }

    /// A flow ended at `at`.
    pub fn closed(&mut self, flow: &FiveTuple, at: u64) {
        if let Some(alerted) = self.flows.get_mut(&key(flow.transport, flow.local, flow.remote)) {
            alerted.over = Some(at);
        }
    }

    /// Whether one more flow can be recorded: ended flows and long idle ones give up their places.
    fn has_place(&mut self, now: u64) -> bool {
        let full = self.flows.len() >= self.bounds.flows;
        if full && now.abs_diff(self.tidied) >= SEARCH {
            self.tidied = now;
            let oldest = now.saturating_sub(self.bounds.idle_time);
            self.flows.retain(|_, alerted| alerted.over.is_none() && alerted.last >= oldest);
        }
        self.flows.len() < self.bounds.flows
    }

    /// Flushes the file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn write(&mut self, key: &Key, packet: &Packet) -> io::Result<()> {
        let Some(alerted) = self.flows.get_mut(key) else { return Ok(()) };
        // Blocks and options add at most 60 bytes to their content.
        let takes = (packet.bytes.len() + alerted.comment.len() + 60) as u64;
        if self.full || alerted.bytes + takes > self.bounds.flow_bytes {
            return Ok(());
        }
        if self.bytes + takes > self.bounds.file_bytes {
            self.full = true;
            return Ok(());
        }
        let took = pcapng::write_packet(&mut self.out, packet, &alerted.comment)?;
        alerted.bytes += took;
        self.bytes += took;
        self.written += 1;
        Ok(())
    }
}

/// Bytes that a remembered packet takes.
fn weight(packet: &Packet) -> usize {
    packet.bytes.len() + size_of::<(Key, Packet)>()
}

#[cfg(test)]
mod tests;
