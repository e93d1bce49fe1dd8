//! Writes pcapng (draft-ietf-opsawg-pcapng): one section, its interfaces, and packets with comments.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use pcap_parser::{
    EnhancedPacketBlock, InterfaceDescriptionBlock, Linktype, OptionCode, PcapNGOption, SectionHeaderBlock,
    ToVec,
};
use sensor_common::headers::Link;

use crate::kernel::interface::Interface;

/// Options: a comment of any block; the name of an interface; the program that wrote a section; decimal places of times.
const COMMENT: OptionCode = OptionCode(1);
const IF_NAME: OptionCode = OptionCode(2);
const SHB_USERAPPL: OptionCode = OptionCode(4);
const IF_TSRESOL: OptionCode = OptionCode(9);

/// A packet to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Index of its interface.
    pub interface: u32,
    /// Time, nanoseconds since 1970.
    pub at: u64,
    /// Original length.
    pub length: u32,
    /// Its kept bytes.
    pub bytes: Box<[u8]>,
}

/// The link type of packets that were recorded where frames begin with `link`.
pub(super) const fn linktype(link: Link) -> Linktype {
    match link {
        Link::Ethernet => Linktype::ETHERNET,
        Link::Ip => Linktype::RAW,
    }
}

/// Writes a section header.
///
/// # Errors
/// Those of the destination.
pub(super) fn write_head(
    out: &mut impl Write,
    interfaces: &[Interface],
    snap_length: u32,
) -> io::Result<u64> {
    let program = concat!("smb-sensor ", env!("CARGO_PKG_VERSION"));
    let mut head = SectionHeaderBlock {
        block_type: 0,
        block_len1: 0,
        bom: 0,
        major_version: 1,
        minor_version: 0,
        section_len: -1,
        options: vec![option(SHB_USERAPPL, program.as_bytes())],
        block_len2: 0,
    };
    let mut written = put(out, &mut head)?;
    for interface in interfaces {
        written += write_interface(out, interface, snap_length)?;
    }
    Ok(written)
}

/// Writes the description of an interface, which has the next number of its section.
///
/// # Errors
/// Those of the destination.
pub(super) fn write_interface(
    out: &mut impl Write,
    Interface { name, link, .. }: &Interface,
    snap_length: u32,
) -> io::Result<u64> {
    let mut block = InterfaceDescriptionBlock {
        block_type: 0,
        block_len1: 0,
        linktype: linktype(*link),
        reserved: 0,
        snaplen: snap_length,
        options: vec![option(IF_NAME, name.as_bytes()), option(IF_TSRESOL, &[9])],
        block_len2: 0,
        if_tsresol: 9,
        if_tsoffset: 0,
    };
    put(out, &mut block)
}

/// Writes a packet with a comment; returns the number of bytes written.
///
/// # Errors
/// Those of the destination.
pub(super) fn write_packet(out: &mut impl Write, packet: &Packet, comment: &str) -> io::Result<u64> {
    let mut block = EnhancedPacketBlock {
        block_type: 0,
        block_len1: 0,
        if_id: packet.interface,
        ts_high: (packet.at >> 32) as u32,
        ts_low: packet.at as u32,
        caplen: packet.bytes.len() as u32,
        origlen: packet.length,
        data: &packet.bytes,
        options: vec![option(COMMENT, comment.as_bytes())],
        block_len2: 0,
    };
    put(out, &mut block)
}

/// An option, cut to the maximum length.
fn option(code: OptionCode, value: &[u8]) -> PcapNGOption<'_> {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    PcapNGOption { code, len: value.len() as u16, value: Cow::Borrowed(value) }
}

fn put(out: &mut impl Write, block: &mut impl ToVec) -> io::Result<u64> {
    let bytes = block.to_vec().map_err(|error| io::Error::other(error.to_string()))?;
    out.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}
