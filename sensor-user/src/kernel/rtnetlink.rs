//! Queries to the kernel about interfaces, by rtnetlink (RFC 3549). Reads only; changes nothing.

use std::{io, os::fd::AsRawFd as _};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

/// Bytes of a message's header, and of the fixed part of RTM_GETLINK and its answer (`struct ifinfomsg`).
const HEADER_LEN: usize = 16;
const LINK_LEN: usize = 16;
/// The same of RTM_GETTFILTER (`struct tcmsg`).
const FILTER_LEN: usize = 20;
/// The same of RTM_GETROUTE (`struct rtmsg`), and of one way of several (`struct rtnexthop`).
const ROUTE_LEN: usize = 12;
const NEXT_HOP_LEN: usize = 8;
/// Bytes of an attribute's header.
const ATTRIBUTE_LEN: usize = 4;

/// Message types (include/uapi/linux/netlink.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Flags of a message: it is a request; it asks for all there are; it is one of several answers.
const REQUEST: u16 = 1;
pub(super) const DUMP: u16 = 0x300;
const MULTI: u16 = 2;

/// Bits of an attribute's type that are no part of its number.
const ATTRIBUTE_FLAGS: u16 = 0xC000;

/// Attributes of the programs at XDP (include/uapi/linux/if_link.h): the one there is, then by mode.
const XDP_PROGRAMS: [u16; 4] = [4, 5, 6, 7];

/// Attributes of a GRE interface (include/uapi/linux/if_tunnel.h).
const GRE_REMOTE: u16 = 7;
const GRE_COLLECT_METADATA: u16 = 18;

/// Identifier of a filter's program, among its options (include/uapi/linux/pkt_cls.h).
const BPF_ID: u16 = 11;

/// Parents of the filters of a clsact discipline (include/uapi/linux/pkt_sched.h).
pub(super) const CLSACT_INGRESS: u32 = 0xFFFF_FFF2;
pub(super) const CLSACT_EGRESS: u32 = 0xFFFF_FFF3;

/// Longest answer that the kernel sends at once.
const MAX_ANSWER: usize = 64 << 10;

/// What the kernel says of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkInfo {
    /// Hardware type (include/uapi/linux/if_arp.h).
    pub(super) hardware_type: u16,
    /// Program at XDP, by its identifier.
    pub(super) xdp_program: Option<u32>,
    /// It is a GRE tunnel that has no remote address of its own.
    pub(super) gre_without_remote: bool,
}

impl LinkInfo {
    /// Asks about the interface with this index.
    ///
    /// # Errors
    /// As the kernel says.
    pub(super) fn of(index: u32) -> io::Result<Self> {
        let mut request = [0; LINK_LEN];
        request[4..8].copy_from_slice(&index.to_ne_bytes());
        let answers = ask(libc::RTM_GETLINK, 0, &request)?;
        let answer = answers.first().ok_or(io::ErrorKind::UnexpectedEof)?;
        Self::read(answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn read(answer: &[u8]) -> Option<Self> {
        let hardware_type = u16::from_ne_bytes(answer.get(2..4)?.try_into().ok()?);
        let mut info = Self { hardware_type, ..Self::default() };
        for (kind, value) in attributes(answer.get(LINK_LEN..)?) {
            match kind {
                libc::IFLA_XDP => info.xdp_program = xdp_program(value),
                libc::IFLA_LINKINFO => info.gre_without_remote = is_gre_without_remote(value),
                _ => {}
            }
        }
        Some(info)
    }
}

/// A filter with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// Its program, by its identifier.
    pub(super) program: u32,
    /// Its priority.
    pub(super) priority: u16,
    /// Its handle.
    pub(super) handle: u32,
}

/// The filters with programs of an interface below `parent`.
///
/// # Errors
/// As the kernel says; also when there is no such discipline.
pub(super) fn filters(index: u32, parent: u32) -> io::Result<Vec<Filter>> {
    let mut request = [0; FILTER_LEN];
    request[4..8].copy_from_slice(&index.to_ne_bytes());
    request[12..16].copy_from_slice(&parent.to_ne_bytes());
    let answers = ask(libc::RTM_GETTFILTER, DUMP, &request)?;
    Ok(answers.iter().filter_map(|answer| filter(answer)).collect())
}

fn filter(answer: &[u8]) -> Option<Filter> {
    let word = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    let options = attributes(answer.get(FILTER_LEN..)?).find(|(kind, _)| *kind == libc::TCA_OPTIONS)?.1;
    let id = attributes(options).find(|(kind, _)| *kind == BPF_ID)?.1;
    let program = u32::from_ne_bytes(id.try_into().ok()?);
    Some(Filter { program, priority: (word(16)? >> 16) as u16, handle: word(8)? })
}

/// Indexes of the interfaces that a default route goes through.
///
/// # Errors
/// As the kernel says.
pub(crate) fn default_route_interfaces() -> io::Result<Vec<u32>> {
    let mut interfaces = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut request = [0; ROUTE_LEN];
        request[0] = family as u8;
        for answer in ask(libc::RTM_GETROUTE, DUMP, &request)? {
            interfaces.extend(default_route(&answer));
        }
    }
    interfaces.sort_unstable();
    interfaces.dedup();
    Ok(interfaces)
}

