//! TC: socket buffers, coming in where XDP cannot attach, and going out.

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use aya_log_ebpf::debug;
use sensor_common::{
    fast_path::{FastPath, fast_path, plain_ipv4, plain_ipv6},
    headers::{Link, VLAN_PRESENT},
    path::Arrival,
    slot::Hook,
};

use super::{
    PARSED, QUIC, SHORT, Then, at_port, captured, chained, decided, decided_quic, is_general, known, logs,
    looks, parsed, plain,
};
use crate::{
    frame::{Context, Pieces},
    kernel::Kernel,
};

/// Frames coming in, where XDP cannot attach.
#[classifier]
pub(crate) fn smb_tc_in(context: TcContext) -> i32 {
    socket_buffer(context.skb.skb, Hook::TcIngress)
}

/// Frames going out.
#[classifier]
pub(crate) fn smb_tc_out(context: TcContext) -> i32 {
    socket_buffer(context.skb.skb, Hook::TcEgress)
}

/// Packets coming in on an interface without an Ethernet header (a tunnel or point-to-point interface).
#[classifier]
pub(crate) fn smb_tc_ip_in(context: TcContext) -> i32 {
    ip_socket_buffer(context.skb.skb, Hook::TcIngress)
}

/// Packets going out on such an interface.
#[classifier]
pub(crate) fn smb_tc_ip_out(context: TcContext) -> i32 {
    ip_socket_buffer(context.skb.skb, Hook::TcEgress)
}

/// Bytes of a socket buffer that hold all headers there may be: Ethernet with two tags and four labels, IPv6, GRE with
/// ERSPAN, and the same again inside the tunnel, and TCP with all options.
const HEADERS: u32 = 2 * (14 + 8 + 16 + 40) + 16 + 20 + 60;

#[inline(always)]
fn socket_buffer(context: *mut __sk_buff, hook: Hook) -> i32 {
    let linear = context.linear();
    // SAFETY: the context is valid for the length of the run.
    let is_shorter = |length| unsafe { (*context).len } < length;
    let then = match fast_path(&Kernel, linear, is_shorter) {
        FastPath::Foreign => return TC_ACT_UNSPEC,
        FastPath::PlainIpv4(server, service) => {
            let arrival = arrival_of_socket_buffer(context, hook);
            match known(linear, |frame| plain_ipv4(frame, 0), service, arrival) {
                Some(then) => then,
                None if is_general() => Then::General,
                None => Then::from_number(smb_plain_v4_socket_buffer(
                    context,
                    hook as u32,
                    server as u32,
                    service.0.into(),
                )),
            }
        }
        FastPath::PlainIpv6(server, service) => {
            let arrival = arrival_of_socket_buffer(context, hook);
            match known(linear, |frame| plain_ipv6(frame, 0), service, arrival) {
                Some(then) => then,
                None if is_general() => Then::General,
                None => Then::from_number(smb_plain_v6_socket_buffer(
                    context,
                    hook as u32,
                    server as u32,
                    service.0.into(),
                )),
            }
        }
        FastPath::Unsure => Then::General,
    };
    let then = match then {
        Then::General => general_socket_buffer(context, hook, smb_parse_in_socket_buffer),
        then => then,
    };
    finish_socket_buffer(context, then)
}

/// The fast path knows Ethernet frames only: every packet takes the general path.
#[inline(always)]
fn ip_socket_buffer(context: *mut __sk_buff, hook: Hook) -> i32 {
    finish_socket_buffer(context, general_socket_buffer(context, hook, smb_parse_in_ip_socket_buffer))
}

#[inline(always)]
fn finish_socket_buffer(context: *mut __sk_buff, then: Then) -> i32 {
    if then == Then::Capture {
        looks(|| smb_capture_in_socket_buffer(context), || smb_command_in_socket_buffer(context));
    }
    if logs() {
        log_socket_buffer(context, u32::from(then != Then::Pass));
    }
    // Unspecified: the next program or filter decides as if this one were not there.
    if then == Then::Drop { TC_ACT_SHOT } else { TC_ACT_UNSPEC }
}

