//! The program that runs just before the SYN leaves: it records the process under the ends of the connection.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_SOCK_OPS_TCP_CONNECT_CB, bpf_sock_ops},
    helpers::generated::bpf_get_socket_cookie,
    macros::sock_ops,
    programs::SockOpsContext,
};
use sensor_common::owner::{CONTESTED, ConnectionKey};

use crate::maps::{CALLERS, OPENERS};

/// The answer that changes nothing, whatever was asked.
const GO_ON: u32 = 1;

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// Everything that happens to a TCP socket; all but the one event is none of ours.
#[sock_ops]
pub(crate) fn smb_syn(context: SockOpsContext) -> u32 {
    if context.op() == BPF_SOCK_OPS_TCP_CONNECT_CB {
        join(&context);
    }
    GO_ON
}

#[inline(always)]
fn join(context: &SockOpsContext) {
    let Some(key) = key_of(context.ops) else { return };
    // SAFETY: takes the context, which is valid, and returns a number.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    // SAFETY: an entry is written once, before its socket connects. A crowded map may give its memory to another socket
    // at any moment; the cookie in the copy tells whose it is.
    let caller = unsafe { CALLERS.get(cookie) }.copied();
    let Some(mut opener) = caller.filter(|caller| caller.cookie == cookie) else {
        // Somebody of whom nothing is known takes over these ends: what was known of them is no longer true.
        let _ = OPENERS.remove(key);
        return;
    };
    let _ = CALLERS.remove(cookie);
    // SAFETY: as above.
    if let Some(before) = unsafe { OPENERS.get(key) }
        && before.netns != opener.netns
    {
        opener.flags |= CONTESTED;
    }
    let _ = OPENERS.insert(key, opener, 0);
}

#[inline(always)]
fn key_of(ops: *const bpf_sock_ops) -> Option<ConnectionKey> {
    // SAFETY: the context is valid for the length of the call; each field is read as a whole word, as the kernel wants it.
    unsafe {
        // The remote port stands in the upper half, in wire order; the local one is a plain number.
        let remote_port = (u32::from_be((&raw const (*ops).remote_port).read_volatile()) as u16).to_be();
        let local_port = ((&raw const (*ops).local_port).read_volatile() as u16).to_be();
        match (&raw const (*ops).family).read_volatile() {
            AF_INET => {
                let local = (&raw const (*ops).local_ip4).read_volatile();
                let remote = (&raw const (*ops).remote_ip4).read_volatile();
                Some(ConnectionKey::v4(local, remote, local_port, remote_port))
            }
            AF_INET6 => {
                let local = words_of((&raw const (*ops).local_ip6).cast());
                let remote = words_of((&raw const (*ops).remote_ip6).cast());
                Some(ConnectionKey::v6(local, remote, local_port, remote_port))
            }
            _ => None,
        }
    }
}

/// Four words, read one by one: the kernel refuses wider reads of its context.
///
/// # Safety
/// `words` points to four words of a valid context.
#[inline(always)]
unsafe fn words_of(words: *const u32) -> [u32; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        [
            words.read_volatile(),
            words.add(1).read_volatile(),
            words.add(2).read_volatile(),
            words.add(3).read_volatile(),
        ]
    }
}
