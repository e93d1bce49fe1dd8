//! One level of tunnel: finds the packet inside.
//!
//! Takes an outer IP packet. Gives the ethertype and offset of the inner one, or nothing if it is no tunnel. Used only if
//! tunnels are watched.

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Network, NoPorts, link};
use crate::{bytes::Bytes, slot::UDP};

/// IP protocol numbers (IANA): IPv4 and IPv6 encapsulation, Generic Routing Encapsulation.
const IPIP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;

/// UDP ports (IANA) of VXLAN (RFC 7348) and GENEVE (RFC 8926).
const VXLAN: u16 = 4789u16.to_be();
const GENEVE: u16 = 6081u16.to_be();

/// Ethertype of Ethernet inside GRE or GENEVE (RFC 1701, RFC 8926 3.4).
const ETHERNET_BRIDGING: u16 = 0x6558u16.to_be();

const UDP_LEN: usize = 8;

/// The inner packet of `outer`: (its ethertype, its offset).
///
/// # Errors
/// [`NoPorts`] if it is a tunnel whose inner packet cannot be reached.
#[inline(always)]
pub(crate) fn inside<B: Bytes + Copy>(frame: B, outer: &Network) -> Result<Option<(u16, usize)>, NoPorts> {
    let at = outer.transport_at;
    match outer.protocol {
        IPIP => Ok(Some((ETHERTYPE_IPV4, at))),
        IPV6_IN_IP => Ok(Some((ETHERTYPE_IPV6, at))),
        GRE => gre(frame, at),
        UDP => {
            let Some(destination) = frame.load::<u16>(at + 2) else { return Ok(None) };
            match destination {
                // RFC 7348 5: eight bytes, then Ethernet.
                VXLAN => ethernet(frame, at + UDP_LEN + 8),
                GENEVE => geneve(frame, at + UDP_LEN),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// RFC 2784 2.1 and RFC 2890 2: optional checksum, key and sequence number, four bytes each.
#[inline(always)]
fn gre<B: Bytes + Copy>(frame: B, at: usize) -> Result<Option<(u16, usize)>, NoPorts> {
    let [flags, protocol]: [u16; 2] = frame.load(at).ok_or(NoPorts::Short)?;
    let flags = u16::from_be(flags);
    if flags & 0x4007 != 0 {
        // Source routes (RFC 1701) and other versions (PPTP) are not parsed.
        return Err(NoPorts::Foreign);
    }
    let optional = (flags >> 15 & 1) + (flags >> 13 & 1) + (flags >> 12 & 1);
    // Hidden from the verifier: those of Linux 6.12 and before lose the bounds of byte-swapped values.
    payload(frame, protocol, frame.forget(at + 4 + usize::from(optional) * 4))
}

/// RFC 8926 3.1: eight bytes and options in four-byte units.
#[inline(always)]
fn geneve<B: Bytes + Copy>(frame: B, at: usize) -> Result<Option<(u16, usize)>, NoPorts> {
    let [head, protocol]: [u16; 2] = frame.load(at).ok_or(NoPorts::Short)?;
    let head = u16::from_be(head);
    if head >> 14 != 0 {
        return Err(NoPorts::Foreign);
    }
    payload(frame, protocol, frame.forget(at + 8 + usize::from(head >> 8 & 0x3F) * 4))
}

#[inline(always)]
fn payload<B: Bytes + Copy>(frame: B, protocol: u16, at: usize) -> Result<Option<(u16, usize)>, NoPorts> {
    match protocol {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok(Some((protocol, at))),
        ETHERNET_BRIDGING => ethernet(frame, at),
        _ => Err(NoPorts::Foreign),
    }
}

#[inline(always)]
fn ethernet<B: Bytes + Copy>(frame: B, at: usize) -> Result<Option<(u16, usize)>, NoPorts> {
    let (ethertype, at, _) = link(frame, at, 0)?;
    Ok(Some((ethertype, at)))
}
