//! The programs at connect(2): they record the calling process.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_cgroup_id, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_jiffies64,
            bpf_ktime_get_boot_ns,
        },
    },
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use sensor_common::{owner::Opener, slot::TCP};

use crate::maps::CALLERS;

/// Lets the call through.
const ALLOW: i32 = 1;

/// Sockets of IPv4.
#[cgroup_sock_addr(connect4)]
pub(crate) fn smb_connect4(context: SockAddrContext) -> i32 {
    write_down(&context);
    ALLOW
}

/// Sockets of IPv6, those that talk IPv4 among them.
#[cgroup_sock_addr(connect6)]
pub(crate) fn smb_connect6(context: SockAddrContext) -> i32 {
    write_down(&context);
    ALLOW
}

#[inline(always)]
fn write_down(context: &SockAddrContext) {
    // SAFETY: the context is valid for the length of the call; read as a whole word, as the kernel wants it.
    let protocol = unsafe { (&raw const (*context.sock_addr).protocol).read_volatile() };
    if protocol != u32::from(TCP) {
        return;
    }
    let Ok(comm) = bpf_get_current_comm() else { return };
    let ids = bpf_get_current_pid_tgid();
    // SAFETY: helpers that take the context, which is valid, or nothing, and return numbers.
    let opener = unsafe {
        Opener {
            boot_nanos: bpf_ktime_get_boot_ns(),
            cookie: bpf_get_socket_cookie(context.as_ptr()),
            cgroup: bpf_get_current_cgroup_id(),
            netns: bpf_get_netns_cookie(context.as_ptr()),
            ticks: bpf_jiffies64() as u32,
            process: (ids >> 32) as u32,
            thread: ids as u32,
            user: bpf_get_current_uid_gid() as u32,
            comm,
            flags: 0,
            reserved: 0,
        }
    };
    // A full map forgets another caller; there is nothing to do about any other failure, and the call goes on.
    let _ = CALLERS.insert(opener.cookie, opener, 0);
}
