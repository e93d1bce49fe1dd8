//! The process that opened a connection, as the kernel saw it: key and value of the map between the owner programs and the
//! agent.
//!
//! Integers are in the machine's order, addresses and ports in wire order.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a [`ConnectionKey`].
pub const CONNECTION_KEY_LEN: usize = 40;

/// Bytes of an [`Opener`].
pub const OPENER_LEN: usize = 72;

/// Bytes of a thread's name, the closing NUL included (TASK_COMM_LEN).
pub const COMM_LEN: usize = 16;

/// Another network namespace opened a connection between the same ends before, so this opener may not be the one of the
/// observed connection ([`Opener::flags`]).
pub const CONTESTED: u32 = 1;

/// Third word of an IPv6 address that stands for an IPv4 one, `::ffff:0:0/96` (RFC 4291 2.5.5.2).
const MAPPED: u32 = 0xFFFF_u32.to_be();

/// A TCP connection, seen from the end that opened it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ConnectionKey {
    /// Address of the end that opened it; an IPv4 one is the first word, the others being zero.
    pub local: [u32; 4],
    /// The other address.
    pub remote: [u32; 4],
    /// Port of the end that opened it.
    pub local_port: u16,
    /// The other port.
    pub remote_port: u16,
    /// 4 or 6.
    pub family: u32,
}

impl ConnectionKey {
    /// A connection over IPv4.
    #[inline(always)]
    #[must_use]
    pub const fn v4(local: u32, remote: u32, local_port: u16, remote_port: u16) -> Self {
        Self { local: [local, 0, 0, 0], remote: [remote, 0, 0, 0], local_port, remote_port, family: 4 }
    }

    /// A connection of an IPv6 socket. Between IPv4-mapped addresses it is an IPv4 connection, because its packets are IPv4.
    #[inline(always)]
    #[must_use]
    pub const fn v6(local: [u32; 4], remote: [u32; 4], local_port: u16, remote_port: u16) -> Self {
        if remote[0] == 0 && remote[1] == 0 && remote[2] == MAPPED {
            Self::v4(local[3], remote[3], local_port, remote_port)
        } else {
            Self { local, remote, local_port, remote_port, family: 6 }
        }
    }
}

/// The thread that called connect(2), and its process, at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Opener {
    /// When, nanoseconds since boot, suspension included (CLOCK_BOOTTIME).
    pub boot_nanos: u64,
    /// Cookie of the socket.
    pub cookie: u64,
    /// Identifier of the process's cgroup in the unified hierarchy: the inode number of its folder.
    pub cgroup: u64,
    /// Cookie of the socket's network namespace.
    pub netns: u64,
    /// When, kernel ticks (low 32 bits of jiffies), as flows are stamped.
    pub ticks: u32,
    /// Process, by its number outside all PID namespaces.
    pub process: u32,
    /// Thread, likewise.
    pub thread: u32,
    /// User, by its number outside all user namespaces.
    pub user: u32,
    /// Name of the thread, closed by a NUL.
    pub comm: [u8; COMM_LEN],
    /// [`CONTESTED`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<ConnectionKey>() == CONNECTION_KEY_LEN);
const _: () = assert!(core::mem::offset_of!(ConnectionKey, local_port) == 32);
const _: () = assert!(core::mem::offset_of!(ConnectionKey, family) == 36);
const _: () = assert!(size_of::<Opener>() == OPENER_LEN);
const _: () = assert!(core::mem::offset_of!(Opener, ticks) == 32);
const _: () = assert!(core::mem::offset_of!(Opener, comm) == 48);
const _: () = assert!(core::mem::offset_of!(Opener, flags) == 64);

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;

    fn words(address: &str) -> [u32; 4] {
        let octets = address.parse::<Ipv6Addr>().unwrap().octets();
        core::array::from_fn(|at| u32::from_ne_bytes(octets[at * 4..][..4].try_into().unwrap()))
    }

    #[test]
    fn ipv6_socket_between_mapped_addresses_is_an_ipv4_connection() {
        let mapped = ConnectionKey::v6(words("::ffff:10.0.0.2"), words("::ffff:8.8.4.4"), 1, 2);
        let plain =
            ConnectionKey::v4(u32::from_ne_bytes([10, 0, 0, 2]), u32::from_ne_bytes([8, 8, 4, 4]), 1, 2);
        assert_eq!(mapped, plain);
    }

    #[test]
    fn other_ipv6_addresses_with_an_ipv4_tail_stay_ipv6() {
        for remote in ["::8.8.4.4", "64:ff9b::8.8.4.4", "0:0:1:0:0:ffff:808:404", "2001:4860:4860::8844"] {
            let key = ConnectionKey::v6(words("fd00:1::2"), words(remote), 1, 2);
            assert_eq!((key.family, key.remote), (6, words(remote)), "{remote}");
        }
    }
}
