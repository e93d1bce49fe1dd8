//! Random frames, built from the parts of real ones.

use std::net::SocketAddr;

use sensor_common::slot::{TCP, UDP, tcp};

use super::{
    address, mutate,
    talk::{self, Talks},
};
use crate::{
    encapsulation::{
        CHECKSUM, ENDS, ENDS_V6, ERSPAN, ERSPAN_III, ETHERNET, GENEVE, GRE, IPIP, IPV4, IPV6, IPV6_IN_IP,
        KEY, MPLS_IN_IP, MPLS_IN_UDP, SEQUENCE, VXLAN, VXLAN_GPE, datagram, erspan_ii, erspan_iii, geneve,
        gre, ip, labels, vxlan, vxlan_gpe,
    },
    frame::{Frame, QINQ, QINQ_OLD, VLAN, extension},
    random::Xorshift,
};

/// PPP protocols (IANA): IPv4, IPv6, and one that is neither.
const PPP: [u16; 3] = [0x0021, 0x0057, 0xC021];

/// Services, ports that are often used for SMB, and others.
const PORTS: [u16; 12] = [445, 445, 445, 139, 135, 137, 138, 4445, 443, 53, 4789, 50_000];

const FLAGS: [u8; 9] = [
    tcp::SYN,
    tcp::SYN | tcp::ACK,
    tcp::ACK,
    tcp::ACK,
    tcp::ACK | 8,
    tcp::FIN | tcp::ACK,
    tcp::RST,
    tcp::SYN | 0xC0,
    tcp::RST | tcp::ACK,
];

const EXTENSIONS: [u8; 6] = [
    extension::HOP_BY_HOP,
    extension::ROUTING,
    extension::DESTINATION_OPTIONS,
    extension::AUTHENTICATION,
    extension::MOBILITY,
    extension::NONE,
];

/// Most bytes of a frame that is made longer, if frames are linear.
pub(super) const MAX_LINEAR_LEN: usize = 3_400;

/// An endless sequence of frames, the same for the same seed.
pub struct Generator<'a> {
    random: Xorshift,
    recorded: &'a [Vec<u8>],
    talks: Talks,
    cpu: u16,
}

impl<'a> Generator<'a> {
    /// A sequence. A quarter of it are segments of connections, and a quarter of the rest is made from `recorded` frames, if
    /// there are any.
    #[must_use]
    pub fn new(seed: u64, recorded: &'a [Vec<u8>]) -> Self {
        Self { random: Xorshift::seeded(seed), recorded, talks: Talks::new(), cpu: 0 }
    }

    /// The CPU of the last frame: now and then another one, without regard for the frame's connection.
    #[must_use]
    pub fn cpu(&mut self) -> u16 {
        if self.random.one_in(8) {
            self.cpu = 1 - self.cpu;
        }
        self.cpu
    }

    /// The next frame, of at least an Ethernet header.
    #[must_use]
    pub fn frame(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        if random.one_in(4) {
            return if random.one_in(6) { Talks::passing(random) } else { self.talks.frame(random) };
        }
        let recorded = !self.recorded.is_empty() && random.one_in(4);
        let frame = if recorded {
            self.recorded[random.below(self.recorded.len())].clone()
        } else {
            structured(random)
        };
        // Recorded frames are valid and from few connections: most are changed.
        let changed = if recorded { !random.one_in(4) } else { random.one_in(2) };
        if changed { mutate(random, &frame) } else { frame }
    }
}

/// A valid frame, except for deliberate lies.
fn structured(random: &mut Xorshift) -> Vec<u8> {
    let mut frame = packet(random);
    for _ in 0..[0, 0, 0, 0, 0, 1, 1, 2, 2, 3][random.below(10)] {
        frame = frame.tag(random.pick(&[VLAN, QINQ, QINQ_OLD]), random.next() as u16);
    }
    if random.one_in(30) {
        frame = frame.pppoe(random.pick(&PPP));
        if random.one_in(3) {
            return compressed(&frame);
        }
    } else if random.one_in(40) {
        frame = frame.ethertype(random.pick(&[IPV4, IPV6, 0x0806, 0x8847, 0x8848, 0x88E5, 0x0801]));
    }
    if random.one_in(40) {
        return labelled(random, &frame);
    }
    if random.one_in(8) {
        frame = frame.padding(random.below(30));
    }
    if random.one_in(8) { tunnelled(random, &frame) } else { frame.build() }
}

