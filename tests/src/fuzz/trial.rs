//! Frames in three implementations.
//!
//! Verdict, records and flow are compared after each frame, counters and slots after each batch.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use sensor_common::{
    block::BlockEntry,
    counter::Counter,
    headers::{Link, NoPorts},
    path::Verdict,
    settings::{Enforcement, MAX_LEASE},
    slot::{Hook, mark, tcp},
};
use sensor_core::address::{FiveTuple, FlowId};
use sensor_core::record::{self, Counts, Observation};
use sensor_user::{kernel::blocks::BlockKey, response::Target};

use super::{
    Tally,
    fixture::{Fixture, Given},
    options::Options,
    oracle::{Account, Opinion, Oracle},
};
use crate::{
    kernel::{Fate, Setup, TEST_RUN_IFINDEX},
    records::timeless,
    twin::Twin,
};

/// A disagreement. It is reported with a fixture, to be kept once its cause is fixed.
#[derive(Debug)]
pub struct Disagreement(pub Fixture);

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the judges disagree. As a fixture (tests/fixtures/frames/NAME.txt):\n\n{}", self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Both engines and the oracle.
pub struct Trial {
    options: Options,
    blocks: Vec<(BlockKey, BlockEntry)>,
    twin: Twin,
    oracle: Oracle,
    /// Each flow as each CPU of the host last saw it.
    flows: HashMap<(u16, FlowId), Observation>,
    tally: Tally,
    /// Marks of connections that others took, so far.
    replaced: u64,
    /// When the kernel's leases were renewed.
    renewed: Instant,
}

/// Time after which they are renewed; they last sixteen seconds at least.
const RENEW: Duration = Duration::from_secs(2);

impl Trial {
    /// New engines.
    ///
    /// # Errors
    /// When the kernel's program does not load.
    pub fn new(options: Options, privileged: bool) -> Result<Self> {
        let setup = options.setup()?;
        let oracle = Oracle::new(&setup.config, options.enforcing, &setup.blocked);
        let blocks = entries(&setup.blocked);
        let mut twin = setup.twin_where(privileged)?;
        if options.general {
            twin.host = Setup { short: true, ..setup }.host();
        }
        // Time stands still on the host; the kernel's leases are renewed.
        twin.host.enforce(Enforcement { on: u32::from(options.enforcing), until: MAX_LEASE });
        twin.host.block(blocks.clone(), Enforcement { on: 1, until: MAX_LEASE });
        let (flows, tally, renewed) = (HashMap::new(), Tally::default(), Instant::now());
        Ok(Self { options, blocks, twin, oracle, flows, tally, replaced: 0, renewed })
    }

    /// The counts so far.
    #[must_use]
    pub fn tally(mut self) -> Tally {
        let counters = self.twin.host_counters();
        self.tally.count(|counter| counters.get(counter));
        self.tally
    }

    /// Gives all three a batch.
    ///
    /// # Errors
    /// [`Disagreement`], or the kernel's error.
    pub fn batch(&mut self, frames: &[Given]) -> Result<()> {
        self.renew()?;
        for (number, given) in frames.iter().enumerate() {
            self.frame(given).map_err(|error| self.disagreement(&error, &frames[..=number]))?;
        }
        self.compare_counts().map_err(|error| self.disagreement(&error, frames))
    }

    /// A disagreement with as few frames as it takes to repeat it: the last one, or the batch up to the first frame
    /// that shows it. If it needs more history than its batch, it is reported unreduced.
    fn disagreement(&self, error: &anyhow::Error, frames: &[Given]) -> anyhow::Error {
        let report = |error: &anyhow::Error, frames: &[Given]| {
            let about = format!("{error:#}").lines().collect::<Vec<_>>().join(" | ");
            Disagreement(Fixture { about, options: self.options, frames: frames.to_vec() }).into()
        };
        let last = &frames[frames.len() - 1..];
        if let Some((_, error)) = self.again(last) {
            return report(&error, last);
        }
        let Some((at, error_in_row)) = self.again(frames) else { return report(error, frames) };
        match self.again(&frames[at..=at]) {
            Some((_, error)) => report(&error, &frames[at..=at]),
            None => report(&error_in_row, &frames[..=at]),
        }
    }