/// The interfaces of a route, if it is a default one that packets leave by.
fn default_route(answer: &[u8]) -> Vec<u32> {
    let mut interfaces = Vec::new();
    let (Some([_, 0, _, _, _, _, _, libc::RTN_UNICAST, ..]), Some(rest)) =
        (answer.get(..ROUTE_LEN), answer.get(ROUTE_LEN..))
    else {
        return interfaces;
    };
    let index = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?));
    for (kind, value) in attributes(rest) {
        match kind {
            libc::RTA_OIF => interfaces.extend(index(value)),
            libc::RTA_MULTIPATH => {
                let mut hops = value;
                while let [a, b, _, _, interface @ ..] = hops
                    && let Some(interface) = index(interface)
                {
                    interfaces.push(interface);
                    let length = usize::from(u16::from_ne_bytes([*a, *b])).max(NEXT_HOP_LEN);
                    hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    interfaces
}

fn xdp_program(xdp: &[u8]) -> Option<u32> {
    attributes(xdp)
        .filter(|(kind, _)| XDP_PROGRAMS.contains(kind))
        .find_map(|(_, value)| Some(u32::from_ne_bytes(value.try_into().ok()?)).filter(|id| *id != 0))
}

fn is_gre_without_remote(info: &[u8]) -> bool {
    let find = |wanted| attributes(info).find_map(|(kind, value)| (kind == wanted).then_some(value));
    let is_gre = matches!(find(libc::IFLA_INFO_KIND), Some(b"gre\0" | b"ip6gre\0"));
    let data = || find(libc::IFLA_INFO_DATA).map(attributes).into_iter().flatten();
    let has_remote = || {
        data().any(|(kind, value)| {
            kind == GRE_COLLECT_METADATA || kind == GRE_REMOTE && value.iter().any(|byte| *byte != 0)
        })
    };
    is_gre && !has_remote()
}

/// Sends a request; gives what is behind the headers of the answers.
pub(super) fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(2, 0))?;
    let mut request = ((HEADER_LEN + body.len()) as u32).to_ne_bytes().to_vec();
    request.extend([kind.to_ne_bytes(), (REQUEST | flags).to_ne_bytes()].as_flattened());
    // Sequence number and sender: there is one question on this socket.
    request.extend([0; 8]);
    request.extend(body);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answers = Vec::new();
    let mut buffer = vec![0; MAX_ANSWER];
    loop {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if take(&buffer[..length], &mut answers)? {
            return Ok(answers);
        }
    }
}

/// Takes the messages of a datagram; gives whether they were the last.
fn take(datagram: &[u8], answers: &mut Vec<Vec<u8>>) -> io::Result<bool> {
    let mut rest = datagram;
    let mut ended = true;
    while let Some((length, kind, flags)) = header(rest) {
        let body = rest.get(HEADER_LEN..length).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let code = body.get(..4).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
                return if code == 0 { Ok(true) } else { Err(io::Error::from_raw_os_error(-code)) };
            }
            _ => answers.push(body.to_vec()),
        }
        ended = flags & MULTI == 0;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(ended)
}

/// Length of the first message, its type and its flags.
fn header(messages: &[u8]) -> Option<(usize, u16, u16)> {
    let [a, b, c, d, e, f, g, h, ..] = *messages else { return None };
    let length = u32::from_ne_bytes([a, b, c, d]) as usize;
    (length >= HEADER_LEN).then(|| (length, u16::from_ne_bytes([e, f]), u16::from_ne_bytes([g, h])))
}

