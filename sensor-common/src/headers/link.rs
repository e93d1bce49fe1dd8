//! From the first byte of a frame to IP: Ethernet, VLAN tags, PPPoE sessions and MPLS labels, or IP at once.

use super::NoPorts;
use crate::bytes::Bytes;

/// VLAN tags walked (IEEE 802.1ad: a service and a customer tag).
pub const MAX_VLAN_TAGS: usize = 2;

/// MPLS labels walked (RFC 3032 2.1).
pub const MAX_MPLS_LABELS: usize = 4;

/// What the frames of an interface begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// The IP header: a tunnel or point-to-point interface.
    Ip,
}

impl Link {
    /// Bytes before the IP header of a plain packet.
    #[inline(always)]
    #[must_use]
    pub const fn header_len(self) -> u32 {
        match self {
            Self::Ethernet => ETHERNET_LEN as u32,
            Self::Ip => 0,
        }
    }
}

/// Set in [`Ports::vlan`] when there was a tag, so that VLAN 0 differs from none.
pub const VLAN_PRESENT: u16 = 1 << 15;

const ETHERNET_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;
const PPPOE_LEN: usize = 8;
const MPLS_LABEL_LEN: usize = 4;

/// Bit of a label that is the last of its stack (RFC 3032 2.1).
const BOTTOM_OF_STACK: u32 = (1u32 << 8).to_be();

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800u16.to_be();
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86DDu16.to_be();
const ETHERTYPE_VLAN: u16 = 0x8100u16.to_be();
const ETHERTYPE_QINQ: u16 = 0x88A8u16.to_be();
const ETHERTYPE_QINQ_OLD: u16 = 0x9100u16.to_be();
const ETHERTYPE_PPPOE: u16 = 0x8864u16.to_be();
pub(crate) const ETHERTYPE_MPLS: u16 = 0x8847u16.to_be();
const ETHERTYPE_MPLS_UPSTREAM: u16 = 0x8848u16.to_be();
const PPP_IPV4: u16 = 0x0021u16.to_be();
const PPP_IPV6: u16 = 0x0057u16.to_be();
/// The same in one byte, with protocol field compression (RFC 1661 6.5).
const PPP_IPV4_COMPRESSED: u8 = 0x21;
const PPP_IPV6_COMPRESSED: u8 = 0x57;

/// Walks the link layer from an Ethernet header at `at`: (ethertype of IP, offset of IP, outer VLAN).
#[inline(always)]
pub(crate) fn ethernet<B: Bytes + Copy>(
    frame: B,
    at: usize,
    vlan: u16,
) -> Result<(u16, usize, u16), NoPorts> {
    let ethertype: u16 = frame.load(at + 12).ok_or(NoPorts::Short)?;
    let at = at + ETHERNET_LEN;
    if ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6 {
        return Ok((ethertype, at, vlan));
    }
    deeper_link(frame, ethertype, at, vlan)
}

/// The header between Ethernet and IP, if there is one.
#[inline(always)]
fn deeper_link<B: Bytes + Copy>(
    frame: B,
    ethertype: u16,
    at: usize,
    vlan: u16,
) -> Result<(u16, usize, u16), NoPorts> {
    let (mut ethertype, mut at, mut vlan) = (ethertype, at, vlan);
    for _ in 0..MAX_VLAN_TAGS {
        if ethertype != ETHERTYPE_VLAN && ethertype != ETHERTYPE_QINQ && ethertype != ETHERTYPE_QINQ_OLD {
            break;
        }
        let [tag, inner]: [u16; 2] = frame.load(at).ok_or(NoPorts::Short)?;
        if vlan == 0 {
            vlan = (u16::from_be(tag) & 0x0FFF) | VLAN_PRESENT;
        }
        ethertype = inner;
        at += VLAN_TAG_LEN;
    }
    match ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok((ethertype, frame.forget(at), vlan)),
        ETHERTYPE_PPPOE => {
            // RFC 2516 4: version, type, code, session and length are six bytes; then the PPP protocol.
            let protocol: u16 = frame.load(at + 6).ok_or(NoPorts::Short)?;
            let (ethertype, len) = match (protocol, protocol.to_ne_bytes()[0]) {
                (PPP_IPV4, _) => (ETHERTYPE_IPV4, PPPOE_LEN),
                (PPP_IPV6, _) => (ETHERTYPE_IPV6, PPPOE_LEN),
                (_, PPP_IPV4_COMPRESSED) => (ETHERTYPE_IPV4, PPPOE_LEN - 1),
                (_, PPP_IPV6_COMPRESSED) => (ETHERTYPE_IPV6, PPPOE_LEN - 1),
                _ => return Err(NoPorts::Foreign),
            };
            Ok((ethertype, frame.forget(at + len), vlan))
        }
        ETHERTYPE_MPLS | ETHERTYPE_MPLS_UPSTREAM => {
            let (ethertype, at) = labelled(frame, at)?;
            Ok((ethertype, at, vlan))
        }
        ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD => Err(NoPorts::UnknownLink),
        _ => Err(NoPorts::Foreign),
    }
}

/// Walks the MPLS labels at `at` to the IP packet behind them: (its ethertype, its offset).
#[inline(always)]
pub(crate) fn labelled<B: Bytes + Copy>(frame: B, at: usize) -> Result<(u16, usize), NoPorts> {
    let mut at = at;
    let mut bottom = false;
    for _ in 0..MAX_MPLS_LABELS {
        let label: u32 = frame.load(at).ok_or(NoPorts::Short)?;
        at += MPLS_LABEL_LEN;
        bottom = label & BOTTOM_OF_STACK != 0;
        if bottom {
            break;
        }
    }
    if bottom { by_version(frame, frame.forget(at)) } else { Err(NoPorts::UnknownLink) }
}

/// An IP packet at `at` of which nothing but its own version says what it is: (its ethertype, its offset).
#[inline(always)]
pub(crate) fn by_version<B: Bytes + Copy>(frame: B, at: usize) -> Result<(u16, usize), NoPorts> {
    // Two bytes, because the verifier does not follow the bounds check of one.
    let [version, _]: [u8; 2] = frame.load(at).ok_or(NoPorts::Short)?;
    match version >> 4 {
        4 => Ok((ETHERTYPE_IPV4, at)),
        6 => Ok((ETHERTYPE_IPV6, at)),
        _ => Err(NoPorts::UnknownLink),
    }
}
