//! The packet path twice: in the kernel and on the host.
//!
//! A [`Twin`] gives a frame to both and reports every difference in counters and records as an error.

use anyhow::{Result, bail, ensure};
use sensor_common::{
    block::BlockEntry,
    counter::Counter,
    headers::Link,
    path::{Arrival, Verdict},
    settings::Enforcement,
    slot::{Hook, Slot, mark},
};
use sensor_core::{address::FiveTuple, record::Observation};
use sensor_user::{
    engine::host::HostEngine,
    kernel::{blocks::BlockKey, counters::CounterValues},
};

use crate::{
    frame::Frame,
    kernel::{Entry, Fate, Kernel, Setup, TEST_RUN_IFINDEX, privileged},
    records::{flows, timeless},
};

/// The hooks, all of which run the same path.
pub const HOOKS: [Hook; 3] = [Hook::XdpIngress, Hook::TcIngress, Hook::TcEgress];

/// The entry points, those for packets without an Ethernet header among them.
pub const ENTRIES: [Entry; 6] = [
    Entry { hook: Hook::XdpIngress, link: Link::Ethernet },
    Entry { hook: Hook::TcIngress, link: Link::Ethernet },
    Entry { hook: Hook::TcEgress, link: Link::Ethernet },
    Entry::ip(Hook::TcIngress),
    Entry::ip(Hook::TcEgress),
    Entry::ip(Hook::XdpIngress),
];

/// Bytes below which BPF_PROG_TEST_RUN refuses any frame: an Ethernet header.
const ETHERNET_LEN: usize = 14;

/// Bytes above which it refuses any frame that must be linear: a page also has to hold the kernel's own data.
const MAX_LINEAR_LEN: usize = 3_500;

impl Setup {
    /// Both.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    pub fn twin(&self, test: &str) -> Result<Twin> {
        self.twin_where(privileged(test))
    }

    /// Both, or the host engine alone without privilege; nothing is recorded as skipped.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    pub fn twin_where(&self, privileged: bool) -> Result<Twin> {
        let kernel = privileged.then(|| self.load()).transpose()?;
        Ok(Twin { host: self.host(), kernel, cpu: 0, alone: self.slots_per_cpu == 1, frags: self.frags })
    }
}

/// The effect of frames, the same in both engines.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The verdict on the last frame.
    pub verdict: Verdict,
    /// What was added to the counters.
    pub counted: CounterValues,
    /// The records, without time and CPU.
    pub records: Vec<Vec<u8>>,
}

impl Effect {
    /// The counters that changed.
    #[must_use]
    pub fn changes(&self) -> Vec<(Counter, u64)> {
        let changed = Counter::ALL.iter().map(|counter| (*counter, self.counted.get(*counter)));
        changed.filter(|(_, by)| *by != 0).collect()
    }
}

/// The outcome of one frame of a new flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was counted or reported: the packet is not watched.
    Untouched,
    /// Counted under this name alone; beside it as seen, when its port could be read.
    Counted(Counter),
    /// Kept, and reported as this flow: without hook, time and CPU.
    Kept(Box<Observation>),
}

/// Both engines.
pub struct Twin {
    pub(crate) host: HostEngine,
    pub(crate) kernel: Option<Kernel>,
    cpu: u16,
    alone: bool,
    frags: bool,
}

impl Twin {
    /// Gives both engines a frame.
    ///
    /// # Errors
    /// Any difference between the two.
    pub fn run(&mut self, entry: impl Into<Entry>, frame: &[u8]) -> Result<Effect> {
        self.repeat(entry, frame, 1)
    }

    /// Gives both engines a frame `times` times.
    ///
    /// # Errors
    /// Any difference between the two.
    pub fn repeat(&mut self, entry: impl Into<Entry>, frame: &[u8], times: u32) -> Result<Effect> {
        let entry = entry.into();
        let arrival = entry.arrival(frame);
        let before = self.host_counters();
        let mut verdict = Verdict::Foreign;
        for _ in 0..times {
            verdict = self.host.frame(frame, arrival);
        }
        let counted = difference(&self.host_counters(), &before);
        let records = timeless(self.host.take_records(), self.cpu)?;
        let effect = Effect { verdict, counted, records };
        adds_up(&effect, times)?;

        let takes = self.takes(entry, frame);
        let Some(kernel) = self.kernel.as_mut().filter(|_| takes) else {
            return Ok(effect);
        };
        let before = kernel.counters()?;
        let fate = kernel.run(entry, frame, times)?;
        ensure!(
            (fate == Fate::Dropped) == (verdict == Verdict::Dropped),
            "host and kernel ({entry:?}) disagree on {frame:02x?}: {verdict:?}, {fate:?}"
        );
        let counted = difference(&kernel.counters()?, &before);
        let cpu = kernel.cpu() as u16;
        let records = timeless(kernel.take_records(), cpu)?;
        let in_kernel = Effect { verdict, counted, records };
        if in_kernel.counted != effect.counted || in_kernel.records != effect.records {
            bail!(
                "host and kernel ({entry:?}) disagree on {frame:02x?}\nhost: {:?}\n{:02x?}\nkernel: {:?}\n{:02x?}",
                effect.changes(),
                effect.records,
                in_kernel.changes(),
                in_kernel.records
            );
        }
        Ok(effect)
    }

