//! Entry points: what differs between XDP and TC, and nothing else.
//!
//! The parts of the work are global functions (Linux 5.6): the verifier checks each of them once and by itself, whatever
//! ways lead to it. Their arguments and results are numbers, and each is used: the compiler passes no value for one
//! that is not, and the verifier refuses that.

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action, xdp_md},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::debug;
use sensor_common::{
    bytes::Bytes,
    classify::Server,
    fast_path::{FastPath, fast_path, plain_ipv4, plain_ipv6},
    headers::{Link, NoPorts, Ports, VLAN_PRESENT},
    path::{
        Arrival, Environment as _, MAX_LOOKS, Verdict, account, capture, count_unparsed, decide, parse,
        process_plain,
    },
    settings::{PortKind, feature},
    slot::Hook,
};

use crate::{
    frame::{Context, Linear, Pieces, Reloaded},
    kernel::Kernel,
    scratch::{keep_found, keep_unaccounted, kept_ends, kept_found, kept_unaccounted},
};

/// Frames coming in, before the stack sees them.
#[xdp]
pub(crate) fn smb_xdp_in(context: XdpContext) -> u32 {
    incoming(
        context.ctx,
        Context::linear,
        Steps { plain_v6: smb_plain_v6_in, find: smb_find_in, watch: smb_watch_in, capture: smb_capture_in },
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
            find: smb_find_in_scattered,
            watch: smb_watch_in_scattered,
            capture: smb_capture_in_scattered,
        },
    )
}

/// What a first look at a packet came to.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Find {
    /// It may be ours; what was found of it is kept.
    Found,
    /// It is none of ours.
    Done,
    /// It ends inside its headers.
    Short,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Then {
    /// Nothing: it goes on.
    Pass,
    /// It goes on, and was watched.
    Watched,
    /// It goes on, and its payload may be evidence.
    Capture,
    /// It is dropped.
    Drop,
    /// It is to be accounted.
    Account,
}

const FOUND: u32 = Find::Found as u32;
const SHORT: u32 = Find::Short as u32;

/// The hook, from its number.
#[inline(always)]
const fn hook_of(number: u32) -> Hook {
    if number == Hook::TcEgress as u32 { Hook::TcEgress } else { Hook::TcIngress }
}

/// The end that is the server, and its service, from numbers.
#[inline(always)]
const fn at_port(server: u32, service: u32) -> (Server, PortKind) {
    let server = if server == Server::Source as u32 { Server::Source } else { Server::Destination };
    (server, PortKind(service as u8))
}

impl Then {
    #[inline(always)]
    const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Watched,
            2 => Self::Capture,
            3 => Self::Drop,
            4 => Self::Account,
            _ => Self::Pass,
        }
    }

    /// From a number; a packet that is to be accounted is accounted.
    #[inline(always)]
    fn accounted(number: u32) -> Self {
        Self::from_number(if number == Self::Account as u32 { smb_account() } else { number })
    }

    #[inline(always)]
    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Dropped => Self::Drop,
            Verdict::Evident => Self::Capture,
            Verdict::Kept => Self::Watched,
            _ => Self::Pass,
        }
    }
}

/// What is done out of line with a frame.
struct Steps {
    plain_v6: extern "C" fn(*mut xdp_md, u32, u32) -> u32,
    find: extern "C" fn(*mut xdp_md) -> u32,
    watch: extern "C" fn(*mut xdp_md) -> u32,
    capture: extern "C" fn(*mut xdp_md) -> u32,
}