/// The frame with the protocol of its PPPoE session in one byte (RFC 1661 6.5).
fn compressed(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.build();
    let protocol = bytes.len() - frame.packet().len() - 2;
    bytes.remove(protocol);
    bytes
}

/// The frame with MPLS labels between its link header and its packet.
fn labelled(random: &mut Xorshift, frame: &Frame) -> Vec<u8> {
    let packet = frame.packet();
    let at = frame.build().len() - packet.len();
    let link = &frame.clone().ethertype(random.pick(&[0x8847, 0x8848])).build()[..at];
    [link, &labels(1 + random.below(5) as u8, &packet)].concat()
}

/// An IP packet between two ends.
fn packet(random: &mut Xorshift) -> Frame {
    let wide = random.one_in(3);
    let protocol = match random.below(16) {
        0..=10 => TCP,
        11..=14 => UDP,
        _ => random.pick(&[1, IPIP, IPV6_IN_IP, GRE, 50, 58, 132, 0, 44, 255]),
    };
    let [from, to] = [(); 2].map(|()| SocketAddr::new(address::any(random, wide), port(random)));
    let mut frame = Frame::between(protocol, from, to)
        .flags(if random.one_in(10) { random.next() as u8 } else { random.pick(&FLAGS) })
        .sequence(random.next() as u32)
        .payload(&payload(random));
    if protocol == UDP && random.one_in(6) {
        let to = SocketAddr::new(to.ip(), random.pick(&[443, 443, 443, 8443]));
        frame = Frame::between(UDP, from, to).payload(&initial(random));
    }
    if random.one_in(6) {
        let offset = random.pick(&[0, 0, 0, 1, 2, 185, 0x1FFF]);
        frame = frame.fragment(offset, random.one_in(2));
    }
    if wide {
        frame = extended(random, frame);
    } else {
        if random.one_in(6) {
            frame = frame.option_words(random.below(11) as u8);
        }
        if random.one_in(6) {
            frame = frame.dont_fragment();
        }
    }
    bent(random, frame)
}

fn extended(random: &mut Xorshift, frame: Frame) -> Frame {
    let mut frame = frame;
    let many = if random.one_in(3) { random.below(9) } else { 0 };
    for _ in 0..many {
        // A fragment header may be anywhere.
        frame = match random.below(10) {
            0 => frame.fragment(random.pick(&[0, 0, 1]), random.one_in(2)),
            _ => frame.extension(random.pick(&EXTENSIONS[..5]), random.below(3) as u8),
        };
    }
    if random.one_in(40) { frame.extension(random.pick(&EXTENSIONS), 0) } else { frame }
}

/// Lies about versions and lengths, rarely.
fn bent(random: &mut Xorshift, frame: Frame) -> Frame {
    let mut frame = frame;
    if random.one_in(12) {
        frame = frame.length(random.pick(&[0, 1, 20, 28, 39, 40, 41, 60, 0xFFFF, random.0 as u16]));
    }
    if random.one_in(12) {
        frame = frame.data_offset(random.below(16) as u8);
    }
    if random.one_in(60) {
        frame = frame.header_words(random.below(16) as u8);
    }
    if random.one_in(60) { frame.version(random.below(16) as u8) } else { frame }
}

fn port(random: &mut Xorshift) -> u16 {
    match random.below(8) {
        0 => random.next() as u16,
        1 | 2 => 50_000 + random.below(4) as u16,
        _ => random.pick(&PORTS),
    }
}

