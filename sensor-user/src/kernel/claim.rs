//! Lets one agent at a time watch an interface.
//!
//! XDP has room for one program, TC for many: without this, two agents would report everything twice. A killed agent leaves its
//! clsact filter behind. The next agent removes it, but must not remove the filter of a running agent. So each agent holds an
//! abstract Unix socket named after the interface. It belongs to the network namespace and ends with the process.

use std::{
    io,
    os::{
        fd::AsRawFd as _,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt::PeerCredentials,
};

/// The right to an interface, released on drop.
pub(super) struct Claim {
    _socket: UnixListener,
}

impl Claim {
    /// Claims interface `index` of this network namespace.
    ///
    /// # Errors
    /// `AddrInUse` when a running agent has it.
    pub(super) fn on(index: u32) -> io::Result<Self> {
        let name = SocketAddr::from_abstract_name(name(index))?;
        Ok(Self { _socket: UnixListener::bind_addr(&name)? })
    }
}

fn name(index: u32) -> String {
    format!("smb-sensor/interface/{index}")
}

/// The process that has claimed an interface, if the kernel says so.
pub(super) fn holder(index: u32) -> Option<u32> {
    let address = UnixAddr::new_abstract(name(index).as_bytes()).ok()?;
    // The holder accepts nobody, so this must not wait.
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let asking = socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
    connect(asking.as_raw_fd(), &address).ok()?;
    let process = getsockopt(&asking, PeerCredentials).ok()?.pid();
    // A process of another PID namespace is 0.
    u32::try_from(process).ok().filter(|process| *process > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_claims_an_interface_at_a_time_and_can_be_named() {
        let held = Claim::on(4_000_000_000).unwrap();
        assert_eq!(Claim::on(4_000_000_000).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(holder(4_000_000_000), Some(std::process::id()));
        drop(held);
        assert_eq!(holder(4_000_000_000), None);
        assert!(Claim::on(4_000_000_000).is_ok());
    }
}
