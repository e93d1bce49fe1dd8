//! Rewrites addresses in a capture, for example to make a session between private addresses cross the border.
//!
//! Takes Ethernet frames, changes the addresses of the outermost IP header in place. Checksums stay as they are: the
//! packet path reads none.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

use super::link::ETHERNET_LEN;
use crate::parse::network;

/// One prefix and its replacement of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    from: IpNet,
    to: IpNet,
}

impl FromStr for Rewrite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text
            .split_once('=')
            .ok_or("two networks with = between them are expected: 10.1.0.0/16=81.2.0.0/16")?;
        let (from, to) = (network(from.trim())?, network(to.trim())?);
        if from.addr().is_ipv4() != to.addr().is_ipv4() {
            return Err(format!("{from} and {to} have different address families"));
        }
        if from.prefix_len() != to.prefix_len() {
            return Err(format!("{from} and {to} have different lengths: both need the same number after /"));
        }
        Ok(Self { from, to })
    }
}

impl Rewrite {
    /// The rewritten address, if this prefix covers it.
    fn of(&self, address: IpAddr) -> Option<IpAddr> {
        if !self.from.contains(&address) {
            return None;
        }
        match (address, self.to) {
            (IpAddr::V4(address), IpNet::V4(to)) => {
                let kept = address.to_bits() & to.hostmask().to_bits();
                Some(Ipv4Addr::from_bits(to.network().to_bits() | kept).into())
            }
            (IpAddr::V6(address), IpNet::V6(to)) => {
                let kept = address.to_bits() & to.hostmask().to_bits();
                Some(Ipv6Addr::from_bits(to.network().to_bits() | kept).into())
            }
            _ => None,
        }
    }
}

/// Rewrites the addresses in the first IP header of an Ethernet frame; for each address the first rewrite that covers it counts.
pub fn rewrite(frame: &mut [u8], rewrites: &[Rewrite]) {
    if rewrites.is_empty() {
        return;
    }
    let Some(packet) = packet(frame) else { return };
    let (at, length) = match packet.first().map(|byte| byte >> 4) {
        Some(4) => (12, 4),
        Some(6) => (8, 16),
        _ => return,
    };
    for start in [at, at + length] {
        let Some(place) = packet.get_mut(start..start + length) else { return };
        let address = match length {
            4 => <[u8; 4]>::try_from(&*place).ok().map(IpAddr::from),
            _ => <[u8; 16]>::try_from(&*place).ok().map(IpAddr::from),
        };
        let other = address.and_then(|address| rewrites.iter().find_map(|rewrite| rewrite.of(address)));
        match other {
            Some(IpAddr::V4(other)) => place.copy_from_slice(&other.octets()),
            Some(IpAddr::V6(other)) => place.copy_from_slice(&other.octets()),
            None => {}
        }
    }
}

/// The IP packet behind the Ethernet header and its VLAN tags (IEEE 802.1Q, 802.1ad).
fn packet(frame: &mut [u8]) -> Option<&mut [u8]> {
    let mut at = ETHERNET_LEN;
    loop {
        match *frame.get(at - 2..at)? {
            [0x81, 0x00] | [0x88, 0xA8] | [0x91, 0x00] => at += 4,
            [0x08, 0x00] | [0x86, 0xDD] => return frame.get_mut(at..),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrites(texts: &[&str]) -> Vec<Rewrite> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn host_part_stays_in_both_families() {
        let v4 = rewrites(&["10.0.0.0/8=81.0.0.0/8"])[0];
        assert_eq!(v4.of("10.1.2.3".parse().unwrap()), Some("81.1.2.3".parse().unwrap()));
        assert_eq!(v4.of("11.1.2.3".parse().unwrap()), None);
        let v6 = rewrites(&["fd00::/16=2a00::/16"])[0];
        assert_eq!(v6.of("fd00:1::2".parse().unwrap()), Some("2a00:1::2".parse().unwrap()));
        let one = rewrites(&["10.0.0.7=9.9.9.9"])[0];
        assert_eq!(one.of("10.0.0.7".parse().unwrap()), Some("9.9.9.9".parse().unwrap()));
    }

    #[test]
    fn rewrites_both_addresses_behind_tags_by_the_first_match() {
        let rules = rewrites(&["10.0.0.1/32=8.8.8.8/32", "10.0.0.0/8=81.0.0.0/8"]);
        for tags in [&[][..], &[0x81, 0, 0, 7], &[0x88, 0xA8, 0, 7, 0x81, 0, 0, 8]] {
            let ip = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            let mut frame = [&[0; 12], tags, &[0x08, 0], &ip].concat();
            rewrite(&mut frame, &rules);
            assert!(frame.ends_with(&[8, 8, 8, 8, 81, 0, 0, 2]), "{frame:?}");
        }
    }

    #[test]
    fn leaves_cut_and_non_ip_packets_alone() {
        let rules = rewrites(&["0.0.0.0/0=0.0.0.0/0", "::/0=::/0"]);
        let ip = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let frame = [&[0; 12], &[0x08, 0][..], &ip].concat();
        for length in 0..frame.len() {
            rewrite(&mut frame[..length].to_vec(), &rules);
        }
        let mut other = [0xAA; 60];
        rewrite(&mut other, &rules);
        assert_eq!(other, [0xAA; 60]);
    }

    #[test]
    fn mistake_names_the_expected_form() {
        let error = |text: &str| text.parse::<Rewrite>().unwrap_err();
        assert!(error("10.0.0.0/8").contains('='));
        assert!(error("10.0.0.0/8=81.2.0.0/16").contains("lengths"));
        assert!(error("10.0.0.0/8=2a00::/8").contains("families"));
        assert!(error("10.0.0/8=81.0.0.0/8").contains("not a network"));
    }
}
