//! Reads the messages that two machines exchange over SMB, NetBIOS, DCE-RPC or WebDAV.
//!
//! Takes hostile bytes from the wire and gives facts: dialect, credentials, shares, interfaces. Each protocol is
//! one file of pure functions from bytes to a typed result. [`dissector`] combines the results of one connection,
//! and [`stream`] makes messages from TCP payload. No length from the wire decides an allocation, every
//! list has a bound, and text comes out without control characters. Authentication responses, session keys and file
//! contents are never kept: a credential is known by its names and a keyed [`fingerprint`].

pub mod client_hello;
pub mod datagram;
pub mod dcerpc;
pub mod dissector;
pub mod element;
pub mod escape;
pub mod facts;
pub mod fingerprint;
pub mod first_payload;
mod framing;
pub mod http;
pub mod interfaces;
pub mod kerberos;
pub mod nbss;
pub mod negoex;
pub mod netbios_datagram;
pub mod netbios_name;
mod netbios_suffix;
pub mod ntlmssp;
pub mod quic;
pub mod security;
mod sender;
pub mod smb1;
pub mod smb2;
pub mod spnego;
pub mod status;
pub mod stream;
pub mod text;
pub mod wire;

pub use dissector::{Dissector, Problem, Reading};
pub use facts::{Facts, New};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use framing::Framing;
pub use sender::{Sender, sender};
