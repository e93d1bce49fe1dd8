//! The packet path in the kernel, fed by BPF_PROG_TEST_RUN.
//!
//! No interface is needed and no packet is sent: the kernel runs the program on a copy of the bytes and throws the copy
//! away.

use anyhow::{Context as _, Result, ensure};
use aya::{
    programs::{ProgramError, TestRun as _, TestRunOptions, Xdp},
    util::KernelVersion,
};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::{Pid, geteuid},
};
use sensor_common::{
    block::BlockEntry,
    headers::Link,
    settings::{Enforcement, Settings, feature},
    slot::{Hook, Slot},
};
use sensor_core::{address::FiveTuple, networks::PrefixSet, time::TickClock};
use sensor_user::{
    config::Config,
    engine::host::HostEngine,
    kernel::{
        blocks::BlockKey,
        counters::CounterValues,
        object::{KernelProgram, LoadPlan, program},
        prefixes::PrefixError,
        slots::SlotReader,
    },
    plan,
    response::Target,
};

/// Interface of frames in BPF_PROG_TEST_RUN: the loopback interface of the namespace.
pub const TEST_RUN_IFINDEX: u32 = 1;

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const TC_ACT_SHOT: u32 = 2;
const TC_ACT_UNSPEC: u32 = u32::MAX;

/// An entry point of the kernel program: a hook, and what the frames of its interface begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hook.
    pub hook: Hook,
    /// Link type.
    pub link: Link,
}

impl Entry {
    /// The one at `hook` for interfaces without an Ethernet header.
    #[must_use]
    pub const fn ip(hook: Hook) -> Self {
        Self { hook, link: Link::Ip }
    }
}

impl From<Hook> for Entry {
    fn from(hook: Hook) -> Self {
        Self { hook, link: Link::Ethernet }
    }
}

/// What the program says is to become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes.
    Passed,
    /// It is dropped.
    Dropped,
}

/// The settings of both engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Networks, exemptions and ports.
    pub config: Config,
    /// Flow slots of each CPU.
    pub slots_per_cpu: u32,
    /// Kernel ticks after which an untouched flow is over.
    pub idle_ticks: u32,
    /// Bytes of the record ring.
    pub ring_bytes: u32,
    /// Whether XDP takes frames in several buffers; otherwise the program is the one for kernels without them.
    pub frags: bool,
    /// Whether the programs are those for kernels older than Linux 6.2 ([`feature::SHORT`]).
    pub short: bool,
    /// What may be blocked: its addresses are marked.
    pub blocked: Vec<Target>,
}

impl Default for Setup {
    /// The default configuration with one slot, so that any two flows share it.
    fn default() -> Self {
        Self {
            config: Config::default(),
            slots_per_cpu: 1,
            idle_ticks: u32::MAX,
            ring_bytes: 1 << 20,
            frags: true,
            short: false,
            blocked: vec![],
        }
    }
}

impl Setup {
    /// The input for loading the kernel program; the hash seed is fixed.
    fn plan(&self) -> LoadPlan {
        // The tick length only matters for the idle time, which is set below.
        let plan = plan::load_plan(&self.config, TickClock::with_tick(1_000_000));
        let settings = Settings {
            seed: Settings::DEFAULT.seed,
            slots_per_cpu: self.slots_per_cpu,
            idle_ticks: self.idle_ticks,
            // Time stands still on the host, so no second ends in the kernel either.
            second: u32::MAX,
            features: plan.settings.features | if self.short { feature::SHORT } else { 0 },
            ..plan.settings
        };
        let marked: Vec<_> = self.blocked.iter().map(Target::marked).collect();
        let prefixes = plan::prefixes_with(&self.config, &marked);
        LoadPlan { settings, ring_bytes: self.ring_bytes, prefixes, ..plan }
    }

    /// The path on the host.
    #[must_use]
    pub fn host(&self) -> HostEngine {
        let plan = self.plan();
        let capacity = plan.capacity();
        HostEngine::new(plan.settings, plan.services, plan.prefixes, capacity)
    }

