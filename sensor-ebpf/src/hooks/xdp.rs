//! XDP: frames coming in.

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    macros::xdp,
    programs::XdpContext,
};
use aya_log_ebpf::debug;
use sensor_common::{
    bytes::Bytes,
    fast_path::{FastPath, fast_path, plain_ipv4, plain_ipv6},
    headers::Link,
    path::{Arrival, Environment as _},
    slot::Hook,
};

use super::{
    PARSED, QUIC, Then, at_port, captured, chained, decided, decided_quic, is_general, known, logs, looks,
    parsed, plain,
};
use crate::{
    frame::{Context, Linear, Pieces, Reloaded},
    kernel::Kernel,
};

/// Frames coming in, before the stack sees them.
#[xdp]
pub(crate) fn smb_xdp_in(context: XdpContext) -> u32 {
    incoming(
        context.ctx,
        Context::linear,
        Steps {
            plain_v6: smb_plain_v6_in,
            parse: smb_parse_in,
            decide: smb_decide_in,
            quic: smb_quic_in,
            capture: smb_capture_in,
            command: smb_command_in,
        },
    )
}

/// The same where a frame may be scattered over several buffers (MTU above a page; Linux 5.18).
#[xdp(frags)]
pub(crate) fn smb_xdp_frags(context: XdpContext) -> u32 {
    incoming(
        context.ctx,
        Pieces::held,
        Steps {
            plain_v6: smb_plain_v6_in_scattered,
            parse: smb_parse_in_scattered,
            decide: smb_decide_in_scattered,
            quic: smb_quic_in_scattered,
            capture: smb_capture_in_scattered,
            command: smb_command_in_scattered,
        },
    )
}

/// Packets coming in on an interface without an Ethernet header, at generic XDP. The fast path knows Ethernet frames only:
/// every packet takes the general path.
#[xdp]
pub(crate) fn smb_xdp_ip(context: XdpContext) -> u32 {
    let context = context.ctx;
    let steps = Steps {
        plain_v6: smb_plain_v6_in,
        parse: smb_parse_in_ip,
        decide: smb_decide_in,
        quic: smb_quic_in,
        capture: smb_capture_in,
        command: smb_command_in,
    };
    let then = general(context, &steps);
    finish(context, then, &steps)
}

/// What is done out of line with a frame.
struct Steps {
    plain_v6: extern "C" fn(*mut xdp_md, u32, u32) -> u32,
    parse: extern "C" fn(*mut xdp_md) -> u32,
    decide: extern "C" fn(*mut xdp_md) -> u32,
    quic: extern "C" fn(*mut xdp_md) -> u32,
    capture: extern "C" fn(*mut xdp_md) -> u32,
    command: extern "C" fn(*mut xdp_md) -> u32,
}

/// A packet takes the fast path first; if it is known, or plain IPv4, it is processed in line, for a call would cost as much as all of
/// the parsing. Any other is parsed, decided on and accounted, in steps of which each has the stack to itself.
#[inline(always)]
fn incoming<B: Bytes + Copy>(context: *mut xdp_md, frame: fn(*mut xdp_md) -> B, steps: Steps) -> u32 {
    let linear: Linear = context.linear();
    let then = match fast_path(&Kernel, linear, |length| linear.is_shorter(length)) {
        FastPath::Foreign => return xdp_action::XDP_PASS,
        FastPath::PlainIpv4(server, service) => {
            let arrival = arrival_of(context);
            match known(linear, |frame| plain_ipv4(frame, 0), service, arrival) {
                Some(then) => then,
                None if is_general() => Then::General,
                None => plain(frame(context), |frame| plain_ipv4(frame, 0), (server, service), arrival),
            }
        }
        FastPath::PlainIpv6(server, service) => {
            match known(linear, |frame| plain_ipv6(frame, 0), service, arrival_of(context)) {
                Some(then) => then,
                None if is_general() => Then::General,
                None => Then::from_number((steps.plain_v6)(context, server as u32, service.0.into())),
            }
        }
        FastPath::Unsure => Then::General,
    };
    let then = if then == Then::General { general(context, &steps) } else { then };
    finish(context, then, &steps)
}

/// Looks at the messages of a watched packet, and gives XDP's answer.
#[inline(always)]
fn finish(context: *mut xdp_md, then: Then, steps: &Steps) -> u32 {
    if then == Then::Capture {
        looks(|| (steps.capture)(context), || (steps.command)(context));
    }
    if logs() {
        log_frame(context, u32::from(then != Then::Pass));
    }
    if then == Then::Drop { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
}

/// A packet that is not plain, or all of them where there is no other way.
#[inline(always)]
fn general(context: *mut xdp_md, steps: &Steps) -> Then {
    match (steps.parse)(context) {
        PARSED => Then::accounted((steps.decide)(context)),
        QUIC => Then::accounted((steps.quic)(context)),
        _ => Then::Pass,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_plain_v6_in(context: *mut xdp_md, server: u32, service: u32) -> u32 {
    let frame = context.linear();
    plain(frame, |frame| plain_ipv6(frame, 0), at_port(server, service), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_plain_v6_in_scattered(context: *mut xdp_md, server: u32, service: u32) -> u32 {
    let frame = Pieces::held(context);
    plain(frame, |frame| plain_ipv6(frame, 0), at_port(server, service), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_parse_in(context: *mut xdp_md) -> u32 {
    parsed(context.linear(), arrival_of(context), true) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_parse_in_ip(context: *mut xdp_md) -> u32 {
    parsed(context.linear(), Arrival { link: Link::Ip, ..arrival_of(context) }, true) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_decide_in(context: *mut xdp_md) -> u32 {
    decided(Reloaded(context), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_parse_in_scattered(context: *mut xdp_md) -> u32 {
    parsed(Pieces::held(context), arrival_of(context), true) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_decide_in_scattered(context: *mut xdp_md) -> u32 {
    decided(Pieces::scattered(context), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_quic_in(context: *mut xdp_md) -> u32 {
    decided_quic(Reloaded(context), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_quic_in_scattered(context: *mut xdp_md) -> u32 {
    decided_quic(Pieces::scattered(context), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_capture_in(context: *mut xdp_md) -> u32 {
    captured(Reloaded(context))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_command_in(context: *mut xdp_md) -> u32 {
    chained(Reloaded(context))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_command_in_scattered(context: *mut xdp_md) -> u32 {
    chained(Pieces::scattered(context))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_capture_in_scattered(context: *mut xdp_md) -> u32 {
    captured(Pieces::scattered(context))
}

#[inline(always)]
fn arrival_of(context: *mut xdp_md) -> Arrival {
    Arrival {
        hook: Hook::XdpIngress,
        // SAFETY: the context is valid for the length of the run.
        ifindex: unsafe { (*context).ingress_ifindex },
        link: Link::Ethernet,
        // Of a scattered frame this is the first buffer: enough to tell that it holds a message, and its IP header says
        // the rest.
        frame_len: context.linear().len(),
        vlan: 0,
    }
}

/// Attached to nothing: the agent runs it by hand to read the clock that slots are stamped with.
#[xdp]
pub(crate) fn smb_clock(_context: XdpContext) -> u32 {
    Kernel.now()
}

#[inline(never)]
fn log_frame(context: *mut xdp_md, kept: u32) {
    let arrival = arrival_of(context);
    let context = XdpContext::new(context);
    debug!(&context, "ifindex {} length {} kept {}", arrival.ifindex, arrival.frame_len, kept);
}
