//! The bytes of a TCP connection that its peer has not acknowledged.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// Bytes that wait in the send queue of a TCP socket, sent or not (`SIOCOUTQ`, tcp(7)).
///
/// # Errors
/// If the kernel cannot say.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ, which has the value of TIOCOUTQ, writes one int to the address, which is valid.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(bytes.unsigned_abs()) }
}
