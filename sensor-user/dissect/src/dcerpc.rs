//! DCE-RPC over connections (C706 chapter 12, MS-RPCE 2.2.2), in named pipes and on TCP 135.

use thiserror::Error;
use uuid::Uuid;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::wire::{Truncated, available, layout, slice};

/// Bytes of the common header.
pub const HEADER_LEN: usize = 16;

/// Most presentation contexts of one bind that are read.
pub const MAX_CONTEXTS: usize = 32;

/// A protocol data unit (PDU), or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu<'a> {
    /// Its content.
    pub body: Body,
    /// Security blob of its trailer, as far as it is there (MS-RPCE 2.2.2.11), in PDUs that set up security.
    pub auth: Option<&'a [u8]>,
    /// Its claimed whole length in bytes.
    pub length: usize,
}

/// The content of a PDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// bind or alter_context: interfaces that the client asks for.
    Bind(Vec<Context>),
    /// request: a call.
    Request {
        /// Presentation context, to which a bind gave an interface.
        context: u16,
        /// Number of the operation.
        opnum: u16,
    },
    /// Another PDU, by its type.
    Other(u8),
}

/// A presentation context of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its number.
    pub id: u16,
    /// Interface.
    pub interface: Uuid,
    /// Version of the interface: major, minor.
    pub version: (u16, u16),
}

/// Why bytes are not a valid PDU.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RpcError {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Not version 5.0 or 5.1 of the protocol over connections.
    #[error("not a DCE-RPC PDU of version 5")]
    Version,
    /// An unknown PDU type.
    #[error("DCE-RPC PDU type {0} is unknown")]
    Kind(u8),
    /// A length shorter than the header.
    #[error("a DCE-RPC PDU of {0} bytes is shorter than its header")]
    Length(u16),
}

/// The common header; its numbers are in the byte order that `data_representation` says.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct CommonHeader {
    version: u8,
    minor: u8,
    kind: u8,
    flags: u8,
    data_representation: [u8; 4],
    length: [u8; 2],
    auth_length: [u8; 2],
    call: [u8; 4],
}

/// PDU types, C706 12.6.4.1, and auth3 of MS-RPCE 2.2.2.5.
mod kind {
    pub(super) const REQUEST: u8 = 0;
    pub(super) const RESPONSE: u8 = 2;
    pub(super) const FAULT: u8 = 3;
    pub(super) const BIND: u8 = 11;
    pub(super) const BIND_ACK: u8 = 12;
    pub(super) const BIND_NAK: u8 = 13;
    pub(super) const ALTER_CONTEXT: u8 = 14;
    pub(super) const ALTER_CONTEXT_RESPONSE: u8 = 15;
    pub(super) const AUTH3: u8 = 16;
    pub(super) const CANCEL: u8 = 18;
    pub(super) const ORPHANED: u8 = 19;
    pub(super) const HIGHEST: u8 = 20;
}

/// Byte order of a PDU.
#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn uuid(self, bytes: [u8; 16]) -> Uuid {
        match self {
            Self::Little => Uuid::from_bytes_le(bytes),
            Self::Big => Uuid::from_bytes(bytes),
        }
    }
}

/// The length that a PDU claims, in bytes, if the bytes begin with one.
///
/// # Errors
/// [`RpcError`] if they do not.
pub fn length(bytes: &[u8]) -> Result<usize, RpcError> {
    header(bytes).map(|(header, order)| usize::from(order.u16(header.length)))
}

/// Whether a payload begins with a PDU.
#[must_use]
pub fn begins(payload: &[u8]) -> bool {
    header(payload).is_ok()
}

/// Whether the PDU at the beginning comes from a client. `None` if there is no PDU, or either end may send it.
#[must_use]
pub fn is_clients(bytes: &[u8]) -> Option<bool> {
    match header(bytes).ok()?.0.kind {
        kind::REQUEST | kind::BIND | kind::ALTER_CONTEXT | kind::AUTH3 | kind::CANCEL | kind::ORPHANED => {
            Some(true)
        }
        kind::RESPONSE | kind::FAULT | kind::BIND_ACK | kind::BIND_NAK | kind::ALTER_CONTEXT_RESPONSE => {
            Some(false)
        }
        _ => None,
    }
}

fn header(bytes: &[u8]) -> Result<(&CommonHeader, ByteOrder), RpcError> {
    let header = layout::<CommonHeader>(bytes, 0, "DCE-RPC header")?;
    // Integers in the high half of the first byte: 0 big, 1 little; characters in the low half: 0 ASCII (C706 14.1).
    let order = match (header.version, header.minor, header.data_representation) {
        (5, 0..=1, [0x10, 0, 0, 0]) => ByteOrder::Little,
        (5, 0..=1, [0x00, 0, 0, 0]) => ByteOrder::Big,
        _ => return Err(RpcError::Version),
    };
    if header.kind > kind::HIGHEST {
        return Err(RpcError::Kind(header.kind));
    }
    let length = order.u16(header.length);
    if usize::from(length) < HEADER_LEN {
        return Err(RpcError::Length(length));
    }
    Ok((header, order))
}