/// A packet takes the fast path first; if it is plain IPv4 it is processed in line, for a call would cost as much as all of the parsing.
/// Any other is found, watched and accounted, in steps of which each has the stack to itself.
#[inline(always)]
fn incoming<B: Bytes + Copy>(context: *mut xdp_md, frame: fn(*mut xdp_md) -> B, steps: Steps) -> u32 {
    let linear: Linear = context.linear();
    let then = match fast_path(&Kernel, linear, |length| linear.is_shorter(length)) {
        FastPath::Foreign => return xdp_action::XDP_PASS,
        FastPath::PlainIpv4(server, service) if !is_short() => {
            let frame = frame(context);
            plain(frame, |frame| plain_ipv4(frame, 0), (server, service), arrival_of(context))
        }
        FastPath::PlainIpv6(server, service) if !is_short() => {
            Then::from_number((steps.plain_v6)(context, server as u32, service.0.into()))
        }
        _ => match (steps.find)(context) {
            FOUND => Then::accounted((steps.watch)(context)),
            _ => Then::Pass,
        },
    };
    if then == Then::Capture {
        looks(|| (steps.capture)(context));
    }
    if logs() {
        log_frame(context, u32::from(then != Then::Pass));
    }
    if then == Then::Drop { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
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
extern "C" fn smb_find_in(context: *mut xdp_md) -> u32 {
    found(context.linear(), arrival_of(context), true) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_watch_in(context: *mut xdp_md) -> u32 {
    watched(Reloaded(context), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_find_in_scattered(context: *mut xdp_md) -> u32 {
    found(Pieces::held(context), arrival_of(context), true) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_watch_in_scattered(context: *mut xdp_md) -> u32 {
    watched(Pieces::scattered(context), arrival_of(context)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_capture_in(context: *mut xdp_md) -> u32 {
    captured(Reloaded(context))
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

/// Attached to nothing: the agent runs it by hand to read the clock that slots are stamped with.
#[xdp]
pub(crate) fn smb_clock(_context: XdpContext) -> u32 {
    Kernel.now()
}

#[inline(always)]
fn socket_buffer(context: *mut __sk_buff, hook: Hook) -> i32 {
    // SAFETY: the context is valid for the length of the run.
    let then =
        match fast_path(&Kernel, context.linear(), |length| unsafe { (*context).len } < length) {
            FastPath::Foreign => return TC_ACT_UNSPEC,
            FastPath::PlainIpv4(server, service) if !is_short() => Then::from_number(
                smb_plain_v4_socket_buffer(context, hook as u32, server as u32, service.0.into()),
            ),
            FastPath::PlainIpv6(server, service) if !is_short() => Then::from_number(
                smb_plain_v6_socket_buffer(context, hook as u32, server as u32, service.0.into()),
            ),
            _ => general_socket_buffer(context, hook, smb_find_in_socket_buffer),
        };
    finish_socket_buffer(context, then)
}

/// The fast path knows Ethernet frames only: every packet takes the general path.
#[inline(always)]
fn ip_socket_buffer(context: *mut __sk_buff, hook: Hook) -> i32 {
    finish_socket_buffer(context, general_socket_buffer(context, hook, smb_find_in_ip_socket_buffer))
}

#[inline(always)]
fn finish_socket_buffer(context: *mut __sk_buff, then: Then) -> i32 {
    if then == Then::Capture {
        looks(|| smb_capture_in_socket_buffer(context));
    }
    if logs() {
        log_socket_buffer(context, u32::from(then != Then::Pass));
    }
    // Unspecified: the next program or filter decides as if this one were not there.
    if then == Then::Drop { TC_ACT_SHOT } else { TC_ACT_UNSPEC }
}

// Not in line, as at XDP: what a socket buffer costs by itself is more than a call.

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
    find_in: extern "C" fn(*mut __sk_buff, u32) -> u32,
) -> Then {
    let mut find = find_in(context, 0);
    if find == SHORT {
        // The headers are on the pages behind. What cannot be brought forward is judged by what is there.
        let socket_buffer = TcContext::new(context);
        let _ = socket_buffer.pull_data(HEADERS.min(socket_buffer.len()));
        find = find_in(context, 1);
    }
    match find {
        FOUND => Then::accounted(smb_watch_in_socket_buffer(context, hook as u32)),
        _ => Then::Pass,
    }
}

/// When the linear part ends inside the headers nothing is counted, unless this is the `last` try.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_find_in_socket_buffer(context: *mut __sk_buff, last: u32) -> u32 {
    found(Pieces::held(context), arrival_of_socket_buffer(context, Hook::TcIngress), last != 0) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_find_in_ip_socket_buffer(context: *mut __sk_buff, last: u32) -> u32 {
    let arrival = Arrival { link: Link::Ip, ..arrival_of_socket_buffer(context, Hook::TcIngress) };
    found(Pieces::held(context), arrival, last != 0) as u32
}

/// For both: what is left to do goes by the offsets that were found.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_watch_in_socket_buffer(context: *mut __sk_buff, hook: u32) -> u32 {
    watched(Pieces::scattered(context), arrival_of_socket_buffer(context, hook_of(hook))) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_capture_in_socket_buffer(context: *mut __sk_buff) -> u32 {
    captured(Pieces::scattered(context))
}

#[inline(always)]
fn arrival_of_socket_buffer(context: *mut __sk_buff, hook: Hook) -> Arrival {
    // SAFETY: the context is valid for the length of the run.
    let skb = unsafe { &*context };
    let vlan = if skb.vlan_present != 0 { (skb.vlan_tci as u16 & 0x0FFF) | VLAN_PRESENT } else { 0 };
    Arrival { hook, ifindex: skb.ifindex, link: Link::Ethernet, frame_len: skb.len, vlan }
}

/// A packet that is plain. Every packet takes the general path where there is no other: the verifier checks a global function
/// even if nothing calls it.
#[inline(always)]
fn plain<B: Bytes + Copy>(
    frame: B,
    ports: impl FnOnce(B) -> Option<Ports>,
    service: (Server, PortKind),
    arrival: Arrival,
) -> Then {
    if is_short() {
        return Then::Pass;
    }
    match ports(frame) {
        Some(ports) => Then::of(process_plain(&mut Kernel, frame, &ports, service, arrival)),
        None => Then::Pass,
    }
}

/// Looks for the ports of a packet. One that may be ours is kept for the second step. What is too short counts as that only
/// if this is the `last` try.
#[inline(always)]
fn found<B: Bytes + Copy>(frame: B, arrival: Arrival, last: bool) -> Find {
    match parse(&Kernel, frame, arrival) {
        Ok(found) => {
            keep_found(found);
            Find::Found
        }
        Err(Verdict::Unparsed(NoPorts::Short)) if !last => Find::Short,
        Err(verdict) => {
            count_unparsed(&mut Kernel, verdict);
            Find::Done
        }
    }
}

#[inline(always)]
fn watched<B: Bytes + Copy>(frame: B, arrival: Arrival) -> Then {
    let Some(found) = kept_found() else { return Then::Pass };
    match decide(&mut Kernel, frame, found, &arrival) {
        Ok((packet, _)) => {
            keep_unaccounted(packet);
            Then::Account
        }
        Err(verdict) => Then::of(verdict),
    }
}

/// Accounts the packet that was watched last.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn smb_account() -> u32 {
    match (kept_unaccounted(), kept_ends()) {
        (Some(packet), Some(ends)) => Then::of(account(&mut Kernel, packet, ends)) as u32,
        _ => Then::Pass as u32,
    }
}

/// Looks at the messages of a packet, one after the other.
#[inline(always)]
fn looks(look: impl Fn() -> u32) {
    for _ in 0..MAX_LOOKS {
        if look() == 0 {
            return;
        }
    }
}

/// Looks at one message of a packet; says whether another one is to be looked at.
#[inline(always)]
fn captured<B: Bytes + Copy>(frame: B) -> u32 {
    u32::from(capture(&mut Kernel, frame))
}

/// Whether only those ways of a packet are to be there that cannot be done without ([`feature::SHORT`]).
#[inline(always)]
fn is_short() -> bool {
    Kernel.features() & feature::SHORT != 0
}

/// Whether watched packets are logged.
#[inline(always)]
fn logs() -> bool {
    Kernel.features() & feature::LOG != 0
}

#[inline(never)]
fn log_frame(context: *mut xdp_md, kept: u32) {
    let arrival = arrival_of(context);
    let context = XdpContext::new(context);
    debug!(&context, "ifindex {} length {} kept {}", arrival.ifindex, arrival.frame_len, kept);
}

#[inline(never)]
fn log_socket_buffer(context: *mut __sk_buff, kept: u32) {
    let arrival = arrival_of_socket_buffer(context, Hook::TcIngress);
    let context = TcContext::new(context);
    debug!(&context, "ifindex {} length {} kept {}", arrival.ifindex, arrival.frame_len, kept);
}
