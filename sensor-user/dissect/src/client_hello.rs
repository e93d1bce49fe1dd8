//! The ClientHello with which TLS begins (RFC 8446 4.1.2), over any transport.
//!
//! Takes it whole or cut short: with post-quantum key shares it is longer than a TCP segment, and only the first segment is read.
//! Gives the name of the server that the client asks for.

use rustls::pki_types::ServerName;

use crate::text;

/// Type of a ClientHello (RFC 8446 4).
pub(crate) const CLIENT_HELLO: u8 = 1;

/// Type and length of a handshake message (RFC 8446 4).
pub(crate) const HEADER_LEN: usize = 4;

/// Number of the extension that names the server (RFC 6066 3).
pub(crate) const SERVER_NAME: u16 = 0;

/// Length of version and random (RFC 8446 4.1.2).
const VERSION_AND_RANDOM_LEN: usize = 2 + 32;

/// Content type of a record with handshake messages (RFC 8446 5.1).
const HANDSHAKE: u8 = 22;

/// Type of a name that is the name of a host (RFC 6066 3).
const HOST_NAME: u8 = 0;

/// The name of the server in the ClientHello that a TCP connection begins with. `None` if there is no such name, if it is not a name
/// in DNS, or if it is behind the end of `payload`.
#[must_use]
pub fn server_name(payload: &[u8]) -> Option<String> {
    let message = handshake(payload);
    if *message.first()? != CLIENT_HELLO {
        return None;
    }
    let [_, a, b, c, ..] = *message else { return None };
    let end = HEADER_LEN + u32::from_be_bytes([0, a, b, c]) as usize;
    let message = &message[..end.min(message.len())];
    let at = extensions_at(message)?;
    let length = usize::from(number(message, at)?);
    let rest = message.get(at + 2..)?;
    let mut rest = &rest[..length.min(rest.len())];
    loop {
        let (kind, content) = (number(rest, 0)?, usize::from(number(rest, 2)?));
        let content = 4..4 + content;
        if kind == SERVER_NAME {
            return host_name(rest.get(content)?);
        }
        rest = rest.get(content.end..)?;
    }
}

/// Where in a ClientHello the length of its extensions is; `None` if it has none, or they are behind the end.
pub(crate) fn extensions_at(message: &[u8]) -> Option<usize> {
    let session_at = HEADER_LEN + VERSION_AND_RANDOM_LEN;
    let suites_at = session_at + 1 + usize::from(*message.get(session_at)?);
    let compression_at = suites_at + 2 + usize::from(number(message, suites_at)?);
    Some(compression_at + 1 + usize::from(*message.get(compression_at)?))
}

/// Two bytes, the high one first.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// What the records of the handshake carry, as far as it is there. A message may go on in the next record (RFC 8446 5.1).
fn handshake(payload: &[u8]) -> Vec<u8> {
    let mut carried = Vec::new();
    let mut rest = payload;
    while let [HANDSHAKE, 3, _, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (record, next) = behind.split_at(length.min(behind.len()));
        carried.extend_from_slice(record);
        rest = next;
    }
    carried
}