/// Payload that begins like that of the watched protocols, or like nothing in particular.
fn payload(random: &mut Xorshift) -> Vec<u8> {
    let length = match random.below(200) {
        0 => 3_000 + random.below(5_000),
        1..=40 => 0,
        41..=100 => random.below(40),
        _ => random.below(300),
    };
    let [_, b, c, d] = (length.saturating_sub(4) as u32).to_be_bytes();
    let identifier = random.pick(&[0xFE, 0xFE, 0xFF, 0xFD, 0xFC, 0xFB]);
    let command = random.pick(&[0, 1, 2, 3, 8, 9, 0x0A, 0x0B, 0x25, 0x2F, 0x32, 0x72, 0x73, 0x75, 0xA0]);
    let mut beginning = match random.below(9) {
        0..=3 => vec![0, b, c, d, identifier, b'S', b'M', b'B', 64, 0, 0, 0, 0, 0, 0, 0, command],
        4 => vec![0x81, 0, 0, 68, 0x20, b'E', b'P', b'F'],
        5 => vec![5, 0, random.pick(&[0, 2, 3, 11, 12, 14, 16]), 3, 0x10, 0, 0, 0, d, c, 0, 0],
        6 => b"GET / HTTP/1.1\r\n".to_vec(),
        7 => talk::head(random),
        _ => vec![],
    };
    if identifier == 0xFF && beginning.len() > 8 {
        beginning[8] = command;
    }
    let rest = length.saturating_sub(beginning.len());
    beginning.extend(std::iter::repeat_with(|| random.next() as u8).take(rest));
    if random.one_in(5) {
        beginning.truncate(random.below(beginning.len() + 1));
    }
    beginning
}

/// An Initial packet of QUIC, as far as its first bytes go, or one that is nearly that.
fn initial(random: &mut Xorshift) -> Vec<u8> {
    let first = random.pick(&[0xC0, 0xC3, 0xCF, 0xD0, 0xDF, 0xE0, 0x40, 0x80]);
    let version = random.pick(&[1_u32, 1, 1, 0x6B33_43CF, 0x6B33_43CF, 0, 2]);
    let length = random.pick(&[1_195, 1_194, 1_300, 40]);
    let rest = std::iter::repeat_with(|| random.next() as u8).take(length);
    [first].into_iter().chain(version.to_be_bytes()).chain(rest.collect::<Vec<_>>()).collect()
}

/// The frame, or the packet in it, inside another.
fn tunnelled(random: &mut Xorshift, inner: &Frame) -> Vec<u8> {
    let ends = if random.one_in(3) { ENDS_V6 } else { ENDS };
    let (packet, frame) = (inner.packet(), inner.build());
    let (protocol, ethertype) =
        if packet.first().is_some_and(|first| first >> 4 == 6) { (IPV6_IN_IP, IPV6) } else { (IPIP, IPV4) };
    let flags = [CHECKSUM, KEY, SEQUENCE, 0x4000, 1].iter().filter(|_| random.one_in(4)).sum();
    let units = random.below(4) as u8;
    let outer = match random.below(12) {
        6 => ip(ends, MPLS_IN_IP, &labels(1 + units * 2, &packet)),
        7 => datagram(ends, VXLAN_GPE, &vxlan_gpe(random.below(6) as u8, &packet)),
        8 => ip(ends, GRE, &gre(flags & !SEQUENCE, ERSPAN, &frame)),
        9 => ip(ends, GRE, &gre(flags | SEQUENCE, ERSPAN, &erspan_ii(&frame))),
        10 => {
            let kind = random.pick(&[0, 0, 2, 3]);
            let inner = if kind == 2 { &packet } else { &frame };
            ip(ends, GRE, &gre(flags | SEQUENCE, ERSPAN_III, &erspan_iii(kind, random.one_in(2), inner)))
        }
        11 => datagram(ends, MPLS_IN_UDP, &labels(1 + units * 2, &packet)),
        0 => ip(ends, protocol, &packet),
        1 => ip(ends, GRE, &gre(flags, ethertype, &packet)),
        2 => ip(ends, GRE, &gre(flags, ETHERNET, &frame)),
        3 => datagram(ends, VXLAN, &vxlan(&frame)),
        4 => datagram(ends, GENEVE, &geneve(0, units, ethertype, &packet)),
        _ => datagram(ends, GENEVE, &geneve(u8::from(random.one_in(8)), units, ETHERNET, &frame)),
    };
    if random.one_in(6) { outer.tag(VLAN, 7).build() } else { outer.build() }
}
