//! Captures made by hand: frames with their times, written in every format of capturing programs.

use std::path::Path;

use anyhow::{Context as _, Result};
use sensor_user::capture;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// Link types as in a capture's header (the tcpdump group's list).
pub mod link {
    /// Ethernet.
    pub const ETHERNET: u16 = 1;
    /// A word of this machine's order with the address family.
    pub const NULL: u16 = 0;
    /// The same in network order.
    pub const LOOP: u16 = 108;
    /// IP without anything before it.
    pub const RAW: u16 = 101;
    /// IPv4 without anything before it.
    pub const IPV4: u16 = 228;
    /// IPv6 without anything before it.
    pub const IPV6: u16 = 229;
    /// Linux cooked.
    pub const LINUX_SLL: u16 = 113;
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: u16 = 276;
    /// PPP.
    pub const PPP: u16 = 9;
    /// PPP in HDLC-like framing.
    pub const PPP_HDLC: u16 = 50;
    /// PPPoE without its Ethernet header.
    pub const PPPOE: u16 = 51;
}

/// Frames with their times in nanoseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The frames, Ethernet.
    pub frames: Vec<(u64, Vec<u8>)>,
}

/// The order of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The least first.
    Little,
    /// The greatest first.
    Big,
}

impl ByteOrder {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

impl Recording {
    /// The frames of a capture.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut frames = Vec::new();
        capture::frames(path, |frame| frames.push((frame.nanoseconds, frame.bytes.to_vec())))
            .with_context(|| format!("read {}", path.display()))?;
        Ok(Self { frames })
    }

    /// The same frames, this many seconds later.
    #[must_use]
    pub fn later(mut self, seconds: u64) -> Self {
        self.frames.iter_mut().for_each(|(time, _)| *time += seconds * SECOND);
        self
    }

    /// As a pcap file. Frames of other link types have that link type's header instead of Ethernet.
    #[must_use]
    pub fn pcap(&self, order: ByteOrder, nanoseconds: bool, link: u16) -> Vec<u8> {
        let magic = if nanoseconds { 0xA1B2_3C4D } else { 0xA1B2_C3D4 };
        let mut file = order.u32(magic).to_vec();
        file.extend([order.u16(2), order.u16(4)].as_flattened());
        file.extend([0; 8]);
        file.extend([order.u32(262_144), order.u32(u32::from(link))].as_flattened());
        for (time, frame) in &self.frames {
            let frame = linked(frame, link);
            let fraction = (time % SECOND) / if nanoseconds { 1 } else { 1_000 };
            let length = order.u32(frame.len() as u32);
            let head = [order.u32((time / SECOND) as u32), order.u32(fraction as u32), length, length];
            file.extend(head.as_flattened());
            file.extend(frame);
        }
        file
    }

    /// As a pcapng file with times in microseconds, or nanoseconds.
    #[must_use]
    pub fn pcapng(&self, order: ByteOrder, nanoseconds: bool) -> Vec<u8> {
        let mut section = order.u32(0x1A2B_3C4D).to_vec();
        section.extend([order.u16(1), order.u16(0)].as_flattened());
        section.extend([0xFF; 8]);
        let mut file = block(order, 0x0A0D_0D0A, &section);
        let mut interface = [order.u16(link::ETHERNET), order.u16(0)].as_flattened().to_vec();
        interface.extend(order.u32(262_144));
        if nanoseconds {
            // if_tsresol: 10^-9; then the end of the options.
            interface.extend([order.u16(9), order.u16(1)].as_flattened());
            interface.extend([9, 0, 0, 0, 0, 0, 0, 0]);
        }
        file.extend(block(order, 1, &interface));
        for (time, frame) in &self.frames {
            let time = if nanoseconds { *time } else { time / 1_000 };
            let length = order.u32(frame.len() as u32);
            let head = [order.u32(0), order.u32((time >> 32) as u32), order.u32(time as u32), length, length];
            let mut packet = head.as_flattened().to_vec();
            packet.extend(frame);
            packet.resize(packet.len().next_multiple_of(4), 0);
            file.extend(block(order, 6, &packet));
        }
        file
    }
}

fn block(order: ByteOrder, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = order.u32(body.len() as u32 + 12);
    [&order.u32(kind), &length, body, &length].concat()
}

/// An Ethernet frame as one of another link type.
fn linked(frame: &[u8], link: u16) -> Vec<u8> {
    let (Some(packet), Some(ether_type)) = (frame.get(14..), frame.get(12..14)) else {
        return frame.to_vec();
    };
    let (family, ppp) = if ether_type == [0x86, 0xDD] { (10, 0x57) } else { (2, 0x21) };
    let head: Vec<u8> = match link {
        link::RAW | link::IPV4 | link::IPV6 => vec![],
        link::NULL => vec![family, 0, 0, 0],
        link::LOOP => vec![0, 0, 0, family],
        link::LINUX_SLL => [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0], ether_type].concat(),
        link::LINUX_SLL2 => [ether_type, &[0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0]].concat(),
        link::PPP => vec![0, ppp],
        link::PPP_HDLC => vec![0xFF, 3, 0, ppp],
        // RFC 1661 6.5: the protocol in one byte.
        link::PPPOE => [&[0x11, 0, 0, 9], &(1 + packet.len() as u16).to_be_bytes()[..], &[ppp]].concat(),
        _ => return frame.to_vec(),
    };
    [&head, packet].concat()
}
