//! The packet path of a replay: in the kernel or on the host, with the same settings, so that both give the same results.

use anyhow::{Context as _, Result};
use aya::programs::{TestRun as _, TestRunOptions};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use sensor_common::{
    counter::Counter,
    headers::Link,
    path::Arrival,
    settings::{Settings, feature},
    slot::{Hook, Slot},
};

use super::clock::ReplayClock;
use crate::{
    config::Config,
    engine::host::HostEngine,
    kernel::{
        counters::CounterValues,
        object::{KernelProgram, LoadPlan},
    },
    plan,
};
use sensor_core::{
    address::FiveTuple,
    networks::{Capacity, PrefixSet},
};

/// Interface of frames in BPF_PROG_TEST_RUN: the loopback interface.
pub const INTERFACE: u32 = 1;

/// Most bytes of a frame in one buffer when the kernel runs the program by hand: a page minus the kernel's own
/// space. The rest is in further buffers, and the program takes the first one for the frame's length.
const LINEAR: usize = 3_520;

/// Most bytes of a frame that are processed: the kernel's limit, and more than an IP packet can have.
pub const MAX_FRAME_LEN: usize = 66_000;

/// The packet path.
pub trait Engine {
    /// Processes an Ethernet frame at a tick.
    ///
    /// # Errors
    /// If the kernel does not run the program.
    fn frame(&mut self, frame: &[u8], ticks: u32) -> Result<()>;

    /// Passes on the records since the last call.
    fn records(&mut self, each: &mut dyn FnMut(&[u8]));

    /// Passes on the slots that changed since the last call.
    ///
    /// # Errors
    /// If the kernel does not give them.
    fn sweep(&mut self, each: &mut dyn FnMut(&Slot)) -> Result<()>;

    /// The counters.
    ///
    /// # Errors
    /// If the kernel does not give them.
    fn counters(&self) -> Result<CounterValues>;

    /// Forgets all flows and counts.
    ///
    /// # Errors
    /// If the kernel does not load the program again.
    fn reset(&mut self) -> Result<()>;

    /// Counts these flows of QUIC from now on, and no others.
    ///
    /// # Errors
    /// If the kernel does not accept them.
    fn count_quic(&mut self, flows: &[FiveTuple]) -> Result<()>;

    /// Applies networks, threat lists and exemptions of a configuration.
    ///
    /// # Errors
    /// If the kernel does not accept them.
    fn put_prefixes(&mut self, config: &Config) -> Result<()>;
}

/// The input of both engines. The seed is fixed: the maker of a capture cannot gain anything by choosing slots.
fn load_plan(config: &Config) -> LoadPlan {
    let plan = plan::load_plan(config, ReplayClock::ticks());
    let settings = Settings {
        seed: Settings::DEFAULT.seed,
        features: plan.settings.features | feature::GIVEN_CLOCK,
        ..plan.settings
    };
    LoadPlan { settings, ..plan }
}

/// The path on the host, without privileges.
pub struct Host(HostEngine, Capacity);

impl Host {
    /// With empty slots.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let plan = load_plan(config);
        let capacity = plan.capacity();
        Self(HostEngine::new(plan.settings, plan.services, plan.prefixes, capacity), capacity)
    }
}

/// How a frame arrives.
fn arrival(frame: &[u8]) -> Arrival {
    Arrival {
        hook: Hook::XdpIngress,
        ifindex: INTERFACE,
        link: Link::Ethernet,
        frame_len: frame.len().min(LINEAR) as u32,
        vlan: 0,
    }
}

impl Engine for Host {
    fn frame(&mut self, frame: &[u8], ticks: u32) -> Result<()> {
        self.0.set_now(ticks);
        self.0.frame(frame, arrival(frame));
        Ok(())
    }

    fn records(&mut self, each: &mut dyn FnMut(&[u8])) {
        for record in self.0.take_records() {
            each(&record);
        }
    }

    fn sweep(&mut self, each: &mut dyn FnMut(&Slot)) -> Result<()> {
        self.0.sweep(each);
        Ok(())
    }

