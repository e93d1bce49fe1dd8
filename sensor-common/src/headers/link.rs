//! From Ethernet to IP: VLAN tags and PPPoE sessions.

use super::NoPorts;
use crate::bytes::Bytes;

/// VLAN tags walked (IEEE 802.1ad: a service and a customer tag).
pub const MAX_VLAN_TAGS: usize = 2;

/// Set in [`Ports::vlan`] when there was a tag, so that VLAN 0 differs from none.
pub const VLAN_PRESENT: u16 = 1 << 15;

const ETHERNET_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;
const PPPOE_LEN: usize = 8;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800u16.to_be();
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86DDu16.to_be();
const ETHERTYPE_VLAN: u16 = 0x8100u16.to_be();
const ETHERTYPE_QINQ: u16 = 0x88A8u16.to_be();
const ETHERTYPE_QINQ_OLD: u16 = 0x9100u16.to_be();
const ETHERTYPE_PPPOE: u16 = 0x8864u16.to_be();
const ETHERTYPE_MPLS: u16 = 0x8847u16.to_be();
const ETHERTYPE_MPLS_UPSTREAM: u16 = 0x8848u16.to_be();
const PPP_IPV4: u16 = 0x0021u16.to_be();
const PPP_IPV6: u16 = 0x0057u16.to_be();

/// Walks the link layer from an Ethernet header at `at`: (ethertype of IP, offset of IP, outer VLAN).
#[inline(always)]
pub(crate) fn link<B: Bytes + Copy>(frame: B, at: usize, vlan: u16) -> Result<(u16, usize, u16), NoPorts> {
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
            match protocol {
                PPP_IPV4 => Ok((ETHERTYPE_IPV4, frame.forget(at + PPPOE_LEN), vlan)),
                PPP_IPV6 => Ok((ETHERTYPE_IPV6, frame.forget(at + PPPOE_LEN), vlan)),
                _ => Err(NoPorts::Foreign),
            }
        }
        ETHERTYPE_MPLS | ETHERTYPE_MPLS_UPSTREAM | ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD => {
            Err(NoPorts::UnknownLink)
        }
        _ => Err(NoPorts::Foreign),
    }
}
