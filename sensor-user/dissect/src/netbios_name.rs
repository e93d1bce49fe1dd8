//! NetBIOS names (RFC 1001 14) and name service packets on UDP 137 (RFC 1002 4.2).

use std::fmt;

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, big_endian::U16};

use super::{
    text,
    wire::{Truncated, layout, slice},
};

/// Most names of a node status response that are kept.
pub const MAX_NAMES: usize = 32;

/// A name of 15 characters and the suffix that gives its meaning (0x00 workstation, 0x20 file server, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetbiosName {
    /// Characters, without padding.
    pub name: String,
    /// Sixteenth byte.
    pub suffix: u8,
}

impl fmt::Display for NetbiosName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<{:02x}>", self.name, self.suffix)
    }
}

/// A name of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeName {
    /// Name.
    pub name: NetbiosName,
    /// Whether it is a group name.
    pub group: bool,
}

/// Why bytes are not a valid name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Not 32 bytes of half-ASCII.
    #[error("a first-level encoded name has 32 letters from A to P")]
    Encoding,
    /// Pointers outside the packet, or a scope without end.
    #[error("the name's scope or pointer leads nowhere")]
    Pointer,
}

/// A name service packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePacket {
    /// Identifier that a response shares with its request.
    pub transaction: u16,
    /// Operation: 0 query, 5 registration, 6 release, 7 wait, 8 or 9 refresh, 15 registration of several addresses.
    pub opcode: u8,
    /// Whether it is a response.
    pub response: bool,
    /// Result of a response: 0 is success.
    pub rcode: u8,
    /// Name asked for or answered.
    pub name: NetbiosName,
    /// Record type: 0x20 NB, 0x21 NBSTAT.
    pub record: u16,
    /// Names of a node, in a positive node status response.
    pub names: Vec<NodeName>,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct PacketHeader {
    transaction: U16,
    flags: U16,
    questions: U16,
    answers: U16,
    authorities: U16,
    additional: U16,
}

/// NBSTAT, the record of a node's names (RFC 1002 4.2.1.3).
pub const NBSTAT: u16 = 0x21;

/// Reads a packet of UDP 137.
///
/// # Errors
/// [`NameError`] if the packet is cut before its name, or the name is invalid.
pub fn read(bytes: &[u8]) -> Result<NamePacket, NameError> {
    let header = layout::<PacketHeader>(bytes, 0, "name service header")?;
    let flags = header.flags.get();
    let (name, after) = first_level(bytes, size_of::<PacketHeader>())?;
    let record = layout::<U16>(bytes, after, "record type")?.get();
    let response = flags & 0x8000 != 0;
    let names = if response && record == NBSTAT { node_names(bytes, after) } else { Vec::new() };
    let opcode = (flags >> 11 & 0xF) as u8;
    let transaction = header.transaction.get();
    Ok(NamePacket { transaction, opcode, response, rcode: (flags & 0xF) as u8, name, record, names })
}

/// The names of a node status response (4.2.18), as far as they are there. `after` is the offset behind the name.
fn node_names(bytes: &[u8], after: usize) -> Vec<NodeName> {
    // Type, class, time to live and length of data are ten bytes; then the count.
    let list = after + 10;
    let count = bytes.get(list).copied().unwrap_or_default();
    let entries = bytes.get(list + 1..).unwrap_or_default().chunks_exact(18);
    let entries = entries.take(usize::from(count).min(MAX_NAMES));
    // The sixteen bytes of the name, then its flags, of which the first bit is that of a group.
    entries.map(|entry| NodeName { name: padded(&entry[..16]), group: entry[16] & 0x80 != 0 }).collect()
}

/// Reads a first-level encoded name (RFC 1001 14.1) with its scope; returns the offset behind it.
///
/// # Errors
/// [`NameError`] if it is cut short or not encoded so.
pub fn first_level(bytes: &[u8], at: usize) -> Result<(NetbiosName, usize), NameError> {
    // A label pointer (RFC 883) jumps once and backwards, so the loop ends.
    if let [0xC0..=0xFF, low] = *layout::<[u8; 2]>(bytes, at, "name")? {
        let target = usize::from(bytes[at] & 0x3F) << 8 | usize::from(low);
        if target >= at || bytes.get(target).is_none_or(|length| *length >= 0xC0) {
            return Err(NameError::Pointer);
        }
        return Ok((first_level(bytes, target)?.0, at + 2));
    }
    let encoded = slice(bytes, at, 33, "name")?;
    if encoded[0] != 0x20 || !encoded[1..].iter().all(|letter| (b'A'..=b'P').contains(letter)) {
        return Err(NameError::Encoding);
    }
    let mut plain = [0; 16];
    for (byte, pair) in plain.iter_mut().zip(encoded[1..].chunks_exact(2)) {
        *byte = (pair[0] - b'A') << 4 | (pair[1] - b'A');
    }
    Ok((padded(&plain), behind_scope(bytes, at + 33)?))
}

/// Walks the labels of a scope to its end.
fn behind_scope(bytes: &[u8], mut at: usize) -> Result<usize, NameError> {
    // A domain name has at most 255 bytes (RFC 883), hence at most 127 labels.
    for _ in 0..128 {
        match *layout::<u8>(bytes, at, "scope")? {
            0 => return Ok(at + 1),
            length if length < 0x40 => at += 1 + usize::from(length),
            _ => return Err(NameError::Pointer),
        }
    }
    Err(NameError::Pointer)
}

/// Fifteen characters padded by blanks (or zeros, as `*` is), and the suffix.
fn padded(plain: &[u8]) -> NetbiosName {
    let (suffix, characters) = plain.split_last().map_or((0, plain), |(suffix, rest)| (*suffix, rest));
    let end = characters.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    NetbiosName { name: text::oem(&characters[..end]), suffix }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, 0x20];
        bytes.extend(name.as_bytes());
        bytes.extend([0, 0, 0x20, 0, 1]);
        bytes
    }

    #[test]
    fn query_names_its_question() {
        let bytes = query("FHEPFCELEHFCEPFFFACACACACACACABL");
        let packet = read(&bytes).unwrap();
        assert_eq!((packet.name.name.as_str(), packet.name.suffix), ("WORKGROUP", 0x1B));
        assert_eq!((packet.opcode, packet.response, packet.record), (0, false, 0x20));
        assert_eq!(packet.transaction, 0x1234);
        for length in 0..bytes.len() - 4 {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn refuses_letters_outside_half_ascii() {
        assert_eq!(read(&query("QHEPFCELEHFCEPFFFACACACACACACABL")), Err(NameError::Encoding));
    }

    #[test]
    fn pointer_to_itself_or_forwards_ends_reading() {
        let mut bytes = query("FHEPFCELEHFCEPFFFACACACACACACABL");
        bytes[12..14].copy_from_slice(&[0xC0, 12]);
        assert_eq!(read(&bytes), Err(NameError::Pointer));
        bytes[12..14].copy_from_slice(&[0xFF, 0xFF]);
        assert_eq!(read(&bytes), Err(NameError::Pointer));
    }
}
