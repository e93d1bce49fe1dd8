//! SESSION_SETUP_ANDX (MS-CIFS 2.2.4.53, MS-SMB 2.2.4.6): for LAN Manager, for NT without a security blob, and with one.

use super::{Block, Smb1Error};
use crate::{ntlmssp::ResponseKind, wire::available};

/// A session set-up request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSetupRequest<'a> {
    /// The authentication.
    pub authentication: Authentication<'a>,
    /// Operating system that the client claims.
    pub native_os: Option<String>,
    /// LAN Manager version that the client claims.
    pub native_lan_manager: Option<String>,
}

/// The two ways to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// A security blob.
    Blob(&'a [u8]),
    /// User and responses in the message itself.
    Account {
        /// User.
        user: Option<String>,
        /// Domain.
        domain: Option<String>,
        /// Protocol of the response.
        kind: ResponseKind,
        /// The response, if it is complete: only for a fingerprint, never kept.
        response: Option<&'a [u8]>,
    },
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSetupResponse<'a> {
    /// The client is a guest, whatever user it named (MS-CIFS 2.2.4.53.2).
    pub guest: bool,
    /// The security blob, as far as it is there.
    pub blob: &'a [u8],
    /// Operating system that the server claims.
    pub native_os: Option<String>,
    /// LAN Manager version that the server claims.
    pub native_lan_manager: Option<String>,
}

pub(super) fn request(block: Block<'_>) -> Result<SessionSetupRequest<'_>, Smb1Error> {
    match block.word_count() {
        // LAN Manager 2.1: one response, in the OEM code page.
        10 => {
            let length = usize::from(block.word(14));
            let response = block.data.get(..length);
            Ok(account(block, length, response, response_kind(length, 0)))
        }
        // Extended security.
        12 => {
            let length = usize::from(block.word(14));
            let (native_os, at) = block.text(length);
            let (native_lan_manager, _) = block.next_text(at);
            let authentication = Authentication::Blob(available(block.data, 0, length));
            Ok(SessionSetupRequest { authentication, native_os, native_lan_manager })
        }
        // NT LM 0.12: an LM and an NT response.
        13 => {
            let (lm, nt) = (usize::from(block.word(14)), usize::from(block.word(16)));
            let response = if nt > 0 { block.data.get(lm..lm + nt) } else { block.data.get(..lm) };
            Ok(account(block, lm + nt, response, response_kind(lm, nt)))
        }
        words => Err(Smb1Error::WordCount { what: "SESSION_SETUP_ANDX request", words }),
    }
}

fn account<'a>(
    block: Block<'a>,
    names_at: usize,
    response: Option<&'a [u8]>,
    kind: ResponseKind,
) -> SessionSetupRequest<'a> {
    let (user, at) = block.text(names_at);
    let (domain, at) = block.next_text(at);
    let (native_os, at) = block.next_text(at);
    let (native_lan_manager, _) = block.next_text(at);
    let authentication = Authentication::Account { user, domain, kind, response };
    SessionSetupRequest { authentication, native_os, native_lan_manager }
}

/// NTLM version 2 has responses longer than 24 bytes. A client that sends no response, or one byte (MS-CIFS 3.2.4.2.4), proves
/// nothing, whatever user it names.
const fn response_kind(lm: usize, nt: usize) -> ResponseKind {
    match (lm, nt) {
        (0..=1, 0..=1) => ResponseKind::Anonymous,
        (_, 0..=24) => ResponseKind::V1,
        _ => ResponseKind::V2,
    }
}

