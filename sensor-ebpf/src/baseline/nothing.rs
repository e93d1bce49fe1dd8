//! The cheapest programs there are: pass, count one packet, look for the ports.

use aya_ebpf::{
    bindings::{TC_ACT_OK, xdp_action},
    macros::{classifier, map, xdp},
    maps::PerCpuArray,
    programs::{TcContext, XdpContext},
};
use sensor_common::headers::{Link, ports};

use crate::frame::{Context as _, Pieces};

/// Packets of [`bench_counter`].
#[map]
static PASSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Passes.
#[xdp]
pub(crate) fn bench_pass(_context: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Counts and passes.
#[xdp]
pub(crate) fn bench_counter(_context: XdpContext) -> u32 {
    if let Some(passed) = PASSED.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's own.
        unsafe { *passed += 1 };
    }
    xdp_action::XDP_PASS
}

/// Finds the ports, as the sensor does before anything else, and passes. A packet with both ports 0 is refused: were the
/// ports of no consequence, the compiler would not look for them.
#[xdp]
pub(crate) fn bench_parse(context: XdpContext) -> u32 {
    match ports(context.ctx.linear(), Link::Ethernet, 0, false) {
        Ok(ports) if ports.source | ports.destination == 0 => xdp_action::XDP_ABORTED,
        _ => xdp_action::XDP_PASS,
    }
}

/// Passes, at TC.
#[classifier]
pub(crate) fn bench_tc_ok(_context: TcContext) -> i32 {
    TC_ACT_OK
}

/// Like [`bench_parse`], at TC.
#[classifier]
pub(crate) fn bench_tc_parse(context: TcContext) -> i32 {
    match ports(Pieces::held(context.skb.skb), Link::Ethernet, 0, false) {
        Ok(ports) if ports.source | ports.destination == 0 => -1,
        _ => TC_ACT_OK,
    }
}
