//! Leases of Kea's memfile backend: CSV with a heading that names the columns; rows are appended, and the last one of an address
//! counts. A row with a lifetime of 0, or with another state than 0, ends a lease.

use std::net::IpAddr;

use super::{Lease, LeaseSet, Mistakes, client_name, ends, put};
use crate::parse::split;

pub(super) fn parse(text: &str) -> Result<LeaseSet, Mistakes> {
    let mut lines = text.lines().zip(1u32..).filter(|(line, _)| !line.trim().is_empty()).peekable();
    let Some((heading, number)) = lines.next() else { return Ok(LeaseSet::new()) };
    let columns = Columns::of(heading).map_err(|wrong| vec![(number, wrong)])?;
    let (mut leases, mut mistakes) = (LeaseSet::new(), Mistakes::new());
    while let Some((line, number)) = lines.next() {
        // The last row may still be being written.
        if lines.peek().is_none() && !text.ends_with('\n') {
            break;
        }
        match columns.row(line) {
            Ok((address, Some(lease))) => put(&mut leases, address, lease, number)?,
            Ok((address, None)) => {
                leases.remove(&address);
            }
            Err(wrong) => mistakes.push((number, wrong)),
        }
    }
    if mistakes.is_empty() { Ok(leases) } else { Err(mistakes) }
}

struct Columns {
    address: usize,
    hardware: usize,
    lifetime: usize,
    expire: usize,
    name: usize,
    state: Option<usize>,
}

impl Columns {
    fn of(heading: &str) -> Result<Self, String> {
        let names = split(heading, ',')?;
        let find = |wanted: &str| names.iter().position(|name| name.trim() == wanted);
        let column = |wanted: &str| {
            find(wanted)
                .ok_or_else(|| format!("the heading has no column {wanted}: is this a memfile of Kea?"))
        };
        Ok(Self {
            address: column("address")?,
            hardware: column("hwaddr")?,
            lifetime: column("valid_lifetime")?,
            expire: column("expire")?,
            name: column("hostname")?,
            state: find("state"),
        })
    }

    fn row(&self, line: &str) -> Result<(IpAddr, Option<Lease>), String> {
        let cells = split(line, ',')?;
        let cell = |at: usize| cells.get(at).map_or("", |cell| cell.trim());
        let number = |at: usize| {
            let text = cell(at);
            text.parse::<i64>().map_err(|_| format!("{text:?} is no number"))
        };
        let address = cell(self.address);
        let address = address.parse().map_err(|_| format!("{address:?} is no address"))?;
        let is_over =
            number(self.lifetime)? == 0 || self.state.is_some_and(|at| !matches!(cell(at), "" | "0"));
        if is_over {
            return Ok((address, None));
        }
        let hardware = cell(self.hardware);
        let mac = if hardware.is_empty() { None } else { hardware.parse().ok() };
        Ok((
            address,
            Some(Lease { mac, name: client_name(cell(self.name)), ends: ends(number(self.expire)?) }),
        ))
    }
}
