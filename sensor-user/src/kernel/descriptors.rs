//! Open descriptors that programs started by the agent must not inherit.

use std::{fs, io};

/// The first descriptor behind standard input, output and error.
const FIRST: libc::c_uint = 3;

/// Marks every open descriptor but the standard ones to be closed when another program begins. Those that the agent opens are
/// marked anyway; this is for those that it was started with.
///
/// # Errors
/// If open descriptors can be neither marked at once nor listed.
pub fn close_at_exec() -> io::Result<()> {
    // SAFETY: the call takes plain numbers and touches no memory of the process.
    let status =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if status == 0 {
        return Ok(());
    }
    // Before Linux 5.11, or where a filter of system calls refuses it.
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(descriptor) = name.to_str().and_then(|name| name.parse::<libc::c_int>().ok()) else {
            continue;
        };
        if descriptor >= FIRST as libc::c_int {
            // SAFETY: the call takes plain numbers. A descriptor that is closed by now is refused, and that does no harm.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}