    /// The path in the kernel, or `None`, with a record of it, if `test` may not load programs.
    ///
    /// # Errors
    /// When the program does not load although the privilege is there.
    pub fn kernel(&self, test: &str) -> Result<Option<Kernel>> {
        privileged(test).then(|| self.load()).transpose()
    }

    /// The path in the kernel, on the current CPU.
    pub(crate) fn load(&self) -> Result<Kernel> {
        let plan = self.plan();
        let cpu = sched_getcpu().context("ask for the current CPU")?;
        // Slots and counters belong to a CPU, so the thread must not move by itself.
        let other = (0..CpuSet::count()).find(|other| *other != cpu && pin(*other).is_ok());
        pin(cpu)?;
        let cpus = std::iter::once(cpu).chain(other).collect();
        Ok(Kernel {
            program: KernelProgram::load(&plan)?,
            cpus,
            number: 0,
            frags: self.frags,
            blocks: vec![],
        })
    }
}

/// Keeps this thread on a CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu).context("name a CPU")?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("pin the thread to CPU {cpu}"))
}

/// Whether the kernel program can be loaded here; if not, records that `test` ran without it.
#[must_use]
pub fn privileged(test: &str) -> bool {
    let root = geteuid().is_root();
    if !root {
        sensor_lab::skip(test, "loading the kernel program takes root; the host engine alone was tested");
    }
    root
}

/// The loaded kernel program, fed by BPF_PROG_TEST_RUN on one CPU.
pub struct Kernel {
    program: KernelProgram,
    /// The CPU that it was loaded on, and another one if there is one.
    cpus: Vec<usize>,
    /// Which of them runs the program.
    number: usize,
    frags: bool,
    blocks: Vec<BlockKey>,
}

impl Kernel {
    /// The CPU that runs the program and owns the slots.
    #[must_use]
    pub fn cpu(&self) -> usize {
        self.cpus[self.number]
    }

    /// How many CPUs there are to run the program on: two, or one where the machine has no more.
    #[must_use]
    pub const fn cpus(&self) -> usize {
        self.cpus.len()
    }

    /// Runs the program on one of these CPUs from now on, by number.
    ///
    /// # Errors
    /// When there is no such CPU.
    pub fn move_to(&mut self, number: usize) -> Result<()> {
        if number != self.number {
            pin(*self.cpus.get(number).context("there is no other CPU")?)?;
            self.number = number;
        }
        Ok(())
    }

    /// Runs the program of an entry point on `frame`, `times` times; what it said of the last.
    ///
    /// # Errors
    /// When the kernel refuses the run, or when the program says anything but "pass on" and "drop".
    pub fn run(&mut self, entry: impl Into<Entry>, frame: &[u8], times: u32) -> Result<Fate> {
        let entry = entry.into();
        let options = TestRunOptions { data_in: Some(frame), repeat: times, ..TestRunOptions::new() };
        let (ran, passed, dropped): (Result<_, ProgramError>, u32, u32) = match entry.hook {
            Hook::XdpIngress => (self.xdp(entry.link)?.test_run(options), XDP_PASS, XDP_DROP),
            Hook::TcIngress | Hook::TcEgress => {
                let name = program::tc(entry.hook, entry.link);
                (self.program.classifier(name)?.test_run(options), TC_ACT_UNSPEC, TC_ACT_SHOT)
            }
        };
        let said =
            ran.with_context(|| format!("run {entry:?} on a frame of {} bytes", frame.len()))?.return_value;
        if said == dropped {
            return Ok(Fate::Dropped);
        }
        ensure!(said == passed, "{entry:?} returned {said}, neither {passed} nor {dropped}");
        Ok(Fate::Passed)
    }

    /// Like [`run`](Self::run), for a frame that must pass.
    ///
    /// # Errors
    /// As there, and when the program says "drop".
    pub fn inject(&mut self, entry: impl Into<Entry>, frame: &[u8], times: u32) -> Result<()> {
        let entry = entry.into();
        let fate = self.run(entry, frame, times)?;
        ensure!(fate == Fate::Passed, "{entry:?} dropped a frame: it must pass every packet on");
        Ok(())
    }

