//! A packet socket with a filter in the kernel: whole packets of one interface, on some ports only.
//!
//! All other packets cost no more than the filter. Later fragments carry no ports and are left out, as are packets inside
//! tunnels.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use libc::sock_filter;
use nix::errno::Errno;
use sensor_common::headers::Link;

/// Time that one read waits.
const PATIENCE: Duration = Duration::from_millis(200);

/// Instructions of a filter (include/uapi/linux/bpf_common.h): load from a place, or from there behind the IPv4 header; keep
/// some bits; jump, and how far.
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND: u16 = 0x48;
const HEADER_LEN: u16 = 0xB1;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// More bytes than any frame has.
const ALL: u32 = 0x40000;

/// A packet socket.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens one on the interface with this index, whose frames begin with `link`, for TCP and UDP packets from or to one of
    /// these ports. What it receives begins likewise.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or when the interface is gone.
    pub fn open(interface: u32, link: Link, ports: &[u16]) -> io::Result<Self> {
        let kind = match link {
            Link::Ethernet => libc::SOCK_RAW,
            // From the IP header on, whatever the kernel has in front of it.
            Link::Ip => libc::SOCK_DGRAM,
        };
        // SAFETY: no memory is given. Protocol 0: nothing is received until the socket is bound.
        let raw = unsafe { libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, 0) };
        let raw = Errno::result(raw)?;
        // SAFETY: the descriptor is new and has no other owner.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut filter = filter(link, ports);
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        set(&socket, libc::SO_ATTACH_FILTER, &program)?;
        let wait = libc::timeval { tv_sec: 0, tv_usec: PATIENCE.as_micros() as libc::suseconds_t };
        set(&socket, libc::SO_RCVTIMEO, &wait)?;
        // SAFETY: all zero is a valid value of this structure.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = interface as i32;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address outlives the call, and its length is passed with it.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        Errno::result(bound)?;
        Ok(Self(socket))
    }

    /// Receives the next packet into `buffer`, cut to its size. Returns the bytes and the length of the whole packet, or `None`
    /// if no packet came within 200 ms.
    ///
    /// # Errors
    /// If the interface is gone or down.
    pub fn next<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<(&'a [u8], u32)>> {
        // SAFETY: the buffer outlives the call, and its length is passed with it.
        let length = unsafe {
            libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC)
        };
        match Errno::result(length) {
            Ok(length) => Ok(Some((&buffer[..buffer.len().min(length as usize)], length as u32))),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn set<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value outlives the call, and its length is passed with it; the kernel copies a filter's instructions.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    Errno::result(result)?;
    Ok(())
}

const fn instruction(code: u16, jump_true: u8, jump_false: u8, value: u32) -> sock_filter {
    sock_filter { code, jt: jump_true, jf: jump_false, k: value }
}

/// Ethernet (a tag is no longer in the frame) or nothing, IPv4 or IPv6 without extension headers, TCP or UDP, one of the
/// ports.
fn filter(link: Link, ports: &[u16]) -> Vec<sock_filter> {
    let base = link.header_len();
    // The EtherType, or the version in the IP header itself.
    let (mut all, [v4, v6]) = match link {
        Link::Ethernet => (vec![instruction(LOAD_HALF, 0, 0, 12)], [0x0800, 0x86DD]),
        Link::Ip => (vec![instruction(LOAD_BYTE, 0, 0, 0), instruction(AND, 0, 0, 0xF0)], [0x40, 0x60]),
    };
    let only = |value: u32| [instruction(IF_EQUAL, 1, 0, value), instruction(RETURN, 0, 0, 0)];
    let of_transport = [
        instruction(IF_EQUAL, 2, 0, u32::from(sensor_common::slot::TCP)),
        instruction(IF_EQUAL, 1, 0, u32::from(sensor_common::slot::UDP)),
        instruction(RETURN, 0, 0, 0),
    ];
    let any_port = |code: u16, places: [u32; 2]| {
        let mut all = Vec::new();
        for place in places {
            all.push(instruction(code, 0, 0, place));
            for port in ports {
                all.push(instruction(IF_EQUAL, 0, 1, u32::from(*port)));
                all.push(instruction(RETURN, 0, 0, ALL));
            }
        }
        all.push(instruction(RETURN, 0, 0, 0));
        all
    };
    // The part for IPv6 ends by itself, and so jumps need not be long.
    let mut wide = vec![instruction(LOAD_BYTE, 0, 0, base + 6)];
    wide.extend(of_transport);
    wide.extend(any_port(LOAD_HALF, [base + 40, base + 42]));
    all.push(instruction(IF_EQUAL, 0, 1, v6));
    // A jump without a condition may be long: past the part for IPv6.
    all.push(instruction(JUMP, 0, 0, 1));
    all.push(instruction(JUMP, 0, 0, wide.len() as u32));
    all.extend(wide);
    all.extend(only(v4));
    // RFC 791 3.1: no fragment after the first.
    all.extend([instruction(LOAD_HALF, 0, 0, base + 6), instruction(IF_ANY_BIT, 0, 1, 0x1FFF)]);
    all.push(instruction(RETURN, 0, 0, 0));
    all.push(instruction(LOAD_BYTE, 0, 0, base + 9));
    all.extend(of_transport);
    all.push(instruction(HEADER_LEN, 0, 0, base));
    all.extend(any_port(LOAD_HALF_BEHIND, [base, base + 2]));
    all
}
