//! Packets a second that a receiver takes, on a live cable: ordinary traffic, and a flood of new connections.
//!
//! Frames are made by a program in the kernel and handed to the cable 64 at a time; sender and receiving kernel work on
//! one processor, and readers in user space on the other. So the time of a packet is only the kernel's work for it.

mod account;
mod turns;
mod verdicts;

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use sensor_user::{config::Config, kernel::object::KernelProgram};

use self::{
    account::{Account, read},
    turns::{Receiver, Turns},
};
use crate::{
    baseline::Baseline,
    effort::Effort,
    feed::Feed,
    frames::{Segment, flag},
    peers::{
        capture::{Capture, Kind},
        nftables,
        suricata::Suricata,
        xdp_filter,
    },
    processor,
    row::Row,
    sensor,
    stand::Stand,
};

const NOTHING: &str = "no program";
const PASS: &str = "XDP_PASS";
const SENSOR: &str = "the sensor";
const FILTER: &str = "xdp-filter";
const NFTABLES: &str = "nftables rule";
const TCPDUMP: &str = "tcpdump -w";
const TSHARK: &str = "tshark";
const SURICATA: &str = "Suricata";

/// Measures the group.
pub(crate) fn measure(effort: &Effort, suricata: Option<&Path>) -> Result<Vec<Row>> {
    let (reader, sender) = processor::pair()?;
    processor::on(reader, || measure_here(effort, suricata, reader, sender))
}

fn measure_here(effort: &Effort, suricata: Option<&Path>, reader: usize, sender: usize) -> Result<Vec<Row>> {
    let stands = [(); 8].map(|()| Stand::new());
    let stands = stands.into_iter().collect::<Result<Vec<_>>>()?;
    for stand in &stands {
        stand.receive_in_bulk()?;
    }
    let [nothing, pass, own, filter, nft, tcpdump, tshark, inspected] = &stands[..] else {
        return Err(anyhow!("there are not eight stands"));
    };
    let mut baseline = Baseline::small()?;
    pass.attach(baseline.xdp_mut("bench_pass")?)?;
    let mut kernel = sensor::load(&Config::default())?;
    own.attach(kernel.xdp()?)?;
    let filtering = xdp_filter::attach(filter);
    let ruling = nftables::install(nft);
    let dumping = Capture::start(tcpdump, Kind::Tcpdump, reader);
    let dissecting = Capture::start(tshark, Kind::Tshark, reader);
    let inspecting = match suricata {
        Some(program) => Suricata::start(inspected, program, reader),
        None => Err(anyhow!("no Suricata was given (--suricata PATH)")),
    };
    let receivers = [
        (NOTHING, Ok(nothing)),
        (PASS, Ok(pass)),
        (SENSOR, Ok(own)),
        (FILTER, on(&filtering, filter)),
        (NFTABLES, on(&ruling, nft)),
        (TCPDUMP, on(&dumping, tcpdump)),
        (TSHARK, on(&dissecting, tshark)),
        (SURICATA, on(&inspecting, inspected)),
    ];

    let feed = Feed::on(sender)?;
    let frame = |port| {
        let syn = Segment::new((Ipv4Addr::new(10, 0, 0, 0), 0), (Ipv4Addr::new(8, 8, 4, 4), port));
        syn.flags(flag::SYN).frame()
    };
    let reading = AtomicBool::new(true);
    let KernelProgram { records, counters, slots, .. } = &mut kernel;
    let (ordinary, flood, sustained, records_read) = thread::scope(|scope| {
        let records_read = scope.spawn(|| read(records, &reading));
        let ordinary = Turns::measure(effort, &feed, &receivers, &frame(443));
        let flood = Turns::measure(effort, &feed, &receivers, &frame(445));
        let sustained = feed.send(own, &frame(445), effort.sustained_packets);
        reading.store(false, Ordering::Relaxed);
        (ordinary, flood, sustained, records_read.join())
    });
    let (ordinary, flood, sustained) = (ordinary?, flood?, sustained?);
    let records_read = records_read.map_err(|_| anyhow!("the thread that reads records panicked"))??;
    let counted = counters.read().context("read the sensor's counters")?;
    let account = Account::new(counted, slots, records_read);
    account.check(flood.received(SENSOR) + sustained.received)?;

    let mut rows = verdicts::ordinary(&receivers, &ordinary, feed.clock())?;
    rows.extend(verdicts::flood(&receivers, &flood, &account)?);

    // A user-space reader that could rest between rounds is started again, and gets no rest.
    let flooded = |stand| feed.send(stand, &frame(445), effort.sustained_packets);
    let captured = |first: Result<Capture>, kind, stand| {
        first?.end()?;
        let capture = Capture::start(stand, kind, reader)?;
        Ok((flooded(stand)?, capture.end()?))
    };
    let inspection = |first: Result<Suricata>| {
        first?.end()?;
        let program = suricata.context("no Suricata was given")?;
        let again = Suricata::start(inspected, program, reader)?;
        Ok((flooded(inspected)?, again.end()?))
    };
    rows.push(verdicts::peer(TCPDUMP, captured(dumping, Kind::Tcpdump, tcpdump), sustained));
    rows.push(verdicts::peer(TSHARK, captured(dissecting, Kind::Tshark, tshark), sustained));
    rows.push(verdicts::peer(SURICATA, inspection(inspecting), sustained));
    Ok(rows)
}

/// The stand of a peer that could be started, or why it could not.
fn on<'a, T>(peer: &Result<T>, stand: &'a Stand) -> Receiver<'a> {
    match peer {
        Ok(_) => Ok(stand),
        Err(error) => Err(format!("{error:#}")),
    }
}