    /// The XDP program of the settings for frames that begin with `link`.
    fn xdp(&mut self, link: Link) -> Result<&mut Xdp> {
        if self.frags || link == Link::Ip {
            return Ok(self.program.xdp_for(link)?);
        }
        let xdp: &mut Xdp = self
            .program
            .ebpf()
            .and_then(|ebpf| ebpf.program_mut(program::XDP_IN))
            .context("no such program")?
            .try_into()?;
        if xdp.fd().is_err() {
            xdp.load().with_context(|| format!("load {}", program::XDP_IN))?;
        }
        Ok(xdp)
    }

    /// Turns enforcement on for this many ticks from now, or off for none or fewer.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn enforce_for(&mut self, ticks: i32) -> Result<()> {
        let until = self.program.ticks()?.wrapping_add_signed(ticks);
        Ok(self.program.enforcement.set(Enforcement { on: 1, until })?)
    }

    /// Ends enforcement.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn end_enforcement(&mut self) -> Result<()> {
        let until = self.program.ticks()?.wrapping_add(u32::MAX / 4);
        Ok(self.program.enforcement.set(Enforcement { on: 0, until })?)
    }

    /// Puts these blocks into force and no others, for this many ticks from now.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn block(&mut self, blocks: &[(BlockKey, BlockEntry)], ticks: i32) -> Result<()> {
        for key in self.blocks.drain(..) {
            self.program.blocks.remove(&key)?;
        }
        for (key, entry) in blocks {
            self.program.blocks.insert(key, *entry)?;
            self.blocks.push(*key);
        }
        let until = self.program.ticks()?.wrapping_add_signed(ticks);
        Ok(self.program.blocking.set(Enforcement { on: 1, until })?)
    }

    /// Packets of a block since it was put into force.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn blocked_packets(&self, number: u32) -> Result<u64> {
        Ok(self.program.blocks.packets(number)?)
    }

    /// The records since the last call.
    #[must_use]
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.program.records.take().map(<[u8]>::to_vec)).collect()
    }

    /// The counters.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn counters(&self) -> Result<CounterValues> {
        Ok(self.program.counters.read()?)
    }

    /// Packets that passed by exemption `number` since the last call.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn exempted(&mut self, number: u32) -> Result<u64> {
        let view = self.program.prefixes.view();
        Ok(self.program.exempted.take(view, number)?)
    }

    /// Applies another prefix set. Returns the number of first-table entries that are left to the tries.
    ///
    /// # Errors
    /// [`PrefixError`]; the old set stays active.
    pub fn put(&mut self, set: &PrefixSet) -> Result<u32, PrefixError> {
        self.program.prefixes.put(set)
    }

    /// Removes the marks from all ports on which SMB was recognised; returns the ports.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn unmark_ports(&mut self) -> Result<Vec<u16>> {
        let marked = self.program.ports.marked()?;
        self.program.ports.unmark(&marked)?;
        Ok(marked)
    }

    /// Counts these flows of QUIC, and no others.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn count_quic(&mut self, flows: &[FiveTuple]) -> Result<()> {
        Ok(self.program.quic.count(flows)?)
    }

    /// Another reader of the slots, for a thread of its own.
    ///
    /// # Errors
    /// If the slots cannot be mapped into memory again.
    pub fn slot_reader(&self) -> Result<SlotReader> {
        Ok(self.program.slots.another()?)
    }

    /// The slots of the current CPU that changed since the last call.
    #[must_use]
    pub fn sweep(&mut self) -> Vec<Slot> {
        self.sweep_of(self.number)
    }

    /// Those of a CPU, by number.
    #[must_use]
    pub(crate) fn sweep_of(&mut self, number: usize) -> Vec<Slot> {
        let mut found = Vec::new();
        self.program.slots.sweep(self.cpus[number], |_, slot| found.push(*slot));
        found
    }
}

/// Whether the kernel gives XDP programs frames in several buffers (Linux 5.18).
#[must_use]
pub fn has_xdp_frags() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(5, 18, 0))
}

/// Whether the kernel shows packets of its tunnels from the inner header on (Linux 5.14).
#[must_use]
pub fn has_inner_tunnel_headers() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(5, 14, 0))
}