/// RFC 6066 3: a list of names, in which there is at most one of each type. No other type than that of host names is defined, and a name
/// of another one would not say where it ends.
fn host_name(extension: &[u8]) -> Option<String> {
    let length = usize::from(number(extension, 0)?);
    let list = extension.get(2..2 + length)?;
    let [HOST_NAME, high, low, names @ ..] = list else { return None };
    let name = names.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
    // As in QUIC, where the reader takes nothing but names in DNS, and makes small letters of them.
    let ServerName::DnsName(name) = ServerName::try_from(name).ok()? else { return None };
    Some(text::oem(name.to_lowercase_owned().as_ref().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: (u16, &[u8]) = (SERVER_NAME, b"\0\x14\0\0\x11Files.Example.com");
    /// A key share of X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem).
    const KEY_SHARE: (u16, &[u8]) = (51, &[0xA5; 1_222]);

    /// A ClientHello with these extensions.
    fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let of = |(kind, content): &(u16, &[u8])| {
            [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
        };
        let extensions: Vec<u8> = extensions.iter().flat_map(of).collect();
        let length = (extensions.len() as u16).to_be_bytes();
        // Version and random, a session, two suites, no compression.
        let begin = [&[3, 3][..], &[7; 32], &[32], &[9; 32], &[0, 4, 0x13, 1, 0x13, 2], &[1, 0]].concat();
        let body = [&begin[..], &length, &extensions].concat();
        let [_, length @ ..] = (body.len() as u32).to_be_bytes();
        [&[CLIENT_HELLO][..], &length, &body].concat()
    }

    /// In one record.
    fn record(content: &[u8]) -> Vec<u8> {
        [&[HANDSHAKE, 3, 1][..], &(content.len() as u16).to_be_bytes(), content].concat()
    }

    fn asked(extensions: &[(u16, &[u8])]) -> Option<String> {
        server_name(&record(&hello(extensions)))
    }

    #[test]
    fn whole_hello_names_its_server_in_small_letters() {
        assert_eq!(asked(&[NAMED]).as_deref(), Some("files.example.com"));
        assert_eq!(asked(&[KEY_SHARE, NAMED, (16, b"\0\x03\x02h2")]).as_deref(), Some("files.example.com"));
    }

    #[test]
    fn hello_without_a_name_has_none() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[KEY_SHARE, (16, b"\0\x03\x02h2")]), None);
        let bare = hello(&[]);
        let bare = [&[CLIENT_HELLO, 0, 0, bare.len() as u8 - 6], &bare[4..bare.len() - 2]].concat();
        assert_eq!(server_name(&record(&bare)), None, "TLS 1.0 has no extensions");
    }

    #[test]
    fn cut_hello_names_its_server_if_the_name_is_there() {
        for extensions in [[NAMED, KEY_SHARE], [KEY_SHARE, NAMED]] {
            let whole = record(&hello(&extensions));
            let name = whole.windows(17).position(|part| part == b"Files.Example.com").unwrap();
            for cut in 0..=whole.len() {
                assert_eq!(server_name(&whole[..cut]).is_some(), cut >= name + 17, "cut at {cut}");
            }
        }
    }

    #[test]
    fn hello_in_several_records_is_joined() {
        let hello = hello(&[KEY_SHARE, NAMED]);
        for cut in [1, 4, 60, 1_300, hello.len() - 3] {
            let (one, other) = hello.split_at(cut);
            let payload = [record(one), record(other)].concat();
            assert_eq!(server_name(&payload).as_deref(), Some("files.example.com"), "cut at {cut}");
        }
        let alert = [21, 3, 1, 0, 2, 1, 0];
        let early = [record(&hello), alert.to_vec()].concat();
        assert!(server_name(&early).is_some(), "what follows does not matter");
        let (one, other) = hello.split_at(60);
        assert_eq!(server_name(&[record(one), alert.to_vec(), record(other)].concat()), None);
    }

    #[test]
    fn name_that_is_none_in_dns_is_not_taken() {
        let named = |name: &[u8]| {
            let name = [&[HOST_NAME][..], &(name.len() as u16).to_be_bytes(), name].concat();
            asked(&[(SERVER_NAME, &[&(name.len() as u16).to_be_bytes()[..], &name].concat())])
        };
        assert_eq!(named(b"a.example").as_deref(), Some("a.example"));
        let hostile: [&[u8]; 8] = [
            b"",
            b"a\x1b[2Jb.example",
            "a\u{202e}b.example".as_bytes(),
            b"<b>.example",
            b"a.example\n{}",
            b"8.8.4.4",
            b"2001:db8::1",
            &[b'a'; 300],
        ];
        for name in hostile {
            assert_eq!(named(name), None, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn damaged_lengths_give_no_name_and_no_panic() {
        let whole = record(&hello(&[NAMED]));
        for at in 0..whole.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let name = server_name(&damaged);
                assert!(name.is_none_or(|name| name.len() <= 253), "byte {at} is {value}");
            }
        }
        assert_eq!(server_name(&[]), None);
        assert_eq!(server_name(&record(&[])), None);
        assert_eq!(server_name(&record(&[2, 0, 0, 9])), None, "a ServerHello");
        assert_eq!(server_name(b"GET / HTTP/1.1"), None);
    }
}