    /// The first of `frames` on which new engines disagree.
    fn again(&self, frames: &[Given]) -> Option<(usize, anyhow::Error)> {
        let mut fresh = Self::new(self.options, self.twin.kernel.is_some()).ok()?;
        fresh.renew().ok()?;
        frames.iter().enumerate().find_map(|(at, given)| {
            fresh.frame(given).and_then(|()| fresh.compare_counts()).err().map(|error| (at, error))
        })
    }

    /// Renews the kernel's leases.
    fn renew(&mut self) -> Result<()> {
        self.renewed = Instant::now();
        let Some(kernel) = &mut self.twin.kernel else { return Ok(()) };
        if self.options.blocking {
            kernel.block(&self.blocks, MAX_LEASE as i32)?;
        }
        if self.options.enforcing { kernel.enforce_for(MAX_LEASE as i32) } else { Ok(()) }
    }

    fn frame(&mut self, given: &Given) -> Result<()> {
        if self.renewed.elapsed() > RENEW {
            self.renew()?;
        }
        let Given { cpu, entry, frame } = given;
        let cpu = cpu % self.twin.cpus() as u16;
        self.twin.move_to(cpu)?;
        // Socket buffers have to hold an IP header where they say so; XDP takes every frame.
        let entry = if self.twin.takes(*entry, frame) { *entry } else { Hook::XdpIngress.into() };
        let verdict = self.twin.host.frame(frame, entry.arrival(frame));
        let records = self.twin.host.take_records();
        self.tally.host += 1;
        self.tally.foreign += u64::from(verdict == Verdict::Foreign);
        self.consult(verdict, frame, entry.link, cpu)?;
        let Some(kernel) = &mut self.twin.kernel else { return Ok(()) };
        self.tally.kernel += 1;
        let fate = kernel.run(entry, frame, 1)?;
        ensure!(
            (fate == Fate::Dropped) == (verdict == Verdict::Dropped),
            "the host says {verdict:?}, and in the kernel it was {fate:?}"
        );
        let in_kernel = kernel.take_records();
        if records.is_empty() && in_kernel.is_empty() {
            return Ok(());
        }
        let physical = kernel.cpu() as u16;
        let (records, in_kernel) = (timeless(records, cpu)?, timeless(in_kernel, physical)?);
        ensure!(
            records == in_kernel,
            "the host ({verdict:?}) gives {records:02x?}, the kernel {in_kernel:02x?}"
        );
        Ok(())
    }

    /// Asks the oracle, and follows what the host did to the frame's flow.
    fn consult(&mut self, verdict: Verdict, frame: &[u8], link: Link, cpu: u16) -> Result<()> {
        let opinion = self.oracle.judge(frame, link);
        match opinion {
            Opinion::Unsure(reason) => *self.tally.unsure.entry(reason).or_default() += 1,
            _ => self.tally.oracle += 1,
        }
        let mut touched = None;
        self.twin.host.sweep(|slot| touched = Some(*slot));
        let now = touched.as_ref().map(record::observation).transpose()?;
        let before = now.and_then(|now| self.flows.insert((cpu, now.id), now));
        if let Some(now) = now {
            let FiveTuple { transport, local, remote } = now.id.tuple;
            self.oracle.kept(transport, local, remote);
        } else if verdict == Verdict::Dropped {
            // In headers that the oracle does not read, such as those of a tunnel, the ports are the host's alone.
            if self.oracle.cut(frame, link).is_err() {
                let host = &self.twin.host;
                (0..=u16::MAX).filter(|port| host.suspects(*port)).for_each(|port| self.oracle.marked(port));
            }
        }
        let replaced = self.twin.host.counter(Counter::FlowMarksReplaced);
        self.oracle.learn(frame, link, opinion, replaced != self.replaced);
        self.replaced = replaced;
        let agrees = match (opinion, verdict) {
            (Opinion::Unsure(_), _)
            | (Opinion::Foreign, Verdict::Foreign)
            | (Opinion::Initial, Verdict::Initial) => true,
            (Opinion::Unparsed(counter), Verdict::Unparsed(reason)) => counter_of(reason) == Some(counter),
            (Opinion::Passed(counter), Verdict::Passed(other)) => counter == other,
            (Opinion::Cut, Verdict::Dropped) => now.is_none(),
            (Opinion::Kept(account), Verdict::Kept | Verdict::Dropped) => {
                let now = now.context("the host kept it, and no slot changed")?;
                accounted(&account, before.as_ref(), &now)
                    .with_context(|| format!("{account:?}, and in its slot {now:?} after {before:?}"))?;
                account.dropped == (verdict == Verdict::Dropped)
            }
            _ => false,
        };
        ensure!(agrees, "the oracle says {opinion:?}, the host {verdict:?}");
        Ok(())
    }

