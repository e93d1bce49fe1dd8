//! Loads the embedded kernel object with its settings.
//!
//! Takes a [`LoadPlan`], gives a [`KernelProgram`]: verified programs and filled maps, attached to nothing yet.

mod pinned;

pub use self::pinned::{Origin, Replaced};

use std::path::PathBuf;

use aya::{
    Ebpf, EbpfLoader,
    maps::MapError,
    programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions, Xdp},
    util::KernelVersion,
};
use sensor_common::{
    headers::Link,
    settings::{Services, Settings, feature},
    topbits::BLOCK_V6_WORDS,
};
use thiserror::Error;
use zerocopy::IntoBytes;

use self::pinned::{EarlierRun, Pinning};
use super::{
    blocks::{self, BlockMaps},
    clock::{self, GivenClock},
    counters::{CounterValues, KernelCounters},
    enforce::{self, EnforcementSwitch},
    exempted::ExemptedPackets,
    pins::PinError,
    ports::{self, TcpPorts},
    prefixes::{PrefixError, PrefixMaps},
    program_runs::{self, ProgramRuns},
    programs::Programs,
    quic::{self, QuicFlows},
    ring::RecordRing,
    slots::SlotReader,
};
use sensor_core::networks::{Capacity, PrefixSet};

/// The compiled kernel object.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("SMB_SENSOR_BPF_OBJECT"));

/// The input for loading the program.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Hash seed, slots, idle time.
    pub settings: Settings,
    /// Watched ports.
    pub services: Box<Services>,
    /// The first prefix set.
    pub prefixes: PrefixSet,
    /// Capacity for prefixes.
    pub max_prefixes: u32,
    /// Size of the record ring, bytes; a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Whether the kernel program logs each watched packet.
    pub debug: bool,
}

impl LoadPlan {
    /// Leaves of each view: at most as many as prefixes.
    const fn v4_leaves(&self) -> u32 {
        self.max_prefixes
    }

    /// Capacity of the prefix tables.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        Capacity { v4_leaves: self.v4_leaves(), v6_blocks: self.settings.blocks_v6 }
    }
}

/// A loaded kernel program.
pub struct KernelProgram {
    programs: Programs,
    pinning: Option<Pinning>,
    /// Name of the XDP program that this kernel accepted, once it was loaded.
    xdp: Option<&'static str>,
    /// Records from the kernel.
    pub records: RecordRing,
    /// The flow slots.
    pub slots: SlotReader,
    /// The counters.
    pub counters: KernelCounters,
    /// The prefixes.
    pub prefixes: PrefixMaps,
    /// Counts of exempt packets.
    pub exempted: ExemptedPackets,
    /// Enforcement switch.
    pub enforcement: EnforcementSwitch,
    /// Lease of blocks.
    pub blocking: EnforcementSwitch,
    /// The blocks.
    pub blocks: BlockMaps,
    /// The watched TCP ports, and those on which SMB was recognised.
    pub ports: TcpPorts,
    /// The flows of QUIC that are counted.
    pub quic: QuicFlows,
    /// The clock of a replay.
    pub clock: GivenClock,
}

