//! Where a message ends.

use super::MAX_BUFFERED;
use crate::{
    dcerpc::{self, RpcError},
    framing::Framing,
    http,
    nbss::{self, Header},
};

/// What a message is by its framing.
pub(super) enum Framed {
    /// Not enough of it is there to say.
    Early,
    /// It has this length, framing included.
    Whole(usize),
    /// It is none.
    Lost,
}

/// What these bytes begin with.
pub(super) fn framed(framing: Framing, bytes: &[u8]) -> Framed {
    match framing {
        Framing::NetBios => match (Header::read(bytes), bytes.get(nbss::HEADER_LEN..)) {
            (Ok(Header { kind: 0x81..=0x85, length }), _) => Framed::Whole(nbss::HEADER_LEN + length),
            (Ok(Header { kind: 0, length }), Some([0xFC..=0xFF, b'S', b'M', b'B', ..])) => {
                Framed::Whole(nbss::HEADER_LEN + length)
            }
            (Ok(Header { kind: 0, length: 0 }), _) => Framed::Whole(nbss::HEADER_LEN),
            (Ok(Header { kind: 0, .. }), Some([] | [_] | [_, _] | [_, _, _])) | (Err(_), _) => Framed::Early,
            (Ok(_), _) => Framed::Lost,
        },
        Framing::DceRpc => match dcerpc::length(bytes) {
            Ok(length) => Framed::Whole(length),
            Err(RpcError::Truncated(_)) => Framed::Early,
            Err(_) => Framed::Lost,
        },
        Framing::Http => match http::head_len(bytes) {
            Some(length) => Framed::Whole(length),
            None if bytes.len() < MAX_BUFFERED => Framed::Early,
            None => Framed::Lost,
        },
    }
}
