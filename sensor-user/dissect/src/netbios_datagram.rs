//! NetBIOS datagrams on UDP 138 (RFC 1002 4.4): their names and mailslot.

use std::net::Ipv4Addr;

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, big_endian::U16};

use super::{
    netbios_name::{NameError, NetbiosName, first_level},
    smb1,
    wire::{Truncated, layout},
};

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Message type.
    pub kind: DatagramKind,
    /// Sender's address, as it claims.
    pub source_address: Ipv4Addr,
    /// Names, in the kinds that carry any.
    pub names: Option<DatagramNames>,
    /// Mailslot of an SMB transaction inside, such as `\MAILSLOT\BROWSE` (MS-MAIL 2.2.1).
    pub mailslot: Option<String>,
}

/// Sender and receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatagramNames {
    /// Sender.
    pub source: NetbiosName,
    /// Receiver or group.
    pub destination: NetbiosName,
}

/// Message types of 4.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// To one name.
    DirectUnique,
    /// To a group.
    DirectGroup,
    /// To all.
    Broadcast,
    /// Refused by the receiver, with its error code.
    Error(u8),
    /// Question to a datagram server or its answer.
    Query,
}

/// Why bytes are not a valid datagram.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DatagramError {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A type that is not in RFC 1002.
    #[error("NetBIOS datagram type 0x{0:02x} is unknown")]
    Kind(u8),
    /// An error that is not in RFC 1002.
    #[error("NetBIOS datagram error 0x{0:02x} is unknown")]
    Code(u8),
    /// An invalid name.
    #[error("datagram: {0}")]
    Name(#[from] NameError),
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DatagramHeader {
    kind: u8,
    flags: u8,
    id: U16,
    source_address: [u8; 4],
    source_port: U16,
}

/// Length and packet offset, which follow the header if there is data.
const LENGTH_AND_OFFSET: usize = 4;

/// Reads a packet of UDP 138.
///
/// # Errors
/// [`DatagramError`] for an unknown type or error code, and for invalid names.
pub fn read(bytes: &[u8]) -> Result<Datagram, DatagramError> {
    let header = layout::<DatagramHeader>(bytes, 0, "datagram header")?;
    let kind = match header.kind {
        0x10 => DatagramKind::DirectUnique,
        0x11 => DatagramKind::DirectGroup,
        0x12 => DatagramKind::Broadcast,
        // An error has no name that would identify it, so its code must be a known one.
        0x13 => match *layout::<u8>(bytes, size_of::<DatagramHeader>(), "datagram error")? {
            code @ 0x82..=0x84 => DatagramKind::Error(code),
            code => return Err(DatagramError::Code(code)),
        },
        0x14..=0x16 => DatagramKind::Query,
        kind => return Err(DatagramError::Kind(kind)),
    };
    let mut datagram =
        Datagram { kind, source_address: Ipv4Addr::from(header.source_address), names: None, mailslot: None };
    if matches!(kind, DatagramKind::DirectUnique | DatagramKind::DirectGroup | DatagramKind::Broadcast) {
        let (source, at) = first_level(bytes, size_of::<DatagramHeader>() + LENGTH_AND_OFFSET)?;
        let (destination, at) = first_level(bytes, at)?;
        datagram.names = Some(DatagramNames { source, destination });
        datagram.mailslot = smb1::mailslot(bytes.get(at..).unwrap_or_default());
    } else if kind == DatagramKind::Query {
        first_level(bytes, size_of::<DatagramHeader>())?;
    }
    Ok(datagram)
}