    /// How many CPUs both engines have: two, or one where the machine has no more.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.kernel.as_ref().map_or(2, Kernel::cpus)
    }

    /// Gives frames to another CPU from now on, by number.
    ///
    /// # Errors
    /// When there is no such CPU.
    pub fn move_to(&mut self, number: u16) -> Result<()> {
        self.host.set_cpu(number);
        self.cpu = number;
        self.kernel.as_mut().map_or(Ok(()), |kernel| kernel.move_to(usize::from(number)))
    }

    /// What a frame does by itself, at every hook alike; its IP packet, where it is nothing but that behind an Ethernet
    /// header, has to do the same where there is no such header. Before each hook a bystander takes the one slot, so that a
    /// kept frame opens a flow of its own.
    ///
    /// # Errors
    /// Any difference between the engines or between the hooks, and counts that are no single outcome.
    pub fn alone(&mut self, frame: &[u8]) -> Result<Outcome> {
        ensure!(self.alone, "a bystander needs an engine with one slot");
        // Of two services, because not every configuration watches both.
        let bystanders = [
            Frame::udp("10.255.255.254:9", "9.9.9.9:137").build(),
            Frame::tcp("10.255.255.254:9", "9.9.9.9:139").build(),
        ];
        let mut outcomes = Vec::new();
        for entry in ENTRIES {
            let frame = match entry.link {
                Link::Ethernet => frame,
                Link::Ip => match plain_packet(frame) {
                    Some(packet) => packet,
                    None => continue,
                },
            };
            for bystander in &bystanders {
                self.run(entry.hook, bystander)?;
            }
            outcomes.push(outcome(&self.run(entry, frame)?, entry.hook)?);
        }
        ensure!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "the hooks disagree: {outcomes:#?}");
        Ok(outcomes.swap_remove(0))
    }

    /// Whether BPF_PROG_TEST_RUN accepts the frame; other frames go to the host engine alone.
    #[must_use]
    pub fn takes(&self, entry: Entry, frame: &[u8]) -> bool {
        let linear = entry.hook != Hook::XdpIngress || !self.frags;
        runnable(entry.hook, frame) && !(linear && frame.len() > MAX_LINEAR_LEN)
    }

    /// Turns enforcement on in both engines for this many ticks from now, or off for none or fewer.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn enforce_for(&mut self, ticks: i32) -> Result<()> {
        // Time stands still on the host.
        self.host.enforce(Enforcement { on: 1, until: 0_u32.wrapping_add_signed(ticks) });
        self.kernel.as_mut().map_or(Ok(()), |kernel| kernel.enforce_for(ticks))
    }

    /// Ends enforcement in both.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn end_enforcement(&mut self) -> Result<()> {
        self.host.enforce(Enforcement { on: 0, until: u32::MAX / 4 });
        self.kernel.as_mut().map_or(Ok(()), Kernel::end_enforcement)
    }

    /// Puts these blocks into force in both engines, and no others. Their leases last for this many ticks from now; for none or
    /// fewer they are over.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn block(&mut self, blocks: &[(BlockKey, BlockEntry)], ticks: i32) -> Result<()> {
        self.host.block(blocks.to_vec(), Enforcement { on: 1, until: 0_u32.wrapping_add_signed(ticks) });
        self.kernel.as_mut().map_or(Ok(()), |kernel| kernel.block(blocks, ticks))
    }

    /// The kernel engine, if there is one.
    pub const fn kernel(&mut self) -> Option<&mut Kernel> {
        self.kernel.as_mut()
    }

    /// Has both engines count these flows of QUIC, and no others.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn count_quic(&mut self, flows: &[FiveTuple]) -> Result<()> {
        self.host.count_quic(flows);
        self.kernel.as_mut().map_or(Ok(()), |kernel| kernel.count_quic(flows))
    }

    /// The slots of the host that changed since this was last asked.
    pub fn changed_slots(&mut self) -> Vec<Slot> {
        let mut slots = Vec::new();
        self.host.sweep(|slot| slots.push(*slot));
        slots
    }

    pub(crate) fn host_counters(&self) -> CounterValues {
        CounterValues::of(|counter| self.host.counter(counter))
    }
}

impl Entry {
    /// How `frame` arrives here.
    pub(crate) const fn arrival(self, frame: &[u8]) -> Arrival {
        let Self { hook, link } = self;
        Arrival { hook, ifindex: TEST_RUN_IFINDEX, link, frame_len: frame.len() as u32, vlan: 0 }
    }
}

