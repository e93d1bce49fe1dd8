//! The first header of an interface's frames, by its hardware type (include/uapi/linux/if_arp.h).

use sensor_common::headers::Link;

const ETHERNET: u16 = 1;
const PPP: u16 = 512;
const RAW_IP: u16 = 519;
const IP_IN_IP: u16 = 768;
const IP_IN_IPV6: u16 = 769;
const LOOPBACK: u16 = 772;
const IPV6_IN_IPV4: u16 = 776;
const GRE: u16 = 778;
const GRE_IN_IPV6: u16 = 823;
/// tun, WireGuard, XFRM.
const NONE: u16 = 0xFFFE;

/// Types that the sensor cannot read, as a person calls them.
const UNREAD: [(u16, &str); 16] = [
    (24, "IEEE 1394"),
    (32, "InfiniBand"),
    (256, "SLIP"),
    (280, "CAN"),
    (290, "MCTP"),
    (513, "Cisco HDLC"),
    (516, "LAPB"),
    (518, "raw HDLC"),
    (770, "Frame Relay"),
    (801, "IEEE 802.11"),
    (802, "IEEE 802.11 monitor"),
    (803, "IEEE 802.11 monitor"),
    (804, "IEEE 802.15.4"),
    (820, "Phonet"),
    (824, "netlink monitor"),
    (825, "6LoWPAN"),
];

/// What the frames of this hardware type begin with, if the sensor reads them.
pub(super) const fn link_of(hardware_type: u16) -> Option<Link> {
    match hardware_type {
        ETHERNET | LOOPBACK => Some(Link::Ethernet),
        PPP | RAW_IP | NONE | IP_IN_IP | IP_IN_IPV6 | IPV6_IN_IPV4 | GRE | GRE_IN_IPV6 => Some(Link::Ip),
        _ => None,
    }
}

/// Whether it is one of the kernel's IP tunnels. Before Linux 5.14 they hand packets to TC with the outer headers in front.
pub(super) const fn is_ip_tunnel(hardware_type: u16) -> bool {
    matches!(hardware_type, IP_IN_IP | IP_IN_IPV6 | IPV6_IN_IPV4 | GRE | GRE_IN_IPV6)
}

/// The name of a type that the sensor cannot read.
pub(super) fn name_of(hardware_type: u16) -> &'static str {
    UNREAD.iter().find(|(number, _)| *number == hardware_type).map_or("an unknown type", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_point_to_point_interfaces_begin_with_the_ip_header() {
        // PPP, RAWIP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE, NONE.
        let types = [
            (512, false),
            (519, false),
            (768, true),
            (769, true),
            (776, true),
            (778, true),
            (823, true),
            (0xFFFE, false),
        ];
        for (number, is_tunnel) in types {
            assert_eq!((link_of(number), is_ip_tunnel(number)), (Some(Link::Ip), is_tunnel), "{number}");
        }
        for ethernet in [1, 772] {
            assert_eq!((link_of(ethernet), is_ip_tunnel(ethernet)), (Some(Link::Ethernet), false));
        }
    }

    #[test]
    fn type_is_either_read_or_refused_by_name() {
        assert_eq!(link_of(libc::ARPHRD_ETHER), Some(Link::Ethernet));
        for point_to_point in [libc::ARPHRD_PPP, libc::ARPHRD_NONE, libc::ARPHRD_TUNNEL, libc::ARPHRD_SIT] {
            assert_eq!(link_of(point_to_point), Some(Link::Ip));
        }
        for (number, name) in UNREAD {
            assert_eq!(link_of(number), None, "{name}");
            assert_eq!(name_of(number), name.to_owned());
        }
        assert_eq!((link_of(9_999), name_of(9_999)), (None, "an unknown type"));
    }
}
