//! The packet path as a replay drives it: in the kernel or on the host, with the same settings, so that both tell the same.

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
use sensor_core::networks::Capacity;

/// Interface that the kernel pretends a frame of BPF_PROG_TEST_RUN passes: the loopback interface.
pub const INTERFACE: u32 = 1;

/// Bytes of a frame that the kernel holds in one piece when it runs the program by hand: a page without what it needs
/// itself. The rest is in further buffers, and the program takes the first one for the frame's length.
const LINEAR: usize = 3_520;

/// Bytes of a frame that are looked at: what the kernel takes, and more than an IP packet can have.
pub const MAX_FRAME_LEN: usize = 66_000;

/// The packet path.
pub trait Engine {
    /// Takes an Ethernet frame at a tick.
    ///
    /// # Errors
    /// When the kernel does not run the program.
    fn frame(&mut self, frame: &[u8], ticks: u32) -> Result<()>;

    /// Gives the records since the last call.
    fn records(&mut self, each: &mut dyn FnMut(&[u8]));

    /// Gives the slots that changed since the last call.
    ///
    /// # Errors
    /// When the kernel does not tell.
    fn sweep(&mut self, each: &mut dyn FnMut(&Slot)) -> Result<()>;

    /// The counters.
    ///
    /// # Errors
    /// When the kernel does not tell.
    fn counters(&self) -> Result<CounterValues>;

    /// Forgets all flows and counts.
    ///
    /// # Errors
    /// When the kernel does not take the program again.
    fn reset(&mut self) -> Result<()>;

    /// Puts networks, threat lists and exemptions of a configuration into force.
    ///
    /// # Errors
    /// When the kernel does not take them.
    fn put_prefixes(&mut self, config: &Config) -> Result<()>;
}

/// What both engines are made from. The seed is the same each time: whoever made the capture does not choose slots by it.
fn load_plan(config: &Config) -> LoadPlan {
    let plan = plan::load_plan(config, ReplayClock::ticks());
    let settings = Settings {
        seed: Settings::DEFAULT.seed,
        features: plan.settings.features | feature::GIVEN_CLOCK,
        ..plan.settings
    };
    LoadPlan { settings, ..plan }
}

/// The path on the host: no privileges needed.
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

impl Engine for Host {
    fn frame(&mut self, frame: &[u8], ticks: u32) -> Result<()> {
        let arrival = Arrival {
            hook: Hook::XdpIngress,
            ifindex: INTERFACE,
            link: Link::Ethernet,
            frame_len: frame.len().min(LINEAR) as u32,
            vlan: 0,
        };
        self.0.set_now(ticks);
        self.0.frame(frame, arrival);
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

    fn put_prefixes(&mut self, config: &Config) -> Result<()> {
        self.0.put_prefixes(plan::prefixes(config), self.1);
        Ok(())
    }
}

/// The path in the kernel: the very program that guards the wire, run by hand on one CPU and attached to nothing.
pub struct Kernel {
    plan: LoadPlan,
    program: KernelProgram,
    cpu: usize,
    /// Packets that were kept at the last sweep.
    swept: u64,
}

impl Kernel {
    /// Loads the program, and keeps this thread on its CPU: slots belong to one.
    ///
    /// # Errors
    /// When the kernel does not take the program.
    pub fn new(config: &Config) -> Result<Self> {
        let cpu = sched_getcpu().context("cannot tell which CPU this is")?;
        let mut only = CpuSet::new();
        only.set(cpu).with_context(|| format!("cannot name CPU {cpu}"))?;
        sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("cannot stay on CPU {cpu}"))?;
        let plan = load_plan(config);
        let program = KernelProgram::load(&plan)?;
        Ok(Self { plan, program, cpu, swept: 0 })
    }
}

impl Engine for Kernel {
    fn frame(&mut self, frame: &[u8], ticks: u32) -> Result<()> {
        self.program.clock.set(ticks)?;
        let program = self.program.xdp()?;
        let run = |frame| program.test_run(TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() });
        // A kernel before 5.18 takes one piece alone; the headers are in it.
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
            self.program.slots.sweep(self.cpu, each);
        }
        Ok(())
    }

    fn counters(&self) -> Result<CounterValues> {
        self.program.counters.read().context("cannot read the kernel's counters")
    }

    fn reset(&mut self) -> Result<()> {
        self.program = KernelProgram::load(&self.plan)?;
        self.swept = 0;
        Ok(())
    }

    fn put_prefixes(&mut self, config: &Config) -> Result<()> {
        // Whatever loads the program again begins with these.
        self.plan.prefixes = plan::prefixes(config);
        self.program.prefixes.put(&self.plan.prefixes).context("cannot put prefixes into force")?;
        Ok(())
    }
}
