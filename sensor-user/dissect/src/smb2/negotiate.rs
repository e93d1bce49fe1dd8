//! NEGOTIATE (MS-SMB2 2.2.3, 2.2.4) and its contexts (2.2.3.1).

use uuid::Uuid;
use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use super::{HEADER_LEN, Smb2Error, fixed};
use crate::{text, wire::available, wire::layout};

/// Most dialects, contexts and algorithms of each kind that are kept.
const MAX_LISTED: usize = 16;

/// The client's offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegotiateRequest {
    /// Dialects, such as 0x0311.
    pub dialects: Vec<u16>,
    /// SecurityMode: 1 signing enabled, 2 required.
    pub security_mode: u16,
    /// Capabilities, 2.2.3.
    pub capabilities: u32,
    /// Identifier of the client.
    pub client: Uuid,
    /// Contexts of 3.1.1.
    pub contexts: Contexts,
}

/// The server's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateResponse<'a> {
    /// Dialect; 0x02FF asks for another NEGOTIATE.
    pub dialect: u16,
    /// SecurityMode: 1 signing enabled, 2 required.
    pub security_mode: u16,
    /// Identifier of the server.
    pub server: Uuid,
    /// Contexts of 3.1.1.
    pub contexts: Contexts,
    /// Security blob: the mechanisms that the server offers.
    pub blob: &'a [u8],
}

/// Negotiate contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts {
    /// Types in the order of their appearance.
    pub kinds: Vec<u16>,
    /// Ciphers (2.2.3.1.2).
    pub ciphers: Vec<u16>,
    /// Compression algorithms (2.2.3.1.3).
    pub compression: Vec<u16>,
    /// Signing algorithms (2.2.3.1.7).
    pub signing: Vec<u16>,
    /// The client's name for the server (2.2.3.1.4).
    pub netname: Option<String>,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RequestFields {
    structure_size: U16,
    dialect_count: U16,
    security_mode: U16,
    reserved: U16,
    capabilities: U32,
    client: [u8; 16],
    context_offset: U32,
    context_count: U16,
    reserved_2: U16,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ResponseFields {
    structure_size: U16,
    security_mode: U16,
    dialect: U16,
    context_count: U16,
    server: [u8; 16],
    capabilities: U32,
    max_transact: U32,
    max_read: U32,
    max_write: U32,
    system_time: U64,
    start_time: U64,
    blob_offset: U16,
    blob_length: U16,
    context_offset: U32,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ContextHeader {
    kind: U16,
    length: U16,
    reserved: U32,
}

/// Only this dialect has contexts.
const SMB_3_1_1: u16 = 0x0311;

pub(super) fn request(bytes: &[u8]) -> Result<NegotiateRequest, Smb2Error> {
    let fields: &RequestFields = fixed(bytes, 36, "NEGOTIATE request")?;
    let at = HEADER_LEN + size_of::<RequestFields>();
    let dialects = words(available(bytes, at, usize::from(fields.dialect_count.get()) * 2));
    // In other dialects the same bytes are a time (2.2.3).
    let contexts = if dialects.contains(&SMB_3_1_1) {
        contexts(bytes, fields.context_offset.get(), fields.context_count.get())
    } else {
        Contexts::default()
    };
    Ok(NegotiateRequest {
        dialects,
        security_mode: fields.security_mode.get(),
        capabilities: fields.capabilities.get(),
        client: Uuid::from_bytes_le(fields.client),
        contexts,
    })
}

pub(super) fn response(bytes: &[u8]) -> Result<NegotiateResponse<'_>, Smb2Error> {
    let fields: &ResponseFields = fixed(bytes, 65, "NEGOTIATE response")?;
    let dialect = fields.dialect.get();
    let contexts = if dialect == SMB_3_1_1 {
        contexts(bytes, fields.context_offset.get(), fields.context_count.get())
    } else {
        Contexts::default()
    };
    Ok(NegotiateResponse {
        dialect,
        security_mode: fields.security_mode.get(),
        server: Uuid::from_bytes_le(fields.server),
        contexts,
        blob: available(bytes, fields.blob_offset.get().into(), fields.blob_length.get().into()),
    })
}

fn contexts(bytes: &[u8], offset: u32, count: u16) -> Contexts {
    let mut seen = Contexts::default();
    let mut at = offset as usize;
    for _ in 0..usize::from(count).min(MAX_LISTED) {
        let Ok(header) = layout::<ContextHeader>(bytes, at, "negotiate context") else { break };
        let start = at + size_of::<ContextHeader>();
        let content = available(bytes, start, header.length.get().into());
        // Counts come first; in compression and preauthentication integrity, more fields precede the list.
        match header.kind.get() {
            2 => seen.ciphers = counted(content, 2),
            3 => seen.compression = counted(content, 8),
            5 if content.len() == usize::from(header.length.get()) => {
                seen.netname = Some(text::utf16(content)).filter(|name| !name.is_empty());
            }
            8 => seen.signing = counted(content, 2),
            _ => {}
        }
        seen.kinds.push(header.kind.get());
        // Each begins at a multiple of eight from the header (2.2.3).
        at = (start + usize::from(header.length.get())).next_multiple_of(8);
    }
    seen
}

/// A list of words at an offset; the first word is its count.
fn counted(content: &[u8], list_at: usize) -> Vec<u16> {
    let count = layout::<U16>(content, 0, "count").map_or(0, |count| count.get());
    words(available(content, list_at, usize::from(count) * 2))
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).take(MAX_LISTED).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;

    fn negotiate() -> Vec<u8> {
        let mut body = vec![36, 0, 2, 0, 1, 0, 0, 0, 0x7F, 0, 0, 0];
        body.extend([9; 16]);
        body.extend([104, 0, 0, 0, 2, 0, 0, 0]);
        body.extend([0x02, 0x02, 0x11, 0x03]);
        // Ciphers, padded to a multiple of eight, then the name of the server.
        body.extend([2, 0, 6, 0, 0, 0, 0, 0, 2, 0, 2, 0, 1, 0, 0, 0]);
        body.extend([5, 0, 4, 0, 0, 0, 0, 0, b'h', 0, b'i', 0]);
        message(0, 0, 0, &body)
    }

    #[test]
    fn reads_dialects_and_contexts() {
        let seen = request(&negotiate()).unwrap();
        assert_eq!(seen.dialects, [0x0202, 0x0311]);
        assert_eq!(seen.contexts.kinds, [2, 5]);
        assert_eq!(seen.contexts.ciphers, [2, 1]);
        assert_eq!(seen.contexts.netname.as_deref(), Some("hi"));
    }

    #[test]
    fn older_dialects_have_no_contexts() {
        let mut bytes = negotiate();
        bytes[HEADER_LEN + 38] = 0x00;
        assert_eq!(request(&bytes).unwrap().contexts, Contexts::default());
    }

    #[test]
    fn cut_request_gives_its_complete_fields() {
        let bytes = negotiate();
        for length in 0..bytes.len() {
            if let Ok(seen) = request(&bytes[..length]) {
                assert!(length >= HEADER_LEN + 36 && seen.dialects.len() <= 2);
            }
        }
    }
}
