//! The protocol of a connection whose first bytes are no message of SMB or NetBIOS.

use super::Sender;

/// A protocol that its first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1 (RFC 9112).
    Http,
    /// TLS (RFC 8446).
    Tls,
}

/// Methods of HTTP requests (RFC 9110 9.3, RFC 5789) and of WebDAV (RFC 4918 9), which Windows sends where SMB fails.
const METHODS: [&[u8]; 11] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PROPFIND ",
    b"MKCOL ",
];

/// What is spoken, by the first bytes of the sender; each side has its own.
#[must_use]
pub fn protocol(sender: Sender, bytes: &[u8]) -> Option<Protocol> {
    match (sender, bytes) {
        // RFC 8446 5.1 and 4: a handshake record of version 3.x with a ClientHello or a ServerHello.
        (Sender::Client, [22, 3, 0..=4, _, _, 1, ..]) | (Sender::Server, [22, 3, 0..=4, _, _, 2, ..]) => {
            Some(Protocol::Tls)
        }
        (Sender::Client, _) if METHODS.iter().any(|method| bytes.starts_with(method)) => Some(Protocol::Http),
        (Sender::Server, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', ..]) => Some(Protocol::Http),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_known_by_the_hello_of_its_sender() {
        let hello = |kind| [22, 3, 1, 0, 200, kind, 0, 0, 196];
        assert_eq!(protocol(Sender::Client, &hello(1)), Some(Protocol::Tls));
        assert_eq!(protocol(Sender::Server, &hello(2)), Some(Protocol::Tls));
        assert_eq!(protocol(Sender::Client, &hello(2)), None);
        assert_eq!(protocol(Sender::Server, &hello(1)), None);
        assert_eq!(protocol(Sender::Client, &[23, 3, 1, 0, 200, 1]), None);
        assert_eq!(protocol(Sender::Client, &[22, 2, 0, 0, 200, 1]), None);
        assert_eq!(protocol(Sender::Client, &hello(1)[..5]), None);
    }

    #[test]
    fn http_is_known_by_a_method_or_a_status_line() {
        assert_eq!(protocol(Sender::Client, b"GET / HTTP/1.1\r\n"), Some(Protocol::Http));
        assert_eq!(protocol(Sender::Client, b"PROPFIND /share HTTP/1.1\r\n"), Some(Protocol::Http));
        assert_eq!(protocol(Sender::Server, b"HTTP/1.1 200 OK\r\n"), Some(Protocol::Http));
        assert_eq!(protocol(Sender::Server, b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(protocol(Sender::Client, b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(protocol(Sender::Client, b"GETS"), None);
        assert_eq!(protocol(Sender::Server, b"SSH-2.0-OpenSSH_9.2\r\n"), None);
        assert_eq!(protocol(Sender::Server, b"220 ftp ready\r\n"), None);
        assert_eq!(protocol(Sender::Client, b""), None);
    }
}