/// The IP packet in a frame that has nothing but an Ethernet header before it, if its version is the one that header says.
fn plain_packet(frame: &[u8]) -> Option<&[u8]> {
    let (header, packet) = frame.split_at_checked(ETHERNET_LEN)?;
    match (&header[12..], packet.first()? >> 4) {
        ([0x08, 0x00], 4) | ([0x86, 0xDD], 6) => Some(packet),
        _ => None,
    }
}

/// Whether BPF_PROG_TEST_RUN takes the frame, whose first bytes it always reads as Ethernet: a socket buffer with the
/// EtherType of IP has to hold an IP header (since 6.12 or so; real ones may be shorter). The rest meets the host engine alone, and XDP where that is possible.
fn runnable(hook: Hook, frame: &[u8]) -> bool {
    let header = match (hook, frame.get(12..ETHERNET_LEN)) {
        (Hook::TcIngress | Hook::TcEgress, Some([0x08, 0x00])) => 20,
        (Hook::TcIngress | Hook::TcEgress, Some([0x86, 0xDD])) => 40,
        _ => 0,
    };
    frame.len() >= ETHERNET_LEN + header
}

pub(crate) fn difference(after: &CounterValues, before: &CounterValues) -> CounterValues {
    CounterValues::of(|counter| after.get(counter) - before.get(counter))
}

/// Reads the single outcome of a frame beside a bystander.
fn outcome(effect: &Effect, hook: Hook) -> Result<Outcome> {
    let beside =
        |counter: &Counter| Counter::ENFORCEMENT.contains(counter) || *counter == Counter::PayloadSent;
    let changes: Vec<_> = effect.changes().into_iter().filter(|(counter, _)| !beside(counter)).collect();
    match changes.as_slice() {
        [] => Ok(Outcome::Untouched),
        [(counter, 1)] if Counter::UNPARSED.contains(counter) || *counter == Counter::QuicInitials => {
            Ok(Outcome::Counted(*counter))
        }
        [(Counter::Seen, 1), (counter, 1)] => Ok(Outcome::Counted(*counter)),
        // The bystander is settled, the frame's own flow opened.
        [(Counter::Seen, 1), (Counter::Kept, 1), (Counter::RecordsSent, 2), (Counter::Evicted, 1)] => {
            let [_settled, (_, mut reported)] = flows(&effect.records)?[..] else {
                bail!("no two records: {effect:?}")
            };
            reported.generation = 0;
            let mark = hook_mark(hook);
            ensure!(reported.marks & mark::HOOKS == mark, "{hook:?} is marked {:#x}", reported.marks);
            reported.marks &= !mark::HOOKS;
            Ok(Outcome::Kept(Box::new(reported)))
        }
        other => bail!("no single outcome: {other:?}"),
    }
}

const fn hook_mark(hook: Hook) -> u16 {
    match hook {
        Hook::XdpIngress => mark::HOOK_XDP_INGRESS,
        Hook::TcIngress => mark::HOOK_TC_INGRESS,
        Hook::TcEgress => mark::HOOK_TC_EGRESS,
    }
}

/// Checks the sums that hold for every frame: every watched packet has one outcome, and no frame is counted twice.
fn adds_up(effect: &Effect, times: u32) -> Result<()> {
    let (seen, outcomes) = (effect.counted.get(Counter::Seen), effect.counted.sum(Counter::OUTCOMES));
    ensure!(seen == outcomes, "seen {seen}, but outcomes {outcomes}: {:?}", effect.changes());
    ensure!(
        seen + effect.counted.sum(Counter::UNPARSED) <= u64::from(times),
        "counted twice: {:?}",
        effect.changes()
    );
    let expected = match effect.verdict {
        Verdict::Dropped if effect.counted.get(Counter::Blocked) != 0 => Some(Counter::Blocked),
        Verdict::Kept | Verdict::Evident | Verdict::Dropped => Some(Counter::Kept),
        Verdict::Passed(counter) => Some(counter),
        Verdict::Foreign | Verdict::Initial | Verdict::Unparsed(_) => None,
    };
    let fits = expected.map_or(seen == 0, |counter| effect.counted.get(counter) != 0);
    ensure!(fits, "verdict {:?} with counts {:?}", effect.verdict, effect.changes());
    let would = [Counter::WouldDropOutbound, Counter::WouldDropInbound, Counter::WouldDropBlocked];
    let dropped = [Counter::DroppedOutbound, Counter::DroppedInbound, Counter::DroppedBlocked];
    let (would, dropped) = (effect.counted.sum(&would), effect.counted.sum(&dropped));
    let fits = dropped <= would && (effect.verdict == Verdict::Dropped) == (dropped != 0);
    ensure!(fits, "verdict {:?} with counts {:?}", effect.verdict, effect.changes());
    Ok(())
}