/// Why the program did not load.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The object could not be created in the kernel.
    #[error(
        "cannot create the kernel maps: {0}. Check `smb-sensor check`; less memory is used with fewer flow_slots and a smaller ring_bytes; in a container, its seccomp profile must allow bpf"
    )]
    Maps(#[source] aya::EbpfError),
    /// The verifier refused a program.
    #[error(
        "the kernel refused the program {name}: {}. Please report this with the kernel version (`uname -r`)",
        shortened(&source.to_string())
    )]
    Verifier {
        /// Program.
        name: &'static str,
        /// The kernel's message.
        #[source]
        source: ProgramError,
    },
    /// The embedded object lacks something: it does not belong to this agent.
    #[error("the embedded kernel object has no {0}: it does not belong to this agent; build both together")]
    Missing(&'static str),
    /// A map did not accept an entry.
    #[error("cannot write {what}: {source}")]
    Write {
        /// What was written.
        what: String,
        /// The kernel's message.
        #[source]
        source: MapError,
    },
    /// The prefixes could not be written.
    #[error(transparent)]
    Prefixes(#[from] PrefixError),
    /// The kernel's tick count cannot be read.
    #[error("cannot read the kernel's tick count: {source}")]
    Clock {
        /// The kernel's message.
        #[source]
        source: ProgramError,
    },
    /// The slots could not be mapped.
    #[error("cannot map the flow slots into memory: {0}")]
    Slots(#[source] std::io::Error),
    /// The ring could not be mapped.
    #[error("cannot map the record ring into memory: {0}. A smaller kernel.ring_bytes takes less")]
    Ring(#[source] std::io::Error),
    /// Something pinned does not work.
    #[error(transparent)]
    Pins(#[from] PinError),
    /// The prefix tables could not be mapped.
    #[error("cannot map the prefix tables into memory: {0}")]
    Tables(#[source] std::io::Error),
}

/// The beginning and the end of the verifier's log: what failed and where. The debug log has all of it.
fn shortened(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    if lines.len() <= 12 {
        return words.to_owned();
    }
    tracing::debug!("{words}");
    format!("{}\n…\n{}", lines[0], lines[lines.len() - 8..].join("\n"))
}

/// Names of the programs in the object.
pub mod program {
    use sensor_common::{headers::Link, slot::Hook};

    /// XDP ingress.
    pub const XDP_IN: &str = "smb_xdp_in";
    /// XDP ingress, also of frames in several buffers.
    pub const XDP_FRAGS: &str = "smb_xdp_frags";
    /// XDP ingress of an interface whose packets begin with the IP header.
    pub const XDP_IP: &str = "smb_xdp_ip";
    /// TC ingress.
    pub const TC_IN: &str = "smb_tc_in";
    /// TC egress.
    pub const TC_OUT: &str = "smb_tc_out";
    /// TC ingress of an interface whose packets begin with the IP header.
    pub const TC_IP_IN: &str = "smb_tc_ip_in";
    /// TC egress of such an interface.
    pub const TC_IP_OUT: &str = "smb_tc_ip_out";
    /// The kernel's tick count; run by hand, attached to nothing.
    pub const CLOCK: &str = "smb_clock";

    /// Those that run for packets.
    pub const PACKET_PATH: &[&str] = &[XDP_IN, XDP_FRAGS, XDP_IP, TC_IN, TC_OUT, TC_IP_IN, TC_IP_OUT];

    /// The TC program of a hook for an interface whose frames begin with `link`.
    #[must_use]
    pub const fn tc(hook: Hook, link: Link) -> &'static str {
        match (hook, link) {
            (Hook::TcEgress, Link::Ethernet) => TC_OUT,
            (_, Link::Ethernet) => TC_IN,
            (Hook::TcEgress, Link::Ip) => TC_IP_OUT,
            (_, Link::Ip) => TC_IP_IN,
        }
    }
}

impl KernelProgram {
    /// The counters, with what agents added to them.
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn counter_values(&self) -> Result<CounterValues, MapError> {
        Ok(self.counters.read()?.with_left_out(self.records.records_left_out()))
    }

    /// Makes and fills the maps; programs are verified when they are first used.
    ///
    /// # Errors
    /// [`LoadError`], with what to do; nothing stays behind in the kernel.
    pub fn load(plan: &LoadPlan) -> Result<Self, LoadError> {
        let settings = for_verifier(plan.settings, KernelVersion::current().ok());
        let ebpf = Self::make_maps(plan, settings, &[])?;
        Self::over(Programs::Object(Box::new(ebpf)), plan, None)
    }

    /// Makes the maps, apart from those that are pinned in these files.
    fn make_maps(
        plan: &LoadPlan,
        settings: Settings,
        pinned: &[(String, PathBuf)],
    ) -> Result<Ebpf, LoadError> {
        let cpus = cpus()?;
        let log_level: u8 = if plan.debug { aya_log::Level::Debug as u8 } else { 0 };
        // The loader reads the kernel's BTF by itself, if there is any.
        let mut loader = EbpfLoader::new();
        for (name, path) in pinned {
            loader.map_pin_path(name, path);
        }
        loader
            .override_global("SETTINGS", settings.as_bytes(), true)
            .override_global(aya_log::LEVEL, &log_level, true)
            .map_max_entries("SLOTS", plan.settings.slots_per_cpu * cpus)
            // Two views of everything.
            .map_max_entries("PREFIXES_V4", 2 * plan.max_prefixes)
            .map_max_entries("PREFIXES_V6", 2 * plan.max_prefixes)
            .map_max_entries("LEAVES_V4", 2 * plan.v4_leaves())
            .map_max_entries("BLOCKS_V6", 2 * plan.settings.blocks_v6 * BLOCK_V6_WORDS)
            .map_max_entries("RECORDS", plan.ring_bytes)
            .load(OBJECT)
            .map_err(LoadError::Maps)
    }

    /// Opens and fills the maps of these programs. `before` is what they were filled with by an earlier run.
    fn over(mut programs: Programs, plan: &LoadPlan, before: Option<&EarlierRun>) -> Result<Self, LoadError> {
        if let Programs::Object(_) = programs {
            programs.load::<Xdp>(program::CLOCK)?;
        }
        let mut take = |name| programs.take_map(name);
        let (tcp, udp) = before.map(|before| (&*before.tcp_ports, &*before.udp_ports)).unzip();
        let ports = TcpPorts::open(take(ports::SECTION)?, &plan.services.tcp, tcp)?;
        let (udp_ports, flows) = (take(quic::SECTION)?, take("QUIC_FLOWS")?);
        let quic = QuicFlows::open(udp_ports, flows, &plan.services.udp, udp)?;
        let records = RecordRing::open(take("RECORDS")?)?;
        let slots = SlotReader::open(take("SLOTS")?, plan.settings.slots_per_cpu, cpus()?)?;
        let counters = KernelCounters::open(take("COUNTERS")?)?;
        let mut prefixes = PrefixMaps::open(
            &mut take,
            plan.capacity(),
            plan.max_prefixes as usize,
            before.map(|before| before.view),
        )?;
        let unblocked = prefixes.put(&plan.prefixes)?;
        let exempted = ExemptedPackets::open(take("EXEMPTED")?, before.is_some())?;
        let enforcement = EnforcementSwitch::open(take(enforce::SECTION)?)?;
        let blocking = EnforcementSwitch::open(take(blocks::SECTION)?)?;
        let blocks = BlockMaps::open(take("BLOCKS")?, take("BLOCK_PACKETS")?)?;
        let clock = GivenClock::open(take(clock::SECTION)?)?;
        if unblocked > 0 {
            tracing::warn!("{}", super::prefixes::unblocked(unblocked));
        }
        Ok(Self {
            programs,
            pinning: None,
            xdp: None,
            records,
            slots,
            counters,
            prefixes,
            exempted,
            enforcement,
            blocking,
            blocks,
            ports,
            quic,
            clock,
        })
    }

    /// The kernel's tick count (low 32 bits of jiffies) now.
    ///
    /// # Errors
    /// If the kernel does not run the program that reads it.
    pub fn ticks(&mut self) -> Result<u32, LoadError> {
        // The program reads no byte; the kernel requires a frame of at least an Ethernet header.
        let frame = [0; 64];
        let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::new() };
        let clock: &mut Xdp = self.programs.find(program::CLOCK)?;
        let result = clock.test_run(options).map_err(|source| LoadError::Clock { source })?;
        Ok(result.return_value)
    }

    /// The XDP program, verified when it is first used.
    ///
    /// # Errors
    /// If the kernel refuses it, or the embedded object lacks it.
    pub fn xdp(&mut self) -> Result<&mut Xdp, LoadError> {
        let name = match self.xdp {
            Some(name) => name,
            None => *self.xdp.insert(self.programs.load_xdp()?),
        };
        self.programs.find(name)
    }

    /// The XDP program for an interface whose frames begin with `link`, verified when it is first used.
    ///
    /// # Errors
    /// If the kernel refuses it, or the embedded object lacks it.
    pub fn xdp_for(&mut self, link: Link) -> Result<&mut Xdp, LoadError> {
        if link == Link::Ethernet {
            return self.xdp();
        }
        if self.programs.find::<Xdp>(program::XDP_IP)?.fd().is_err() {
            self.programs.load::<Xdp>(program::XDP_IP)?;
        }
        self.programs.find(program::XDP_IP)
    }

    /// A TC program by [`program`] name, verified when it is first used.
    ///
    /// # Errors
    /// If the kernel refuses it, or the embedded object lacks it.
    pub fn classifier(&mut self, name: &'static str) -> Result<&mut SchedClassifier, LoadError> {
        if self.programs.find::<SchedClassifier>(name)?.fd().is_err() {
            self.programs.load::<SchedClassifier>(name)?;
        }
        self.programs.find(name)
    }

    /// Lets the kernel verify every program, whether or not it will be used.
    ///
    /// # Errors
    /// The first refusal.
    pub fn verify(&mut self) -> Result<(), LoadError> {
        self.xdp()?;
        self.xdp_for(Link::Ip)?;
        for name in [program::TC_IN, program::TC_OUT, program::TC_IP_IN, program::TC_IP_OUT] {
            self.classifier(name)?;
        }
        Ok(())
    }

    /// What the programs of the packet path have cost; nothing while the kernel does not measure it.
    #[must_use]
    pub fn program_runs(&self) -> Vec<ProgramRuns> {
        if program_runs::are_measured() { program_runs::of(&self.programs) } else { vec![] }
    }

    /// The object, unless pinned programs are used without it.
    pub fn ebpf(&mut self) -> Option<&mut Ebpf> {
        match &mut self.programs {
            Programs::Object(ebpf) => Some(ebpf),
            Programs::Pinned { .. } => None,
        }
    }
}

/// The settings with which a kernel of this version can verify the programs. Before 6.2 a verifier distinguishes all numbers in
/// a program of several functions, whether or not they matter, and so gives up on the full program.
fn for_verifier(mut settings: Settings, kernel: Option<KernelVersion>) -> Settings {
    if kernel.is_some_and(|version| version < KernelVersion::new(6, 2, 0)) {
        settings.features |= feature::SHORT;
    }
    settings
}

/// CPUs that there may be.
fn cpus() -> Result<u32, LoadError> {
    Ok(aya::util::nr_cpus().map_err(|(_, error)| LoadError::Slots(error))? as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_verifier_gets_fewer_paths() {
        let is_short =
            |kernel: Option<KernelVersion>| for_verifier(Settings::DEFAULT, kernel).has(feature::SHORT);
        assert!(is_short(Some(KernelVersion::new(5, 10, 0))));
        assert!(is_short(Some(KernelVersion::new(6, 1, 176))));
        assert!(!is_short(Some(KernelVersion::new(6, 2, 0))));
        assert!(!is_short(None));
    }
}
