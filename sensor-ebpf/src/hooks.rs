//! Entry points: what differs between XDP and TC, and nothing else.

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::debug;
use sensor_common::{
    bytes::Bytes,
    glance::surely_foreign,
    headers::VLAN_PRESENT,
    path::{Arrival, Environment as _, Verdict, count_unjudged, watch},
    slot::Hook,
};

use crate::{
    frame::{Linear, Scattered, SocketBuffer},
    kernel::Kernel,
};

/// Frames coming in, before the stack sees them.
#[xdp]
pub(crate) fn smb_xdp_in(context: XdpContext) -> u32 {
    if !foreign_at_a_glance(&context) {
        look_closer(&context);
    }
    xdp_action::XDP_PASS
}

/// The same where a frame may be scattered over several buffers (MTU above a page; Linux 5.18).
#[xdp(frags)]
pub(crate) fn smb_xdp_frags(context: XdpContext) -> u32 {
    if !foreign_at_a_glance(&context) {
        look_closer_at_scattered(&context);
    }
    xdp_action::XDP_PASS
}

#[inline(always)]
fn foreign_at_a_glance(context: &XdpContext) -> bool {
    let (start, end) = (context.data(), context.data_end());
    surely_foreign(&Kernel, &Linear::new(start, end), (end - start) as u32)
}

/// Out of line, so that the glance needs no registers for it.
#[inline(never)]
fn look_closer(context: &XdpContext) {
    express_data_path(context, &Linear::new(context.data(), context.data_end()));
}

#[inline(never)]
fn look_closer_at_scattered(context: &XdpContext) {
    express_data_path(context, &Scattered::new(context));
}

#[inline(always)]
fn express_data_path<B: Bytes>(context: &XdpContext, frame: &B) {
    // Of a scattered frame this is the first buffer: enough to tell that it holds a message, and its IP header says the
    // rest.
    let frame_len = (context.data_end() - context.data()) as u32;
    // SAFETY: the context is valid for the length of the call.
    let ifindex = unsafe { (*context.ctx).ingress_ifindex };
    let arrival = Arrival { hook: Hook::XdpIngress, ifindex, frame_len, vlan: 0 };
    let verdict = watch(&mut Kernel, frame, arrival);
    count_unjudged(&mut Kernel, verdict);
    if verdict != Verdict::Foreign {
        debug!(context, "xdp in: ifindex {} length {} kept {}", ifindex, frame_len, kept(verdict));
    }
}

/// Frames coming in, where XDP cannot attach.
#[classifier]
pub(crate) fn smb_tc_in(context: TcContext) -> i32 {
    socket_buffer(&context, Hook::TcIngress)
}

/// Frames going out.
#[classifier]
pub(crate) fn smb_tc_out(context: TcContext) -> i32 {
    socket_buffer(&context, Hook::TcEgress)
}

/// Bytes of a socket buffer that are to be in its linear part: Ethernet, two tags, IPv6 and TCP with all options.
const HEADERS: u32 = 14 + 8 + 40 + 60;

/// Attached to nothing: the agent runs it by hand to read the clock that slots are stamped with.
#[xdp]
pub(crate) fn smb_clock(_context: XdpContext) -> u32 {
    Kernel.now()
}

#[inline(always)]
fn socket_buffer(context: &TcContext, hook: Hook) -> i32 {
    let linear = Linear::new(context.data(), context.data_end());
    if !surely_foreign(&Kernel, &linear, context.len()) {
        look_closer_at_socket_buffer(context, hook);
    }
    // Unspecified: the next program or filter decides as if this one were not there.
    TC_ACT_UNSPEC
}

#[inline(never)]
fn look_closer_at_socket_buffer(context: &TcContext, hook: Hook) {
    // SAFETY: the context is valid for the length of the call.
    let skb = unsafe { &*context.skb.skb };
    let vlan = if skb.vlan_present != 0 { (skb.vlan_tci as u16 & 0x0FFF) | VLAN_PRESENT } else { 0 };
    let arrival = Arrival { hook, ifindex: skb.ifindex, frame_len: context.len(), vlan };
    let linear = (context.data_end() - context.data()) as u32;
    if linear < HEADERS && linear < context.len() {
        // Headers may be on the pages behind. What cannot be brought forward is judged by what is there.
        let _ = context.pull_data(HEADERS);
    }
    let verdict = watch(&mut Kernel, &SocketBuffer::new(context), arrival);
    count_unjudged(&mut Kernel, verdict);
    if verdict != Verdict::Foreign {
        debug!(
            context,
            "tc: ifindex {} length {} kept {}",
            arrival.ifindex,
            arrival.frame_len,
            kept(verdict)
        );
    }
}

#[inline(always)]
const fn kept(verdict: Verdict) -> u32 {
    matches!(verdict, Verdict::Kept) as u32
}
