//! Reading what two machines said to each other over SMB, NetBIOS or DCE-RPC.
//!
//! Takes bytes off the wire, which are hostile, and gives facts: dialect, credentials, shares, interfaces. Each protocol is
//! one file of pure functions from bytes to a typed result; [`dissector`] puts the results of one connection
//! together, [`stream`] makes its messages out of TCP payload. Nothing is allocated by a length that the wire claims, every
//! list has a bound, and text comes out without control characters. An authentication response, a session key and file
//! contents are never kept: a credential is known by its names and a keyed [`fingerprint`].

pub mod datagram;
pub mod dcerpc;
pub mod dissector;
pub mod element;
pub mod escape;
pub mod facts;
pub mod fingerprint;
pub mod first_payload;
pub mod interfaces;
pub mod kerberos;
pub mod nbss;
pub mod netbios_datagram;
pub mod netbios_name;
mod netbios_suffix;
pub mod ntlmssp;
pub mod security;
mod sender;
pub mod smb1;
pub mod smb2;
pub mod spnego;
pub mod status;
pub mod stream;
pub mod text;
pub mod wire;

pub use dissector::{Dissector, Framing, Problem, Reading};
pub use facts::{Facts, New};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use sender::Sender;