/// Reads the PDU at the beginning of `bytes`.
///
/// # Errors
/// [`RpcError`] if there is none, or if it is cut within its fixed part.
pub fn read(bytes: &[u8]) -> Result<Pdu<'_>, RpcError> {
    let (header, order) = header(bytes)?;
    let length = usize::from(order.u16(header.length));
    let pdu = available(bytes, 0, length);
    let body = match header.kind {
        kind::BIND | kind::ALTER_CONTEXT => Body::Bind(contexts(pdu, order)?),
        kind::REQUEST => {
            // Hint of the length to allocate, context, operation (C706 12.6.4.9).
            let [_, _, _, _, c0, c1, o0, o1] = *layout::<[u8; 8]>(pdu, HEADER_LEN, "DCE-RPC request")?;
            Body::Request { context: order.u16([c0, c1]), opnum: order.u16([o0, o1]) }
        }
        kind => Body::Other(kind),
    };
    // The trailers of other PDUs are signatures.
    let sets_up_security = matches!(
        header.kind,
        kind::BIND | kind::BIND_ACK | kind::ALTER_CONTEXT | kind::ALTER_CONTEXT_RESPONSE | kind::AUTH3
    );
    let auth_length = if sets_up_security { usize::from(order.u16(header.auth_length)) } else { 0 };
    let auth_at = length.checked_sub(auth_length).filter(|at| auth_length > 0 && *at >= HEADER_LEN);
    let auth = auth_at.map(|at| available(pdu, at, auth_length)).filter(|blob| !blob.is_empty());
    Ok(Pdu { body, auth, length })
}

/// The contexts of a bind (C706 12.6.4.3), as far as they are there; at least one.
fn contexts(pdu: &[u8], order: ByteOrder) -> Result<Vec<Context>, RpcError> {
    // Two fragment sizes and the association group, then the count and three reserved bytes.
    let count = *layout::<u8>(pdu, HEADER_LEN + 8, "count of presentation contexts")?;
    let mut contexts = Vec::new();
    let mut at = HEADER_LEN + 12;
    for _ in 0..usize::from(count).min(MAX_CONTEXTS) {
        let context = slice(pdu, at, 24, "presentation context").and_then(|fixed| {
            Ok((
                *layout::<[u8; 4]>(fixed, 0, "presentation context")?,
                *layout::<[u8; 16]>(fixed, 4, "interface")?,
                *layout::<[u8; 4]>(fixed, 20, "interface version")?,
            ))
        });
        let ([id0, id1, transfers, _], interface, [v0, v1, v2, v3]) = match context {
            Ok(context) => context,
            Err(error) if contexts.is_empty() => return Err(error.into()),
            Err(_) => break,
        };
        // The version is one word, its minor half the higher one (C706 12.6.3.1).
        let (low, high) = match order {
            ByteOrder::Little => ([v0, v1], [v2, v3]),
            ByteOrder::Big => ([v2, v3], [v0, v1]),
        };
        contexts.push(Context {
            id: order.u16([id0, id1]),
            interface: order.uuid(interface),
            version: (order.u16(low), order.u16(high)),
        });
        at += 24 + 20 * usize::from(transfers);
    }
    Ok(contexts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut pdu = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
        pdu.extend(((HEADER_LEN + body.len()) as u16).to_le_bytes());
        pdu.extend([0, 0, 1, 0, 0, 0]);
        pdu.extend(body);
        pdu
    }

    fn bind() -> Vec<u8> {
        let mut body = vec![0xB8, 0x10, 0xB8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0];
        body.extend(Uuid::from_u128(0x4b324fc8_1670_01d3_1278_5a47bf6ee188).to_bytes_le());
        body.extend([3, 0, 0, 0]);
        body.extend([0; 20]);
        pdu(11, &body)
    }

    #[test]
    fn bind_names_the_interface() {
        let bytes = bind();
        let Body::Bind(contexts) = read(&bytes).unwrap().body else { panic!("no bind") };
        assert_eq!((contexts[0].id, contexts[0].version), (7, (3, 0)));
        assert_eq!(contexts[0].interface.to_string(), "4b324fc8-1670-01d3-1278-5a47bf6ee188");
        for length in 0..bytes.len() - 20 {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn false_count_gives_the_existing_contexts() {
        let mut bytes = bind();
        bytes[HEADER_LEN + 8] = 255;
        let Body::Bind(contexts) = read(&bytes).unwrap().body else { panic!("no bind") };
        assert_eq!(contexts.len(), 1);
    }

    #[test]
    fn request_names_its_operation() {
        let bytes = pdu(0, &[0, 0, 0, 0, 7, 0, 15, 0]);
        assert_eq!(read(&bytes).unwrap().body, Body::Request { context: 7, opnum: 15 });
    }

    #[test]
    fn refuses_a_broken_pdu_by_name() {
        assert_eq!(read(&[5, 2, 0, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0]), Err(RpcError::Version));
        assert_eq!(read(&[5, 0, 0, 3, 0x10, 0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0]), Err(RpcError::Length(15)));
        assert_eq!(read(&[5, 0, 99, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0]), Err(RpcError::Kind(99)));
    }

    #[test]
    fn refuses_a_trailer_longer_than_its_pdu() {
        let mut bytes = pdu(16, &[0; 8]);
        bytes[10..12].copy_from_slice(&[0xFF, 0xFF]);
        assert_eq!(read(&bytes).unwrap().auth, None);
    }
}
