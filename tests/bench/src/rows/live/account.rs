//! The sensor's accounts: whether each packet of the flood is in a record or counted somewhere.

use std::{
    fmt,
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use sensor_common::{counter::Counter, slot::RecordKind};
use sensor_core::record::{self, Record};
use sensor_user::{
    agent::{POLL_INTERVAL, POLL_TIMEOUT},
    kernel::{counters::CounterValues, ring::RecordRing, slots::SlotReader},
};

/// Pause of a reader that found nothing and is not woken, milliseconds.
const PAUSE: u16 = 1;

/// What came out of the ring.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecordCounts {
    records: u64,
    undecodable: u64,
    /// Packets in records of flows that left their slot.
    settled: u64,
}

impl RecordCounts {
    fn take(&mut self, record: &[u8]) {
        match record::record(record) {
            Ok(Record::Flow(RecordKind::Settled, flow)) => {
                self.records += 1;
                self.settled += flow.counts.total_packets();
            }
            Ok(Record::Replaced(settled, _)) => {
                self.records += 2;
                self.settled += settled.counts.total_packets();
            }
            Ok(_) => self.records += 1,
            Err(_) => self.undecodable += 1,
        }
    }
}

/// Reads and decodes records as long as `reading` says, and then what is left. It looks when the agent would: at once when the
/// kernel wakes it, then at the agent's poll interval until no record came for a while.
pub(super) fn read(ring: &mut RecordRing, reading: &AtomicBool) -> Result<RecordCounts> {
    let mut counts = RecordCounts::default();
    let mut last = Instant::now();
    loop {
        // Asked before the ring is emptied: whatever was written before the end is read.
        let goes_on = reading.load(Ordering::Relaxed);
        let before = counts.records;
        while let Some(record) = ring.take() {
            counts.take(record);
        }
        if !goes_on {
            return Ok(counts);
        }
        if counts.records != before {
            last = Instant::now();
        }
        if last.elapsed() < POLL_TIMEOUT {
            thread::sleep(POLL_INTERVAL);
            continue;
        }
        let mut ready = [PollFd::new(ring.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(PAUSE)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for the record ring"),
        }
    }
}

/// The books of one run.
pub(super) struct Account {
    counted: CounterValues,
    counts: RecordCounts,
    /// Packets in the slots at the end.
    resident: u64,
}

impl Account {
    /// Closes the accounts, after the last packet and the last record.
    pub(super) fn new(counted: CounterValues, slots: &mut SlotReader, counts: RecordCounts) -> Self {
        let mut resident = 0;
        for cpu in 0..slots.cpus() {
            slots.sweep(cpu, |_, slot| {
                resident += slot.line.packets.iter().copied().map(u64::from).sum::<u64>();
            });
        }
        Self { counted, counts, resident }
    }

    fn lost_records(&self) -> u64 {
        self.counted.sum(Counter::LOST_RECORDS)
    }

    /// Compares the accounts with each other.
    ///
    /// # Errors
    /// If a packet or a record is missing.
    pub(super) fn check(&self, sent: u64) -> Result<()> {
        let of = |counter| self.counted.get(counter);
        let (seen, kept) = (of(Counter::Seen), of(Counter::Kept));
        ensure!(seen == sent, "{sent} packets of the flood reached the sensor and it saw {seen}");
        ensure!(
            kept == self.counted.sum(Counter::OUTCOMES),
            "not every packet of the flood was kept: {kept} of {seen}"
        );
        ensure!(
            of(Counter::RecordsSent) == self.counts.records && self.counts.undecodable == 0,
            "{} records went into the ring, {} came out and {} of them could not be read",
            of(Counter::RecordsSent),
            self.counts.records,
            self.counts.undecodable
        );
        let accounted = self.counts.settled + of(Counter::LostPackets) + self.resident;
        ensure!(
            kept == accounted,
            "{kept} packets were kept, but {accounted} are in records, slots and counted losses"
        );
        Ok(())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent = seen = kept = {} in records + {} in slots + {} in records that found the ring full; records: {} read, \
             {} lost, all counted",
            self.counted.get(Counter::Seen),
            self.counts.settled,
            self.resident,
            self.counted.get(Counter::LostPackets),
            self.counts.records,
            self.lost_records(),
        )
    }
}
