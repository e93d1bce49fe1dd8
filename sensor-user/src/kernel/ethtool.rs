//! Settings of an interface's driver, read by the ethtool ioctl (include/uapi/linux/ethtool.h).
//!
//! Reads only; changes nothing.

use std::{io, os::fd::AsRawFd as _, os::unix::net::UnixDatagram};

use nix::errno::Errno;

/// Words of the largest answer, with a margin.
const WORDS: usize = 64;

/// Commands.
mod command {
    pub(super) const RING: u32 = 0x10;
    pub(super) const TSO: u32 = 0x1E;
    pub(super) const GSO: u32 = 0x23;
    pub(super) const FLAGS: u32 = 0x25;
    pub(super) const GRO: u32 = 0x2B;
    pub(super) const RX_RINGS: u32 = 0x2D;
    pub(super) const CHANNELS: u32 = 0x3C;
}

/// Bits of the answer to [`command::FLAGS`].
const RX_VLAN: u32 = 1 << 8;
const LRO: u32 = 1 << 15;

/// The settings that affect observed packets. `None` if the driver does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Incoming segments are joined by the stack.
    pub gro: Option<bool>,
    /// Incoming segments are joined by the hardware.
    pub lro: Option<bool>,
    /// Outgoing segments are cut by the stack, below TC.
    pub gso: Option<bool>,
    /// Outgoing segments are cut by the hardware.
    pub tso: Option<bool>,
    /// The hardware removes VLAN tags from incoming frames.
    pub rx_vlan: Option<bool>,
    /// Size of the receive ring in frames, and its maximum.
    pub ring: Option<(u32, u32)>,
    /// Queues for incoming frames.
    pub rx_queues: Option<u32>,
    /// Channels in use, and their maximum.
    pub channels: Option<(u32, u32)>,
}

impl Offloads {
    /// Reads the settings of an interface's driver.
    ///
    /// # Errors
    /// If no socket can be opened.
    pub fn of(interface: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        let ask = |command| ask(&socket, interface, command);
        let is_on = |command| ask(command).map(|words| words[1] != 0);
        let flags = ask(command::FLAGS).map(|words| words[1]);
        Ok(Self {
            gro: is_on(command::GRO),
            lro: flags.map(|flags| flags & LRO != 0),
            gso: is_on(command::GSO),
            tso: is_on(command::TSO),
            rx_vlan: flags.map(|flags| flags & RX_VLAN != 0),
            // Maxima of the receive, mini, jumbo and transmit rings, then the sizes in use.
            ring: ask(command::RING).map(|words| (words[5], words[1])),
            rx_queues: ask(command::RX_RINGS).map(|words| words[2]),
            // Maxima of receive, transmit, other and combined channels, then the numbers in use.
            channels: ask(command::CHANNELS).map(|words| (words[5] + words[8], words[1].max(words[4]))),
        })
    }
}

/// The words of an answer, the command first.
fn ask(socket: &UnixDatagram, interface: &str, command: u32) -> Option<[u32; WORDS]> {
    let mut words = [0; WORDS];
    words[0] = command;
    // SAFETY: all zero is a valid value of this structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The name ends with a zero, which is already there.
    let length = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..length].iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: the request and the words behind it outlive the call, and no answer to these commands is longer.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut request) };
    Errno::result(result).ok().map(|_| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offloads_of_loopback_and_none_of_a_missing_interface() {
        let loopback = Offloads::of("lo").unwrap();
        assert!(loopback.gro.is_some() && loopback.rx_vlan.is_some(), "{loopback:?}");
        assert_eq!(Offloads::of("no-such-if").unwrap(), Offloads::default());
    }
}
