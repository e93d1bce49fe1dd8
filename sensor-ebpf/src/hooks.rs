//! Entry points: what differs between XDP and TC, and nothing else.

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::debug;
use sensor_common::{
    headers::VLAN_PRESENT,
    path::{Arrival, Environment as _, Verdict, count_unjudged, watch},
    slot::Hook,
};

use crate::{
    frame::{Linear, SocketBuffer},
    kernel::Kernel,
};

/// Frames coming in, before the stack sees them.
#[xdp]
pub(crate) fn smb_xdp_in(context: XdpContext) -> u32 {
    let (start, end) = (context.data(), context.data_end());
    let arrival = Arrival {
        hook: Hook::XdpIngress,
        // SAFETY: the context is valid for the length of the call.
        ifindex: unsafe { (*context.ctx).ingress_ifindex },
        frame_len: (end - start) as u32,
        vlan: 0,
    };
    let verdict = watch(&mut Kernel, &Linear::new(start, end), arrival);
    count_unjudged(&mut Kernel, verdict);
    if verdict != Verdict::Foreign {
        debug!(
            &context,
            "xdp in: ifindex {} length {} kept {}",
            arrival.ifindex,
            arrival.frame_len,
            kept(verdict)
        );
    }
    xdp_action::XDP_PASS
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

/// Attached to nothing: the agent runs it by hand to read the clock that slots are stamped with.
#[xdp]
pub(crate) fn smb_clock(_context: XdpContext) -> u32 {
    Kernel.now()
}

#[inline(always)]
fn socket_buffer(context: &TcContext, hook: Hook) -> i32 {
    // SAFETY: the context is valid for the length of the call.
    let skb = unsafe { &*context.skb.skb };
    let vlan = if skb.vlan_present != 0 {
        (skb.vlan_tci as u16 & 0x0FFF) | VLAN_PRESENT
    } else {
        0
    };
    let arrival = Arrival {
        hook,
        ifindex: skb.ifindex,
        frame_len: context.len(),
        vlan,
    };
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
    // Unspecified: the next program or filter decides as if this one were not there.
    TC_ACT_UNSPEC
}

#[inline(always)]
const fn kept(verdict: Verdict) -> u32 {
    matches!(verdict, Verdict::Kept) as u32
}
