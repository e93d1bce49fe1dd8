//! The table by observations and pieces as the kernel writes them.

mod bench;
mod counting;
mod datagrams;
mod endings;
mod eviction;
mod evidence;
mod http;
mod idle;
mod messages;
mod port_reuse;
mod process;
mod quic;
mod roles;
mod stored;
