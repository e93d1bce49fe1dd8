//! The agent's core: how many records it takes, from their bytes to its decisions, and the memory of the connections that it
//! follows.

use std::{fs, net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result, ensure};
use sensor_common::{
    flow::{Packet, SlotKey},
    slot::{RecordKind, Side, Slot, TCP, tcp},
};
use sensor_core::{
    Core, Input,
    time::{Moment, Timestamp},
};
use zerocopy::IntoBytes as _;

use crate::{
    effort::Effort,
    processor,
    row::{Row, Target, Unit},
    samples::{REPETITIONS, Samples},
    sensor,
};

const GROUP: &str = "core";

/// Internal clients that the connections are of.
const CLIENTS: u32 = 200;

/// Bytes of an IP packet with a TCP header and time stamps.
const HEADERS: u32 = 52;

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    processor::on(cpu, || measure_here(effort))
}

fn measure_here(effort: &Effort) -> Result<Vec<Row>> {
    let records: Vec<Vec<u8>> =
        (0..effort.connections).map(|number| of_connection(number, CLIENTS)).collect();
    let count = records.iter().map(|record| record.len() / RECORD).sum::<usize>();
    // Warm-up: the memory of the process has its size afterwards.
    let core = fed(&records)?;
    drop(core);
    let (mut rates, mut megabytes) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        let core = fed(&records)?;
        rates.push(count as f64 / start.elapsed().as_secs_f64() / 1e6);
        ensure!(core.flows().len() == effort.connections as usize, "connections were given up");
        drop(core);
    }
    let before = resident()?;
    let core = fed(&records)?;
    megabytes.push(resident()? - before);
    drop(core);
    Ok(vec![
        Row::new(
            GROUP,
            "records through decoding, table and rules",
            Unit::MillionsPerSecond,
            Samples::new(rates),
        )
        .target(Target::AtLeast(1.5))
        .note(format!(
            "{} connections of {CLIENTS} clients, {count} records, no sweep of the slots; one core",
            effort.connections
        )),
        Row::new(
            GROUP,
            format!("memory of {} connections followed", effort.connections),
            Unit::Megabytes,
            Samples::new(megabytes),
        )
        .target(Target::AtMost(400.0)),
    ])
}

/// Bytes of a record.
pub(super) const RECORD: usize = sensor_common::slot::RECORD_V4_LEN;

/// A core that took all records.
fn fed(records: &[Vec<u8>]) -> Result<Core> {
    let mut core = sensor::core()?;
    let mut events = Vec::new();
    let now = Moment { at: Timestamp::from_unix_seconds(0), ticks: 0 };
    for record in records.iter().flat_map(|of_connection| of_connection.chunks(RECORD)) {
        core.step(Input::Record(record), now, &mut events);
        events.clear();
    }
    Ok(core)
}

/// The slot key of a connection of one of so many clients to TCP 445 of a server outside.
pub(super) fn key_of(number: u32, clients: u32) -> SlotKey {
    let client = Ipv4Addr::from_bits(0x0A00_0002 + number % clients);
    let server = Ipv4Addr::from_bits(0x0800_0000 + number);
    let word = |address: Ipv4Addr| [0, 0, 0, u32::from_ne_bytes(address.octets())];
    SlotKey {
        family: 4,
        transport: TCP,
        ifindex: 2,
        local: word(client),
        remote: word(server),
        local_port: (20_000 + (number % 40_000) as u16).to_be(),
        remote_port: 445_u16.to_be(),
    }
}

/// The records of such a connection that the server accepts: opened by a SYN, then twice more evidence.
pub(super) fn of_connection(number: u32, clients: u32) -> Vec<u8> {
    let packet = |side, tcp_flags, payload| Packet {
        side,
        tcp_flags,
        sequence: 1_000 + u32::from(tcp_flags & tcp::SYN == 0),
        marks: 0,
        bytes: HEADERS + payload,
        payload,
        vlan: 0,
        cpu: 0,
    };
    let mut slot = Slot::default();
    slot.open(&key_of(number, clients), &packet(Side::Local, tcp::SYN, 0), 0);
    let mut bytes = slot.record_v4(RecordKind::Opened).as_bytes().to_vec();
    slot.add(&packet(Side::Remote, tcp::SYN | tcp::ACK, 0), 0);
    bytes.extend(slot.record_v4(RecordKind::Rose).as_bytes());
    slot.add(&packet(Side::Local, tcp::ACK, 0), 0);
    bytes.extend(slot.record_v4(RecordKind::Rose).as_bytes());
    bytes
}

/// Resident memory of this process, megabytes.
fn resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024.0 / 1e6)
        .context("find the resident memory in /proc/self/status")
}
