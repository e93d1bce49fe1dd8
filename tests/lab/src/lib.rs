//! A network laboratory: throw-away network namespaces, the wires between them and real SMB programs inside them.
//!
//! It gives [`Topology`] (a client and a server on the two sides of a gateway), [`Namespace`], [`Veth`], [`TunCable`] and
//! [`IpTunnel`] to build other shapes, [`Smbd`], [`Smbclient`] and [`SambaNet`] for real sessions, [`Nmbd`] for names, [`PythonClient`], [`Rclone`] and
//! [`ImpacketServer`] for those of other implementations, [`Nmap`], [`Hydra`], [`Guesser`], [`Atexec`] and [`NtlmRelay`] for attacks,
//! [`WebDavServer`], [`WsgiDav`] and [`curl()`] for WebDAV, [`Rsyslogd`] and [`NatsServer`] as destinations, [`WebServer`] for
//! other protocols, [`Process`] for programs under test, [`TcpListener`], [`UdpResponder`] and [`RawSocket`] for traffic that
//! needs no daemon.
//!
//! It never touches the network namespace in which it was started. Every link is created with both ends inside
//! its own namespaces, and forwarding is turned on only there.
//!
//! It leaves nothing behind, even if the owner is killed with SIGKILL. Namespaces have no name and live
//! only as long as a file descriptor or a process refers to them; child processes die with their owner
//! ([`spawn`]); scratch folders are removed by a process that outlives the owner by a moment ([`scratch_dir`]).

pub mod axe;
mod cgroup;
mod curl;
mod deadline;
mod dnsmasq;
mod hydra;
mod ip_tunnel;
mod namespace;
mod nats_server;
mod nmap;
mod nmbd;
mod output;
mod peers;
mod process;
pub mod python;
mod raw;
mod rclone;
mod requirements;
mod rsyslogd;
mod samba_net;
mod scratch;
mod smbclient;
mod smbd;
mod spawner;
mod topology;
mod tun;
mod veth;
mod xdp_dispatcher;

pub use cgroup::Cgroup;
pub use curl::curl;
pub use deadline::{comes_within, patience, poll, stays};
pub use dnsmasq::Dnsmasq;
pub use hydra::Hydra;
pub use ip_tunnel::IpTunnel;
pub use namespace::{Namespace, allowed_cpus};
pub use nats_server::NatsServer;
pub use nix::sys::signal::Signal;
pub use nmap::{Nmap, Sweep, Swept};
pub use nmbd::{COMPUTER, Nmbd, WORKGROUP};
pub use output::{Line, Stream};
pub use peers::{Answer, TcpListener, UdpResponder};
pub use process::Process;
pub use python::{
    Atexec, Guessed, Guesser, ImpacketServer, NtlmRelay, PythonClient, TASK_OUTPUT, WebDavServer, WebServer,
    WsgiDav,
};
pub use raw::RawSocket;
pub use rclone::{Rclone, upload_by_webdav};
pub use requirements::{Need, missing, missing_for, skip};
pub use rsyslogd::{Rsyslogd, SyslogInput};
pub use samba_net::SambaNet;
pub use scratch::{Scratch, scratch_dir};
pub use smbclient::{Outcome, Smbclient};
pub use smbd::{PASSWORD, SHARE, Smbd, SmbdBuilder, USER};
pub use spawner::spawn;
pub use topology::{Topology, TopologyBuilder, address};
pub use tun::{Tun, TunCable};
pub use veth::{End, Veth};
pub use xdp_dispatcher::attach_xdp_dispatcher;
