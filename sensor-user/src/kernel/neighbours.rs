//! The neighbour table: hardware addresses of hosts on the same links (ARP, RFC 826; neighbour discovery, RFC 4861).

use std::{io, net::IpAddr};

use super::rtnetlink::{self, DUMP};

/// Bytes of the fixed part of RTM_GETNEIGH and its answer (`struct ndmsg`, include/uapi/linux/neighbour.h).
const NEIGHBOUR_LEN: usize = 12;

/// Attributes: the address, and the hardware address.
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// States in which the kernel holds a hardware address that a host gave: reachable, stale, delay, probe, permanent.
const KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;

/// Hosts with their hardware addresses.
///
/// # Errors
/// As the kernel says.
pub(crate) fn all() -> io::Result<Vec<(IpAddr, [u8; 6])>> {
    let answers = rtnetlink::ask(libc::RTM_GETNEIGH, DUMP, &[0; NEIGHBOUR_LEN])?;
    Ok(answers.iter().filter_map(|answer| neighbour(answer)).collect())
}

fn neighbour(answer: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    let state = u16::from_ne_bytes(answer.get(8..10)?.try_into().ok()?);
    if state & KNOWN == 0 {
        return None;
    }
    let (mut address, mut hardware) = (None, None);
    for (kind, value) in rtnetlink::attributes(answer.get(NEIGHBOUR_LEN..)?) {
        match kind {
            NDA_DST => {
                let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
                address = v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok();
            }
            NDA_LLADDR => hardware = value.try_into().ok(),
            _ => {}
        }
    }
    Some((address?, hardware?)).filter(|(_, hardware)| *hardware != [0; 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(state: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut answer = vec![0; NEIGHBOUR_LEN];
        answer[8..10].copy_from_slice(&state.to_ne_bytes());
        for (kind, value) in attributes {
            answer.extend(((value.len() + 4) as u16).to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend(*value);
            answer.resize(answer.len().next_multiple_of(4), 0);
        }
        answer
    }

    #[test]
    fn reads_hosts_whose_hardware_address_is_known() {
        let hardware = [0, 0, 0x5E, 0, 0x53, 1];
        let of = |state, attributes: &[(u16, &[u8])]| neighbour(&answer(state, attributes));
        let v4: IpAddr = "10.0.0.2".parse().unwrap();
        let v6: IpAddr = "fd00:1::2".parse().unwrap();
        assert_eq!(of(2, &[(NDA_DST, &[10, 0, 0, 2]), (NDA_LLADDR, &hardware)]), Some((v4, hardware)));
        let IpAddr::V6(octets) = v6 else { panic!() };
        assert_eq!(of(0x80, &[(NDA_LLADDR, &hardware), (NDA_DST, &octets.octets())]), Some((v6, hardware)));
        assert_eq!(of(1, &[(NDA_DST, &[10, 0, 0, 2]), (NDA_LLADDR, &hardware)]), None, "incomplete");
        assert_eq!(of(0x40, &[(NDA_DST, &[10, 0, 0, 2]), (NDA_LLADDR, &[0; 6])]), None, "a link without ARP");
        assert_eq!(of(2, &[(NDA_DST, &[10, 0, 0, 2])]), None);
        assert_eq!(of(2, &[(NDA_DST, &[10, 0]), (NDA_LLADDR, &hardware)]), None);
        assert_eq!(neighbour(&[0; 5]), None);
    }
}
