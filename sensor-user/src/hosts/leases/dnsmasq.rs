//! Leases of dnsmasq, one on each line: `1795947235 00:00:5e:00:53:01 10.0.0.2 pc-ann 01:00:00:5e:00:53:01`. Leases of IPv6
//! follow a line `duid …`, and have an IAID instead of the hardware address.

use std::net::IpAddr;

use super::{Lease, LeaseSet, Mac, Mistakes, client_name, ends, put};

pub(super) fn parse(text: &str) -> Result<LeaseSet, Mistakes> {
    let (mut leases, mut mistakes) = (LeaseSet::new(), Mistakes::new());
    for (line, number) in text.lines().zip(1u32..).filter(|(line, _)| !line.trim().is_empty()) {
        match entry(line) {
            Ok(Some((address, lease))) => put(&mut leases, address, lease, number)?,
            Ok(None) => {}
            Err(wrong) => mistakes.push((number, wrong)),
        }
    }
    // The server ends each line: one that has no end is still being written.
    if !text.is_empty() && !text.ends_with('\n') {
        mistakes.push((text.lines().count() as u32, "the line is not complete".to_owned()));
    }
    if mistakes.is_empty() { Ok(leases) } else { Err(mistakes) }
}

fn entry(line: &str) -> Result<Option<(IpAddr, Lease)>, String> {
    let words: Vec<_> = line.split(' ').collect();
    if words[0] == "duid" {
        return Ok(None);
    }
    let [seconds, hardware, address, name, ..] = words[..] else {
        return Err(format!("{line:?} is no lease of dnsmasq"));
    };
    let seconds: i64 = seconds.parse().map_err(|_| format!("{seconds:?} is no time in seconds"))?;
    let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no address"))?;
    // The number of another type than Ethernet stands before the address: `06-`.
    let mac = if address.is_ipv4() { hardware.parse().ok() } else { None::<Mac> };
    Ok(Some((address, Lease { mac, name: client_name(name), ends: ends(seconds) })))
}