    /// Compares counters and slots of the kernel with those of the host.
    fn compare_counts(&mut self) -> Result<()> {
        let on_host = self.twin.host_counters();
        let Some(kernel) = &mut self.twin.kernel else { return Ok(()) };
        let in_kernel = kernel.counters()?;
        for counter in Counter::ALL {
            let (ours, theirs) = (on_host.get(*counter), in_kernel.get(*counter));
            ensure!(ours == theirs, "{} is {ours} on the host and {theirs} in the kernel", counter.name());
        }
        for cpu in 0..kernel.cpus() {
            for slot in kernel.sweep_of(cpu) {
                let timeless = |slot: &Observation| Observation { cpu: 0, first: 0, last: 0, ..*slot };
                let report = timeless(&record::observation(&slot)?);
                let known = self.flows.get(&(cpu as u16, report.id)).map(timeless);
                ensure!(known == Some(report), "the kernel's slot has {report:?}, the host's {known:?}");
            }
        }
        Ok(())
    }
}

/// The blocks of these targets, numbered.
fn entries(targets: &[Target]) -> Vec<(BlockKey, BlockEntry)> {
    targets.iter().zip(1..).map(|(target, number)| (target.key(), BlockEntry::new(number, false))).collect()
}

/// Whether a flow's slot shows the packet.
fn accounted(account: &Account, before: Option<&Observation>, now: &Observation) -> Result<()> {
    let Account { transport, local, remote, .. } = *account;
    let id = FlowId { tuple: FiveTuple { transport, local, remote }, ifindex: TEST_RUN_IFINDEX };
    ensure!(now.id == id, "another flow");
    let side = account.side as usize;
    let before = before.filter(|before| before.generation == now.generation);
    let added = before.map_or(now.counts, |before| now.counts.since(&before.counts));
    let on_side = |value: u64| if side == 0 { [value, 0] } else { [0, value] };
    let expected = Counts { packets: on_side(1), bytes: on_side(account.bytes), ..added };
    ensure!(added == expected, "other counts");
    // The sequence number decides between the two.
    let payload = [0, 1].map(|side| added.payload[side] + added.retransmitted[side]);
    ensure!(payload == on_side(account.payload), "other counts of payload");
    ensure!(
        transport == sensor_common::slot::TCP || added.retransmitted == [0; 2],
        "a datagram that was sent again"
    );
    // Of a reset only RST is kept, of other segments the flags that begin and end a connection.
    let flags = match account.tcp_flags {
        flags if flags & tcp::RST != 0 => tcp::RST,
        flags => flags & (tcp::SYN | tcp::ACK | tcp::FIN),
    };
    let flags_before = before.map_or(0, |before| before.tcp_flags[side]);
    ensure!(now.tcp_flags[side] == flags_before | flags, "other TCP flags");
    let marks_before = before.map_or(0, |before| before.marks);
    let fragmented = if account.fragment { mark::FRAGMENTED } else { 0 };
    let shape = mark::FRAGMENTED | mark::TUNNELLED;
    ensure!(now.marks & shape == (marks_before | fragmented) & shape, "other marks");
    ensure!(now.vlan == before.map_or(account.vlan, |before| before.vlan), "another VLAN");
    Ok(())
}

/// The counter of frames without ports.
const fn counter_of(reason: NoPorts) -> Option<Counter> {
    match reason {
        NoPorts::Foreign => None,
        NoPorts::Short => Some(Counter::ShortFrame),
        NoPorts::LaterFragment => Some(Counter::Fragment),
        NoPorts::EvasiveFragment => Some(Counter::EvasiveFragment),
        NoPorts::LongExtensionChain => Some(Counter::LongExtensionChain),
        NoPorts::UnknownLink => Some(Counter::UnknownLink),
        NoPorts::UnknownTunnel => Some(Counter::UnknownTunnel),
    }
}