/// Attributes: the number of each, and its value.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [a, b, c, d, ..] = *rest else { return None };
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        let value = rest.get(ATTRIBUTE_LEN..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & !ATTRIBUTE_FLAGS, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((ATTRIBUTE_LEN + value.len()) as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn loopback_is_of_the_loopback_type_and_nothing_missing_is() {
        let index = nix::net::if_::if_nametoindex("lo").unwrap();
        assert_eq!(LinkInfo::of(index).unwrap().hardware_type, 772);
        assert_eq!(LinkInfo::of(4_000_000).err().unwrap().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn reads_the_xdp_program_in_any_mode() {
        let xdp = |attributes: &[Vec<u8>]| {
            let mut answer = vec![0; LINK_LEN];
            answer[2..4].copy_from_slice(&1_u16.to_ne_bytes());
            answer.extend(attribute(3, b"eth0\0"));
            answer.extend(attribute(libc::IFLA_XDP | 0x8000, &attributes.concat()));
            LinkInfo::read(&answer).unwrap().xdp_program
        };
        let attached = attribute(2, &[1]);
        assert_eq!(xdp(&[attached.clone(), attribute(4, &7_u32.to_ne_bytes())]), Some(7));
        assert_eq!(xdp(&[attached.clone(), attribute(6, &8_u32.to_ne_bytes())]), Some(8));
        assert_eq!(xdp(&[attached, attribute(4, &[0; 4])]), None);
    }

    #[test]
    fn gre_without_a_remote_address_is_recognised() {
        let info = |kind: &[u8], data: &[Vec<u8>]| {
            is_gre_without_remote(&[attribute(1, kind), attribute(2, &data.concat())].concat())
        };
        // IFLA_GRE_REMOTE and IFLA_GRE_COLLECT_METADATA.
        let remote = |address: [u8; 4]| attribute(7, &address);
        assert!(info(b"gre\0", &[remote([0; 4])]) && info(b"ip6gre\0", &[]));
        assert!(!info(b"gre\0", &[remote([9, 9, 9, 9])]));
        assert!(!info(b"gre\0", &[remote([0; 4]), attribute(18, &[])]));
        assert!(!info(b"gretap\0", &[remote([0; 4])]) && !info(b"vxlan\0", &[]));
    }

    #[test]
    fn reads_the_program_and_the_place_of_a_filter() {
        let options = [attribute(7, b"smb_tc_in\0"), attribute(11, &77_u32.to_ne_bytes())].concat();
        let mut answer = vec![0; FILTER_LEN];
        answer[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        answer[16..20].copy_from_slice(&0xC000_0003_u32.to_ne_bytes());
        answer.extend(attribute(libc::TCA_KIND, b"bpf\0"));
        assert_eq!(filter(&answer), None);
        answer.extend(attribute(libc::TCA_OPTIONS, &options));
        assert_eq!(filter(&answer), Some(Filter { program: 77, priority: 0xC000, handle: 1 }));
    }

    #[test]
    fn default_route_names_its_interfaces() {
        let route = |length: u8, kind: u8, attributes: &[Vec<u8>]| {
            let mut answer = vec![2, length, 0, 0, 254, 3, 0, kind, 0, 0, 0, 0];
            answer.extend(attributes.concat());
            default_route(&answer)
        };
        let out = attribute(libc::RTA_OIF, &3_u32.to_ne_bytes());
        assert_eq!(route(0, 1, std::slice::from_ref(&out)), [3]);
        assert_eq!(route(24, 1, std::slice::from_ref(&out)), [0; 0]);
        assert_eq!(route(0, 7, &[out]), [0; 0], "an unreachable route leads nowhere");
        let hop = |index: u32| {
            let gateway = attribute(libc::RTA_GATEWAY, &[10, 0, 0, 1]);
            let mut hop = ((NEXT_HOP_LEN + gateway.len()) as u16).to_ne_bytes().to_vec();
            hop.extend([0, 0]);
            hop.extend(index.to_ne_bytes());
            [hop, gateway].concat()
        };
        let ways = attribute(libc::RTA_MULTIPATH, &[hop(4), hop(5)].concat());
        assert_eq!(route(0, 1, std::slice::from_ref(&ways)), [4, 5]);
        assert_eq!(default_route(&ways[..7]), [0; 0]);
    }

    #[test]
    fn damaged_answer_ends_the_attributes() {
        let whole = [attribute(1, b"abc"), attribute(2, b"defgh")].concat();
        for cut in 0..whole.len() {
            let found = attributes(&whole[..cut]).count();
            assert!(found <= 1 || cut >= 17, "{found} attributes of {cut} bytes");
        }
        assert_eq!(attributes(&[3, 0, 1, 0, 9, 9]).count(), 0, "shorter than its own header");
    }
}