    fn counters(&self) -> Result<CounterValues> {
        Ok(CounterValues::of(|counter| self.0.counter(counter)))
    }

    fn reset(&mut self) -> Result<()> {
        self.0.reset();
        Ok(())
    }

    fn count_quic(&mut self, flows: &[FiveTuple]) -> Result<()> {
        self.0.count_quic(flows);
        Ok(())
    }

    fn put_prefixes(&mut self, config: &Config) -> Result<()> {
        self.0.put_prefixes(plan::prefixes(config), self.1);
        Ok(())
    }
}

/// The path in the kernel: the same program as on interfaces, run by hand on one CPU and attached to nothing.
///
/// Most frames of a capture are not watched. Those of which the fast path shows it are not passed to the kernel: a run of the
/// program costs several times as much, and would change nothing.
pub struct Kernel {
    plan: LoadPlan,
    program: KernelProgram,
    /// Decides which frames are not passed on.
    filter: HostEngine,
    cpu: usize,
    /// Kept packets at the last sweep.
    swept: u64,
}

impl Kernel {
    /// Loads the program, and pins this thread to its CPU, because slots belong to one.
    ///
    /// # Errors
    /// If the kernel does not accept the program.
    pub fn new(config: &Config) -> Result<Self> {
        let cpu = sched_getcpu().context("cannot find the current CPU")?;
        let mut only = CpuSet::new();
        only.set(cpu).with_context(|| format!("cannot name CPU {cpu}"))?;
        sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("cannot stay on CPU {cpu}"))?;
        let plan = load_plan(config);
        let program = KernelProgram::load(&plan)?;
        let filter = filter(&plan);
        Ok(Self { plan, program, filter, cpu, swept: 0 })
    }
}

/// An engine that only looks at ports and payload: it accounts nothing, and needs no prefixes.
fn filter(plan: &LoadPlan) -> HostEngine {
    let settings = Settings { slots_per_cpu: 1, ..plan.settings };
    HostEngine::new(
        settings,
        plan.services.clone(),
        PrefixSet::default(),
        Capacity { v4_leaves: 0, v6_blocks: 0 },
    )
}

impl Engine for Kernel {
    fn frame(&mut self, frame: &[u8], ticks: u32) -> Result<()> {
        if self.filter.is_foreign(frame, arrival(frame)) {
            return Ok(());
        }
        self.program.clock.set(ticks)?;
        let program = self.program.xdp()?;
        let run = |frame| program.test_run(TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() });
        // A kernel before 5.18 accepts only one buffer; the headers are in it.
        let ran = run(frame).or_else(|refused| frame.get(..LINEAR).map_or(Err(refused), run));
        ran.with_context(|| {
            format!("the kernel does not run the program on a frame of {} bytes", frame.len())
        })?;
        Ok(())
    }

    fn records(&mut self, each: &mut dyn FnMut(&[u8])) {
        while let Some(record) = self.program.records.take() {
            each(record);
        }
    }

    fn sweep(&mut self, each: &mut dyn FnMut(&Slot)) -> Result<()> {
        let kept = self.counters()?.get(Counter::Kept);
        if self.swept != kept {
            self.swept = kept;
            self.program.slots.sweep(self.cpu, |_, slot| each(slot));
        }
        Ok(())
    }

    fn counters(&self) -> Result<CounterValues> {
        self.program.counter_values().context("cannot read the kernel's counters")
    }

    fn reset(&mut self) -> Result<()> {
        self.program = KernelProgram::load(&self.plan)?;
        self.filter.reset();
        self.swept = 0;
        Ok(())
    }

    fn count_quic(&mut self, flows: &[FiveTuple]) -> Result<()> {
        self.filter.count_quic(flows);
        self.program.quic.count(flows).context("cannot count flows of QUIC")
    }

    fn put_prefixes(&mut self, config: &Config) -> Result<()> {
        // Loading the program again starts with these.
        self.plan.prefixes = plan::prefixes(config);
        self.program.prefixes.put(&self.plan.prefixes).context("cannot apply prefixes")?;
        Ok(())
    }
}