// Not in line, as known packets are, and plain IPv4 at XDP: what a socket buffer costs by itself is more than a call.

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_plain_v4_socket_buffer(
    context: *mut __sk_buff,
    hook: u32,
    server: u32,
    service: u32,
) -> u32 {
    let (frame, arrival) = (Pieces::held(context), arrival_of_socket_buffer(context, hook_of(hook)));
    plain(frame, |frame| plain_ipv4(frame, arrival.vlan), at_port(server, service), arrival) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_plain_v6_socket_buffer(
    context: *mut __sk_buff,
    hook: u32,
    server: u32,
    service: u32,
) -> u32 {
    let (frame, arrival) = (Pieces::held(context), arrival_of_socket_buffer(context, hook_of(hook)));
    plain(frame, |frame| plain_ipv6(frame, arrival.vlan), at_port(server, service), arrival) as u32
}

#[inline(always)]
fn general_socket_buffer(
    context: *mut __sk_buff,
    hook: Hook,
    parse_in: extern "C" fn(*mut __sk_buff, u32) -> u32,
) -> Then {
    let mut outcome = parse_in(context, 0);
    if outcome == SHORT {
        // The headers are on the pages behind. What cannot be brought forward is judged by what is there.
        let socket_buffer = TcContext::new(context);
        let _ = socket_buffer.pull_data(HEADERS.min(socket_buffer.len()));
        outcome = parse_in(context, 1);
    }
    match outcome {
        PARSED => Then::accounted(smb_decide_in_socket_buffer(context, hook as u32)),
        QUIC => Then::accounted(smb_quic_in_socket_buffer(context, hook as u32)),
        _ => Then::Pass,
    }
}

/// When the linear part ends inside the headers nothing is counted, unless this is the `last` try.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_parse_in_socket_buffer(context: *mut __sk_buff, last: u32) -> u32 {
    parsed(Pieces::held(context), arrival_of_socket_buffer(context, Hook::TcIngress), last != 0) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_parse_in_ip_socket_buffer(context: *mut __sk_buff, last: u32) -> u32 {
    let arrival = Arrival { link: Link::Ip, ..arrival_of_socket_buffer(context, Hook::TcIngress) };
    parsed(Pieces::held(context), arrival, last != 0) as u32
}

/// For both: what is left to do goes by the offsets that were found.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_decide_in_socket_buffer(context: *mut __sk_buff, hook: u32) -> u32 {
    decided(Pieces::scattered(context), arrival_of_socket_buffer(context, hook_of(hook))) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_quic_in_socket_buffer(context: *mut __sk_buff, hook: u32) -> u32 {
    decided_quic(Pieces::scattered(context), arrival_of_socket_buffer(context, hook_of(hook))) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_capture_in_socket_buffer(context: *mut __sk_buff) -> u32 {
    captured(Pieces::scattered(context))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_command_in_socket_buffer(context: *mut __sk_buff) -> u32 {
    chained(Pieces::scattered(context))
}

#[inline(always)]
fn arrival_of_socket_buffer(context: *mut __sk_buff, hook: Hook) -> Arrival {
    // SAFETY: the context is valid for the length of the run.
    let skb = unsafe { &*context };
    let vlan = if skb.vlan_present != 0 { (skb.vlan_tci as u16 & 0x0FFF) | VLAN_PRESENT } else { 0 };
    Arrival { hook, ifindex: skb.ifindex, link: Link::Ethernet, frame_len: skb.len, vlan }
}

#[inline(never)]
fn log_socket_buffer(context: *mut __sk_buff, kept: u32) {
    let arrival = arrival_of_socket_buffer(context, Hook::TcIngress);
    let context = TcContext::new(context);
    debug!(&context, "ifindex {} length {} kept {}", arrival.ifindex, arrival.frame_len, kept);
}

/// The hook, from its number.
#[inline(always)]
const fn hook_of(number: u32) -> Hook {
    if number == Hook::TcEgress as u32 { Hook::TcEgress } else { Hook::TcIngress }
}
