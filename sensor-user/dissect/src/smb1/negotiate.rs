//! NEGOTIATE (MS-CIFS 2.2.4.52, MS-SMB 2.2.4.5).

use super::{Block, Smb1Error};
use crate::{text, wire::layout};
use zerocopy::little_endian::U32;

/// Most dialects that are kept.
const MAX_DIALECTS: usize = 32;

/// Index for "none of the dialects".
const NONE: u16 = 0xFFFF;

/// Capability of extended security: a security blob in place of names (MS-SMB 2.2.4.5.2.1).
const CAP_EXTENDED_SECURITY: u32 = 0x8000_0000;

/// Capability of Unicode text. It decides about names in this response, because servers set it before the header's flag.
const CAP_UNICODE: u32 = 0x0000_0004;

/// The server's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegotiateResponse<'a> {
    /// Index of the client's dialect; `None` if the server speaks none of them.
    pub dialect: Option<u16>,
    /// SecurityMode: 1 user level, 2 challenge and response, 4 signing enabled, 8 signing required.
    pub security_mode: u8,
    /// Domain of the server, without extended security.
    pub domain: Option<String>,
    /// Name of the server, without extended security.
    pub server: Option<String>,
    /// Security blob, with extended security.
    pub blob: &'a [u8],
}

/// Names of dialects: each is a byte 2 and text with its terminator (2.2.4.52.1).
pub(super) fn dialects(data: &[u8]) -> Vec<String> {
    let mut dialects = Vec::new();
    let mut rest = data;
    while let [0x02, after @ ..] = rest {
        if dialects.len() == MAX_DIALECTS || !after.contains(&0) {
            break;
        }
        let (name, taken) = text::oem_z(after);
        dialects.push(name);
        rest = &after[taken..];
    }
    dialects
}

impl NegotiateResponse<'_> {
    /// The server uses accounts but no challenge: a client that agrees sends the password itself (MS-CIFS 2.2.4.52.2).
    #[must_use]
    pub const fn wants_password(&self) -> bool {
        self.security_mode & 3 == 1
    }
}

pub(super) fn response(block: Block<'_>) -> Result<NegotiateResponse<'_>, Smb1Error> {
    let mut seen = NegotiateResponse {
        dialect: Some(block.word(0)).filter(|index| *index != NONE),
        ..NegotiateResponse::default()
    };
    match block.word_count() {
        // PC NETWORK PROGRAM 1.0, or no dialect.
        1 => {}
        // LANMAN (MS-CIFS 2.2.4.52.2): challenge and, in the newer ones, the domain.
        13 => {
            seen.security_mode = block.word(2) as u8;
            let challenge = usize::from(block.word(22));
            (seen.domain, _) = block.text_unaligned(challenge, false);
        }
        // NT LM 0.12.
        17 => {
            seen.security_mode = block.words[2];
            let capabilities = layout::<U32>(block.words, 19, "capabilities")?.get();
            let challenge = usize::from(block.words[33]);
            if capabilities & CAP_EXTENDED_SECURITY != 0 {
                // The server's identifier, then the blob.
                seen.blob = block.data.get(16..).unwrap_or_default();
            } else {
                // Unicode names here are not aligned (MS-CIFS 2.2.4.52.2).
                let unicode = block.unicode || capabilities & CAP_UNICODE != 0;
                let (domain, after) = block.text_unaligned(challenge, unicode);
                (seen.domain, seen.server) = (domain, block.text_unaligned(after, unicode).0);
            }
        }
        words => return Err(Smb1Error::WordCount { what: "NEGOTIATE response", words }),
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_without_challenges_wants_the_password() {
        let wants = |security_mode| {
            NegotiateResponse { security_mode, ..NegotiateResponse::default() }.wants_password()
        };
        assert_eq!([1, 3, 7, 0].map(wants), [true, false, false, false]);
    }

    #[test]
    fn dialects_end_with_their_list() {
        assert_eq!(dialects(b"\x02NT LM 0.12\0\x02SMB 2.002\0"), ["NT LM 0.12", "SMB 2.002"]);
        assert_eq!(dialects(b"\x02NT LM 0.12\0\x02SMB"), ["NT LM 0.12"]);
        assert_eq!(dialects(&b"\x02\0".repeat(1000)).len(), MAX_DIALECTS);
        assert!(dialects(b"\x03x\0").is_empty());
    }
}
