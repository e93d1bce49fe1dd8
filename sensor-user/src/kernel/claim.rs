//! One agent at a time for the clsact filters of an interface.
//!
//! A killed agent leaves its filter behind, and the next one removes it. It must not remove that of a running
//! agent, so each agent holds an abstract Unix socket named after the interface, which belongs to the network namespace and
//! ends with the process.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

/// The right to an interface's clsact filters, released on drop.
pub(super) struct Claim {
    _socket: UnixListener,
}

impl Claim {
    /// Claims interface `index` of this network namespace.
    ///
    /// # Errors
    /// `AddrInUse` when a running agent has it.
    pub(super) fn on(index: u32) -> io::Result<Self> {
        let name = SocketAddr::from_abstract_name(format!("smb-sensor/clsact/{index}"))?;
        Ok(Self { _socket: UnixListener::bind_addr(&name)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_claims_an_interface_at_a_time() {
        let held = Claim::on(4_000_000_000).unwrap();
        assert_eq!(Claim::on(4_000_000_000).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(held);
        assert!(Claim::on(4_000_000_000).is_ok());
    }
}
