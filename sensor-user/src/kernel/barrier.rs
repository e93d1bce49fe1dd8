//! Waits until all packets in progress are done.

/// Returns when every packet that was in the kernel program at the call has left it.
///
/// The program runs inside RCU read-side sections, and membarrier(2) with MEMBARRIER_CMD_GLOBAL waits for a grace period
/// of that kind. A kernel with isolated tickless CPUs refuses it; then this waits for one second, a thousand
/// times longer than any packet takes.
pub(crate) fn wait_for_packets_in_flight() {
    const GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes plain numbers and touches no memory of the process.
    let status = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
    if status != 0 {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}