pub(super) fn response(block: Block<'_>) -> SessionSetupResponse<'_> {
    // With extended security a fourth word has the length of the blob.
    let length = if block.word_count() >= 4 { usize::from(block.word(6)) } else { 0 };
    let (native_os, at) = block.text(length);
    let (native_lan_manager, _) = block.next_text(at);
    SessionSetupResponse {
        guest: block.word(4) & 1 != 0,
        blob: available(block.data, 0, length),
        native_os,
        native_lan_manager,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::super::{Body, Sender, read};
    use super::*;

    fn nt_setup() -> Vec<u8> {
        let mut block = vec![13, 0xFF, 0, 0, 0];
        block.extend([0; 10]);
        block.extend([24, 0, 24, 0]);
        block.extend([0; 8]);
        let mut data = vec![1; 48];
        // 32 + 1 + 26 + 2 + 48 is odd: a byte of padding.
        data.push(0);
        data.extend("eva\0EQ\0".encode_utf16().flat_map(u16::to_le_bytes));
        block.extend((data.len() as u16).to_le_bytes());
        block.extend(data);
        message(0x73, false, 0x8000, &block)
    }

    #[test]
    fn session_without_a_blob_names_its_user() {
        let bytes = nt_setup();
        let Some(Body::SessionSetupRequest(seen)) = read(&bytes, Sender::Client).unwrap().commands.pop()
        else {
            panic!("no session set-up")
        };
        let Authentication::Account { user, domain, kind, response } = seen.authentication else {
            panic!("no account")
        };
        assert_eq!((user.as_deref(), domain.as_deref()), (Some("eva"), Some("EQ")));
        assert_eq!((kind, response), (ResponseKind::V1, Some([1; 24].as_slice())));
    }

    #[test]
    fn user_without_a_response_proves_nothing() {
        let mut block = vec![13, 0xFF, 0, 0, 0];
        block.extend([0; 10]);
        block.extend([1, 0, 0, 0]);
        block.extend([0; 8]);
        // One byte of LM response; the names begin at an even place.
        let mut data = vec![0];
        data.extend("guest\0EQ\0".encode_utf16().flat_map(u16::to_le_bytes));
        block.extend((data.len() as u16).to_le_bytes());
        block.extend(data);
        let bytes = message(0x73, false, 0x8000, &block);
        let Some(Body::SessionSetupRequest(seen)) = read(&bytes, Sender::Client).unwrap().commands.pop()
        else {
            panic!()
        };
        let Authentication::Account { user, kind, .. } = seen.authentication else { panic!() };
        assert_eq!((user.as_deref(), kind), (Some("guest"), ResponseKind::Anonymous));
    }

    #[test]
    fn reads_names_with_any_padding() {
        let names = |responses: u8, padding: &[u8], names: &str| {
            let mut block = vec![13, 0xFF, 0, 0, 0];
            block.extend([0; 10]);
            block.extend([responses - 24, 0, 24, 0]);
            block.extend([0; 8]);
            let mut data = [&vec![1; responses.into()], padding].concat();
            data.extend(names.encode_utf16().flat_map(u16::to_le_bytes));
            block.extend((data.len() as u16).to_le_bytes());
            block.extend(data);
            let bytes = message(0x73, false, 0x8000, &block);
            let Some(Body::SessionSetupRequest(seen)) = read(&bytes, Sender::Client).unwrap().commands.pop()
            else {
                panic!()
            };
            let Authentication::Account { user, domain, .. } = seen.authentication else { panic!() };
            (user, domain, seen.native_os)
        };
        let some = |name: &str| Some(name.to_owned());
        // Behind an even and an odd number of bytes.
        for (responses, padding) in [48, 49]
            .into_iter()
            .flat_map(|responses| [&[][..], &[0], &[0xAA]].map(|padding| (responses, padding)))
        {
            let names = |all: &str| names(responses, padding, all);
            let expected = (some("eva"), some("EQ"), some("Unix"));
            assert_eq!(names("eva\0EQ\0Unix\0"), expected, "{responses} {padding:?}");
            assert_eq!(names("\0\0Unix\0"), (None, None, some("Unix")), "{responses} {padding:?}");
            let expected = (some("eva"), some("\u{6771}\u{4EAC}"), some("Unix"));
            assert_eq!(names("eva\0\u{6771}\u{4EAC}\0Unix\0"), expected, "{responses} {padding:?}");
        }
    }

    #[test]
    fn survives_a_cut_message() {
        let bytes = nt_setup();
        for length in 0..bytes.len() {
            let _ = read(&bytes[..length], Sender::Client);
        }
    }

    #[test]
    fn names_an_unknown_word_count() {
        let bytes = message(0x73, false, 0, &[2, 0xFF, 0, 0, 0, 0, 0]);
        let broken = read(&bytes, Sender::Client).unwrap().broken;
        assert_eq!(broken, Some(Smb1Error::WordCount { what: "SESSION_SETUP_ANDX request", words: 2 }));
    }
}
