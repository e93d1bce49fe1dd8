//! Entry points: what differs between XDP and TC, and nothing else.

use aya_ebpf::{
    EbpfContext,
    bindings::{TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::debug;
use sensor_common::{
    glance::{Glance, glance, plain_ipv4, plain_ipv6},
    headers::{NoPorts, VLAN_PRESENT},
    path::{Arrival, Environment as _, Verdict, count_unjudged, watch, watch_plain},
    slot::Hook,
};

use crate::{
    frame::{Linear, Scattered, SocketBuffer},
    kernel::Kernel,
};

/// Frames coming in, before the stack sees them.
#[xdp]
pub(crate) fn smb_xdp_in(context: XdpContext) -> u32 {
    match glance_at(&context) {
        Glance::Foreign => {}
        Glance::PlainIpv4 => plain_v4_in(&context),
        Glance::PlainIpv6 => plain_v6_in(&context),
        Glance::Unsure => look_closer(&context),
    }
    xdp_action::XDP_PASS
}

/// The same where a frame may be scattered over several buffers (MTU above a page; Linux 5.18).
#[xdp(frags)]
pub(crate) fn smb_xdp_frags(context: XdpContext) -> u32 {
    match glance_at(&context) {
        Glance::Foreign => {}
        Glance::PlainIpv4 => plain_v4_in(&context),
        Glance::PlainIpv6 => plain_v6_in(&context),
        Glance::Unsure => look_closer_at_scattered(&context),
    }
    xdp_action::XDP_PASS
}

#[inline(always)]
fn glance_at(context: &XdpContext) -> Glance {
    let (start, end) = (context.data(), context.data_end());
    glance(&Kernel, &Linear::new(start, end), (end - start) as u32)
}

// What follows the glance is out of line, so that the glance needs no registers for it.

#[inline(never)]
fn plain_v4_in(context: &XdpContext) {
    let frame = Linear::new(context.data(), context.data_end());
    if let Some(ports) = plain_ipv4(&frame, 0) {
        let arrival = arrival_of(context);
        told(context, arrival, watch_plain(&mut Kernel, &frame, &ports, arrival));
    }
}

#[inline(never)]
fn plain_v6_in(context: &XdpContext) {
    let frame = Linear::new(context.data(), context.data_end());
    if let Some(ports) = plain_ipv6(&frame, 0) {
        let arrival = arrival_of(context);
        told(context, arrival, watch_plain(&mut Kernel, &frame, &ports, arrival));
    }
}

#[inline(never)]
fn look_closer(context: &XdpContext) {
    let arrival = arrival_of(context);
    told(context, arrival, watch(&mut Kernel, &Linear::new(context.data(), context.data_end()), arrival));
}

#[inline(never)]
fn look_closer_at_scattered(context: &XdpContext) {
    let arrival = arrival_of(context);
    told(context, arrival, watch(&mut Kernel, &Scattered::new(context), arrival));
}

#[inline(always)]
fn arrival_of(context: &XdpContext) -> Arrival {
    Arrival {
        hook: Hook::XdpIngress,
        // SAFETY: the context is valid for the length of the call.
        ifindex: unsafe { (*context.ctx).ingress_ifindex },
        // Of a scattered frame this is the first buffer: enough to tell that it holds a message, and its IP header says
        // the rest.
        frame_len: (context.data_end() - context.data()) as u32,
        vlan: 0,
    }
}

/// Counts what could not be judged, and logs what was watched.
#[inline(always)]
fn told(context: &impl EbpfContext, arrival: Arrival, verdict: Verdict) {
    count_unjudged(&mut Kernel, verdict);
    if verdict != Verdict::Foreign {
        let kept = u32::from(verdict == Verdict::Kept);
        debug!(context, "ifindex {} length {} kept {}", arrival.ifindex, arrival.frame_len, kept);
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

/// Bytes of a socket buffer that hold all headers there may be: Ethernet with two tags, IPv6, a tunnel, and the same again
/// inside it, and TCP with all options.
const HEADERS: u32 = 2 * (14 + 8 + 40) + 16 + 60;

/// Attached to nothing: the agent runs it by hand to read the clock that slots are stamped with.
#[xdp]
pub(crate) fn smb_clock(_context: XdpContext) -> u32 {
    Kernel.now()
}

#[inline(always)]
fn socket_buffer(context: &TcContext, hook: Hook) -> i32 {
    let linear = Linear::new(context.data(), context.data_end());
    match glance(&Kernel, &linear, context.len()) {
        Glance::Foreign => {}
        Glance::PlainIpv4 => plain_v4_socket_buffer(context, hook),
        Glance::PlainIpv6 => plain_v6_socket_buffer(context, hook),
        Glance::Unsure => {
            if headers_are_missing(context, hook, false) {
                // They are on the pages behind. What cannot be brought forward is judged by what is there.
                let _ = context.pull_data(HEADERS.min(context.len()));
                headers_are_missing(context, hook, true);
            }
        }
    }
    // Unspecified: the next program or filter decides as if this one were not there.
    TC_ACT_UNSPEC
}

#[inline(never)]
fn plain_v4_socket_buffer(context: &TcContext, hook: Hook) {
    let (frame, arrival) = (SocketBuffer::new(context), arrival_of_socket_buffer(context, hook));
    if let Some(ports) = plain_ipv4(&frame, arrival.vlan) {
        told(context, arrival, watch_plain(&mut Kernel, &frame, &ports, arrival));
    }
}

#[inline(never)]
fn plain_v6_socket_buffer(context: &TcContext, hook: Hook) {
    let (frame, arrival) = (SocketBuffer::new(context), arrival_of_socket_buffer(context, hook));
    if let Some(ports) = plain_ipv6(&frame, arrival.vlan) {
        told(context, arrival, watch_plain(&mut Kernel, &frame, &ports, arrival));
    }
}

/// Looks closer. Whether the linear part ends inside the headers: then nothing was done, unless this is the `last` try.
#[inline(never)]
fn headers_are_missing(context: &TcContext, hook: Hook, last: bool) -> bool {
    let arrival = arrival_of_socket_buffer(context, hook);
    let verdict = watch(&mut Kernel, &SocketBuffer::new(context), arrival);
    if verdict == Verdict::Unjudged(NoPorts::Short) && !last {
        return true;
    }
    told(context, arrival, verdict);
    false
}

#[inline(always)]
fn arrival_of_socket_buffer(context: &TcContext, hook: Hook) -> Arrival {
    // SAFETY: the context is valid for the length of the call.
    let skb = unsafe { &*context.skb.skb };
    let vlan = if skb.vlan_present != 0 { (skb.vlan_tci as u16 & 0x0FFF) | VLAN_PRESENT } else { 0 };
    Arrival { hook, ifindex: skb.ifindex, frame_len: context.len(), vlan }
}
