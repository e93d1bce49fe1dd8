//! Whole Ethernet frames, sent and received on one interface (packet(7)).

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{Namespace, patience};

/// Frames longer than this are cut on receipt; more than the largest GSO frame.
const MAX_FRAME_LEN: usize = 128 * 1024;
/// Both hardware addresses; a VLAN tag is inserted after them.
const VLAN_OFFSET: usize = 12;

/// A packet socket bound to one interface. It receives incoming frames, not outgoing ones.
pub struct RawSocket {
    socket: OwnedFd,
    interface: String,
}

impl RawSocket {
    /// Opens the socket on `interface` of `namespace`.
    ///
    /// # Errors
    /// When there is no such interface, or no right to open packet sockets.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        let index = namespace.interface_index(interface)?;
        let socket = namespace.run(|| open(index))?.with_context(|| {
            format!("open a packet socket on {interface} in network namespace {}", namespace.label())
        })?;
        Ok(Self { socket, interface: interface.to_owned() })
    }

    /// Sends one frame unchanged, beginning with its hardware addresses, without the frame check sequence.
    ///
    /// # Errors
    /// When the kernel refuses it, for example as longer than the MTU.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        nix::unistd::write(&self.socket, frame)
            .with_context(|| format!("send a frame of {} bytes on {}", frame.len(), self.interface))?;
        Ok(())
    }

    /// The next frame, or `None` if none came within the time on this machine ([`patience`]). A VLAN tag,
    /// which the kernel removes on receipt, is inserted again.
    ///
    /// # Errors
    /// When receiving fails, for example because the interface went away.
    pub fn receive(&self, within: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + patience(within);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let count = poll(&mut ready, timeout)
                .with_context(|| format!("wait for a frame on {}", self.interface))?;
            if count > 0 {
                match receive(&self.socket) {
                    Ok(frame) => return Ok(Some(frame)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        return Err(error).with_context(|| format!("receive a frame on {}", self.interface));
                    }
                }
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
}

fn open(interface: u32) -> io::Result<OwnedFd> {
    let all = u16::to_be(libc::ETH_P_ALL as u16);
    // Protocol 0: nothing is received before the socket is bound to its interface.
    // SAFETY: plain system call; the result is checked.
    let raw = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `raw` is a new descriptor that nothing else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    for option in [libc::PACKET_AUXDATA, libc::PACKET_IGNORE_OUTGOING] {
        let on: libc::c_int = 1;
        // SAFETY: the pointer and length describe `on`, which outlives the call.
        check(unsafe {
            libc::setsockopt(
                raw,
                libc::SOL_PACKET,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as u32,
            )
        })?;
    }
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = all;
    address.sll_ifindex = i32::try_from(interface).map_err(io::Error::other)?;
    // SAFETY: the pointer and length describe `address`, which outlives the call.
    check(unsafe { libc::bind(raw, (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32) })?;
    Ok(socket)
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut frame = vec![0u8; MAX_FRAME_LEN];
    // u64 for the alignment that control messages need.
    let mut control = [0u64; 16];
    let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in `message` is to a live buffer of the length given beside it.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let length = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    frame.truncate(length);
    if let Some(tag) = vlan_tag(&message)
        && frame.len() >= VLAN_OFFSET
    {
        frame.splice(VLAN_OFFSET..VLAN_OFFSET, tag);
    }
    Ok(frame)
}

/// The outer tag (TPID, TCI) that the kernel took out of the frame.
fn vlan_tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: recvmsg has filled in the control buffer that `message` points to, which is still alive.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole header inside the control buffer.
        let current = unsafe { &*header };
        if current.cmsg_level == libc::SOL_PACKET && current.cmsg_type == libc::PACKET_AUXDATA {
            // SAFETY: the kernel writes a whole tpacket_auxdata for this type; it need not be aligned.
            let data = unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
            if data.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
                return None;
            }
            let protocol = if data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
                libc::ETH_P_8021Q as u16
            } else {
                data.tp_vlan_tpid
            };
            let [a, b] = protocol.to_be_bytes();
            let [c, d] = data.tp_vlan_tci.to_be_bytes();
            return Some([a, b, c, d]);
        }
        // SAFETY: as for CMSG_FIRSTHDR; `header` came from the same buffer.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
