//! Leases of ISC's dhcpd (dhcpd.leases(5)): blocks `lease ADDRESS { … }` that are appended; the last one of an address counts.

use std::net::{IpAddr, Ipv4Addr};

use sensor_core::time::Timestamp;
use time::{PrimitiveDateTime, macros::format_description};

use super::{Lease, LeaseSet, Mistakes, client_name, put};

pub(super) fn parse(text: &str) -> Result<LeaseSet, Mistakes> {
    let mut leases = LeaseSet::new();
    let mut open: Option<Block> = None;
    for (line, number) in text.lines().zip(1u32..) {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("lease ").and_then(|rest| rest.strip_suffix('{')) {
            let address: Ipv4Addr = address.trim().parse().map_err(|_| {
                let wrong = format!("{:?} is no address of a lease", address.trim());
                vec![(number, wrong)]
            })?;
            open = Some(Block::of(address.into()));
        } else if line == "}" {
            // The end of a lease, or of a block that says nothing of one.
            match open.take() {
                Some(block) if block.is_active => put(&mut leases, block.address, block.lease, number)?,
                Some(block) => {
                    leases.remove(&block.address);
                }
                None => {}
            }
        } else if let Some(block) = &mut open {
            block.statement(line).map_err(|wrong| vec![(number, wrong)])?;
        }
    }
    // A block at the end that is not closed is still being written.
    Ok(leases)
}

struct Block {
    address: IpAddr,
    lease: Lease,
    is_active: bool,
}

impl Block {
    const fn of(address: IpAddr) -> Self {
        Self { address, lease: Lease { mac: None, name: None, ends: None }, is_active: true }
    }

    fn statement(&mut self, line: &str) -> Result<(), String> {
        let Some(statement) = line.strip_suffix(';') else { return Ok(()) };
        if let Some(state) = statement.strip_prefix("binding state ") {
            self.is_active = state == "active";
        } else if let Some(mac) = statement.strip_prefix("hardware ethernet ") {
            self.lease.mac = Some(mac.parse()?);
        } else if let Some(name) = statement.strip_prefix("client-hostname ") {
            self.lease.name = client_name(name.trim_matches('"'));
        } else if let Some(end) = statement.strip_prefix("ends ") {
            self.lease.ends = end_of(end)?;
        }
        Ok(())
    }
}

/// `4 2026/11/29 22:00:00`, UTC; `epoch 1795947235`; or `never`.
fn end_of(text: &str) -> Result<Option<Timestamp>, String> {
    let wrong = || format!("{text:?} is no end of a lease");
    if text == "never" {
        return Ok(None);
    }
    if let Some(seconds) = text.strip_prefix("epoch ") {
        let seconds = seconds.split(';').next().unwrap_or_default().trim().parse();
        return seconds.map(Timestamp::from_unix_seconds).map(Some).map_err(|_| wrong());
    }
    let (_, date) = text.split_once(' ').ok_or_else(wrong)?;
    let format = format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");
    let end = PrimitiveDateTime::parse(date, format).map_err(|_| wrong())?;
    Ok(Some(Timestamp::from_unix_seconds(end.assume_utc().unix_timestamp())))
}
