//! SESSION_SETUP (MS-SMB2 2.2.5, 2.2.6) and TREE_CONNECT (2.2.9, 2.2.10).

use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use super::{Smb2Error, fixed};
use crate::{
    text,
    wire::{available, slice},
};

/// A session set-up request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSetupRequest<'a> {
    /// The security blob, as far as it is there.
    pub blob: &'a [u8],
    /// Whether it binds another connection to an existing session (multichannel).
    pub binding: bool,
    /// Session that it replaces; 0 for none.
    pub previous: u64,
}

/// The server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSetupResponse<'a> {
    /// Flags of the session.
    pub flags: SessionFlags,
    /// The security blob, as far as it is there.
    pub blob: &'a [u8],
}

/// SessionFlags of 2.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFlags(pub u16);

impl SessionFlags {
    /// The client is a guest, whatever user it named.
    #[must_use]
    pub const fn guest(self) -> bool {
        self.0 & 1 != 0
    }

    /// The client is anonymous.
    #[must_use]
    pub const fn anonymous(self) -> bool {
        self.0 & 2 != 0
    }

    /// The whole session will be encrypted.
    #[must_use]
    pub const fn encrypted(self) -> bool {
        self.0 & 4 != 0
    }
}

/// ShareType of 2.2.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShareKind {
    /// Files.
    Disk,
    /// Named pipes.
    Pipe,
    /// Printer.
    Printer,
    /// Another kind.
    Other(u8),
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RequestFields {
    structure_size: U16,
    flags: u8,
    security_mode: u8,
    capabilities: U32,
    channel: U32,
    blob_offset: U16,
    blob_length: U16,
    previous: U64,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ResponseFields {
    structure_size: U16,
    flags: U16,
    blob_offset: U16,
    blob_length: U16,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct TreeRequestFields {
    structure_size: U16,
    flags: U16,
    path_offset: U16,
    path_length: U16,
}

pub(super) fn request(bytes: &[u8]) -> Result<SessionSetupRequest<'_>, Smb2Error> {
    let fields: &RequestFields = fixed(bytes, 25, "SESSION_SETUP request")?;
    Ok(SessionSetupRequest {
        blob: available(bytes, fields.blob_offset.get().into(), fields.blob_length.get().into()),
        binding: fields.flags & 1 != 0,
        previous: fields.previous.get(),
    })
}

pub(super) fn response(bytes: &[u8]) -> Result<SessionSetupResponse<'_>, Smb2Error> {
    let fields: &ResponseFields = fixed(bytes, 9, "SESSION_SETUP response")?;
    Ok(SessionSetupResponse {
        flags: SessionFlags(fields.flags.get()),
        blob: available(bytes, fields.blob_offset.get().into(), fields.blob_length.get().into()),
    })
}

/// The path, only if it is complete: half a share's name is another share's.
pub(super) fn tree_request(bytes: &[u8]) -> Result<String, Smb2Error> {
    let fields: &TreeRequestFields = fixed(bytes, 9, "TREE_CONNECT request")?;
    let path = slice(bytes, fields.path_offset.get().into(), fields.path_length.get().into(), "share path")?;
    Ok(text::utf16(path))
}

pub(super) fn tree_response(bytes: &[u8]) -> Result<ShareKind, Smb2Error> {
    let [_, _, kind, _]: &[u8; 4] = fixed(bytes, 16, "TREE_CONNECT response")?;
    Ok(match kind {
        1 => ShareKind::Disk,
        2 => ShareKind::Pipe,
        3 => ShareKind::Printer,
        other => ShareKind::Other(*other),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;

    fn tree_connect() -> Vec<u8> {
        let mut body = vec![9, 0, 0, 0, 72, 0, 12, 0];
        body.extend("\\\\h\\s$".encode_utf16().flat_map(u16::to_le_bytes));
        message(3, 0, 0, &body)
    }

    #[test]
    fn reads_a_share_path_whole_or_not_at_all() {
        let bytes = tree_connect();
        assert_eq!(tree_request(&bytes).unwrap(), r"\\h\s$");
        for length in 0..bytes.len() {
            assert!(tree_request(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn blob_with_a_false_offset_is_empty() {
        let mut body = vec![25, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        body.extend([0; 8]);
        assert!(request(&message(1, 0, 0, &body)).unwrap().blob.is_empty());
    }
}
