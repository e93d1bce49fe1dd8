//! The code that the kernel program and the agent share.
//!
//! Two halves, both `no_std` and free of pointers and clocks:
//!
//! * the ABI: [`slot`] (flow slots and the records made of them), [`counter`], [`settings`], [`prefix`], [`block`],
//!   [`topbits`], [`flow_mark`], and [`owner`] (the process that opened a connection);
//! * the packet path as pure code: [`bytes`] → [`headers`] → [`service`](settings::Services), [`smb`] or [`http`] → [`classify`] →
//!   [`flow`], combined in [`path`] behind [`fast_path`]. It is generic over the source of bytes, prefixes, slots and
//!   records, so the same lines run in the kernel and on the host.
#![cfg_attr(not(test), no_std)]

pub mod block;
pub mod bytes;
pub mod classify;
pub mod counter;
pub mod evidence;
pub mod fast_path;
pub mod flow;
pub mod flow_mark;
pub mod headers;
pub mod http;
pub mod owner;
pub mod path;
pub mod payload;
pub mod prefix;
pub mod quic;
pub mod settings;
pub mod slot;
pub mod smb;
pub mod topbits;
