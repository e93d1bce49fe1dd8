//! Recognises WebDAV by the first bytes of a request, and the heads of HTTP messages in connections that are followed.

use crate::smb::Probe;

/// Most bytes of a head that are looked for and passed on.
pub const MAX_HEAD_LEN: u32 = 8_192;

/// What ends a head (RFC 9112 2.1).
pub const END_OF_HEAD: u32 = u32::from_be_bytes(*b"\r\n\r\n");

/// The two words of a probe.
const fn words(bytes: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

const OPTIONS: (u32, u32) = words(*b"OPTIONS ");
const PROPFIND: (u32, u32) = words(*b"PROPFIND");
const RESPONSE: (u32, u32) = words(*b"HTTP/1.\0");

/// The beginnings of methods: those of HTTP (RFC 9110 9.3), those of WebDAV (RFC 4918 9), and REPORT (RFC 3253 3.6).
const METHODS: [u32; 12] = [
    u32::from_be_bytes(*b"GET "),
    u32::from_be_bytes(*b"PUT "),
    u32::from_be_bytes(*b"HEAD"),
    u32::from_be_bytes(*b"POST"),
    u32::from_be_bytes(*b"DELE"),
    u32::from_be_bytes(*b"PROP"),
    u32::from_be_bytes(*b"MKCO"),
    u32::from_be_bytes(*b"COPY"),
    u32::from_be_bytes(*b"MOVE"),
    u32::from_be_bytes(*b"LOCK"),
    u32::from_be_bytes(*b"UNLO"),
    u32::from_be_bytes(*b"REPO"),
];

/// Whether a payload begins with `OPTIONS ` or `PROPFIND`.
#[inline(always)]
#[must_use]
pub const fn is_webdav(probe: Probe) -> bool {
    let (first, second) = (u32::from_be(probe[0]), u32::from_be(probe[1]));
    first == OPTIONS.0 && second == OPTIONS.1 || first == PROPFIND.0 && second == PROPFIND.1
}

/// Whether a payload may begin with one of them: [`is_webdav`] says that it does not where this does not.
#[inline(always)]
#[must_use]
pub const fn may_be_webdav(probe: Probe) -> bool {
    probe[0] == OPTIONS.0.to_be() || probe[0] == PROPFIND.0.to_be()
}

/// The first words of a response: the last of them is the space behind the version, and the status code.
pub type StatusLine = [u32; 3];

/// Whether a payload begins with a response that WebDAV and log-ons have, and other traffic seldom: 401 (RFC 9110 15.5.2) or 207
/// (RFC 4918 11.1).
#[inline(always)]
#[must_use]
pub const fn is_answer(line: StatusLine) -> bool {
    const UNAUTHORIZED: u32 = u32::from_be_bytes(*b" 401");
    const MULTI_STATUS: u32 = u32::from_be_bytes(*b" 207");
    let (first, second, code) = (u32::from_be(line[0]), u32::from_be(line[1]), u32::from_be(line[2]));
    let is_response = first == RESPONSE.0 && second & 0xFFFF_FF00 == RESPONSE.1;
    is_response && (code == UNAUTHORIZED || code == MULTI_STATUS)
}

/// Whether a payload begins with the head of a request or a response.
#[inline(always)]
#[must_use]
pub const fn begins_head(probe: Probe) -> bool {
    let (first, second) = (u32::from_be(probe[0]), u32::from_be(probe[1]));
    let mut is_head = first == RESPONSE.0 && second & 0xFFFF_FF00 == RESPONSE.1;
    let mut at = 0;
    while at < METHODS.len() {
        is_head |= first == METHODS[at];
        at += 1;
    }
    is_head || is_webdav(probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(bytes: &[u8; 8]) -> Probe {
        let (first, second) = words(*bytes);
        [first.to_be(), second.to_be()]
    }

    #[test]
    fn webdav_begins_with_options_or_propfind() {
        assert!(is_webdav(probe(b"OPTIONS ")) && is_webdav(probe(b"PROPFIND")));
        for near in [b"OPTIONS/", b"options ", b"PTIONS /", b"OPTIFIND", b"PROPPATC", b"GET / HT"] {
            assert!(!is_webdav(probe(near)), "{near:?}");
        }
        assert!(may_be_webdav(probe(b"OPTIONS ")) && may_be_webdav(probe(b"PROPFIND")));
        assert!(!may_be_webdav(probe(b"GET / HT")));
    }

    #[test]
    fn answers_of_webdav_are_known_by_their_status() {
        let answer = |line: &[u8; 12]| {
            let word = |at: usize| u32::from_ne_bytes([line[at], line[at + 1], line[at + 2], line[at + 3]]);
            is_answer([word(0), word(4), word(8)])
        };
        assert!(answer(b"HTTP/1.1 401") && answer(b"HTTP/1.0 207"));
        for other in [b"HTTP/1.1 200", b"HTTP/1.1 40 ", b"HTTP/2.0 401", b"ITTP/1.1 401"] {
            assert!(!answer(other), "{other:?}");
        }
    }

    #[test]
    fn requests_and_responses_have_heads() {
        for known in
            [b"GET / HT", b"PUT /a H", b"LOCK /a ", b"PROPPATC", b"HTTP/1.1", b"HTTP/1.0", b"OPTIONS "]
        {
            assert!(begins_head(probe(known)), "{known:?}");
        }
        for other in [b"HTTP/2.0", b"get / HT", b"<?xml ve", b"\0\0\0\x40\xFESMB", b"OPTIONS/"] {
            assert!(!begins_head(probe(other)), "{other:?}");
        }
    }
}
