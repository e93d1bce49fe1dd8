//! The start: everything that can fail without a trace comes first, the interfaces last.

use anyhow::{Context as _, Result, bail};
use aya_log::EbpfLogger;
use log::{info, warn};
use tokio::time::Instant;

use super::{Sensor, known_traffic::KnownTraffic, timekeeping};
use crate::{rfc3339::rfc3339, config::Config, control::{self, Control}, enforcement::{Enforcement, Now, permitted}, journal::Journal, kernel::{
        attach::Attached, boot, interface::Interface, object::KernelProgram, privileges, ticks::TickClock,
    }, output::Output, owner, pipeline::Pipeline, plan, record::Recording, terms::{KnownTerms as _, Terms}};
use sensor_dissect::FingerprintKey;

impl Sensor {
    /// Attaches and gets everything ready; gives the socket over which commands come.
    ///
    /// # Errors
    /// What is missing, with what to do; nothing stays attached.
    pub(super) fn start(config: Config) -> Result<(Self, Control)> {
        if config.interfaces.is_empty() {
            bail!(
                "no interface is named: give --iface, or `interfaces` in the configuration; there are: {}",
                Interface::names().join(", ")
            );
        }
        let mut interfaces: Vec<Interface> = Vec::new();
        for name in &config.interfaces {
            let interface = Interface::named(name)?;
            if interfaces.iter().all(|known| known.index != interface.index) {
                interfaces.push(interface);
            }
        }
        if config.enforcement.active {
            permitted(config.profile).map_err(anyhow::Error::msg)?;
        }
        let missing = privileges::missing();
        if !missing.is_empty() {
            let names: Vec<_> = missing
                .iter()
                .map(|needed| format!("{} (to {})", needed.capability, needed.purpose))
                .collect();
            bail!("missing privileges: {}; {}", names.join(", "), privileges::FIX);
        }
        let clock = TickClock::of_this_kernel().context("cannot read the kernel's tick length")?;
        let boot = boot::id();
        let (now, clocks) = timekeeping::read(clock, boot)?;
        let mut terms = Terms::open(&config.state_dir, &config.detection.windows, clocks)?
            .learning_for(config.detection.learning_hours);
        let key = fingerprint_key::kept_in(&config.state_dir)
            .context("cannot keep the key of credential fingerprints in the state directory")?;
        let journal = Journal::open(&config.state_dir, config.journal, config.flow_documents)?;
        let control = Control::listen(&config.state_dir, Some(journal.reader())).with_context(|| {
            let socket = control::socket(&config.state_dir);
            format!(
                "cannot listen for commands at {}; give each agent a --state-dir of its own",
                socket.display()
            )
        })?;
        let output = Output::open(config.output.as_deref(), journal)?;

        let mut kernel = KernelProgram::load(&plan::load_plan(&config.at(now.at), clock))?;
        let clock = clock.set_by(kernel.ticks()?).context("cannot read the clock")?;
        let kernel_log = if config.kernel.debug {
            Some(EbpfLogger::init(kernel.ebpf()).context("cannot read the kernel program's log")?)
        } else {
            None
        };
        for warning in plan::network_warnings(&config, &interfaces) {
            warn!("{warning}");
        }
        let mut enforcement = Enforcement::Off;
        if config.enforcement.active {
            let now = Now::of(clock).context("cannot read the clock")?;
            enforcement = Enforcement::on(now, config.enforcement.expire_after);
            kernel.enforcement.set(enforcement.for_kernel(now, clock))?;
            warn!("enforcement is {enforcement}");
        }
        // Before the interfaces, so that the first packets of what is watched are there.
        let recording = Recording::start(&config.record, &config.watched(), &interfaces)?;
        // Before the interfaces, so that whoever opens a watched conversation is known.
        let owners = owner::start(&config.process, clock);
        let mut attached = Vec::new();
        for interface in interfaces.clone() {
            let one = Attached::new(&mut kernel, interface, config.kernel.ingress, config.kernel.tc)?;
            info!("watching {}: incoming by {}, outgoing by {}", one.interface.name, one.ingress, one.egress);
            attached.push(one);
            // A verifier that takes its time can outlast the lease.
            let now = Now::of(clock).context("cannot read the clock")?;
            kernel.enforcement.set(enforcement.for_kernel(now, clock))?;
        }
        info!(
            "ready: profile {}, {} destinations known, {} KiB of flow slots, {} KiB of ring",
            config.profile,
            terms.destinations(),
            kernel.slots.bytes() / 1024,
            config.kernel.ring_bytes / 1024
        );
        if let Some(until) = terms.learning_until(now.at) {
            info!(
                "learning until {} which SMB servers on the Internet are in use: no destination is told of as rare before. \
                 detection.learning_hours sets it, --learning-hours 0 ends it",
                rfc3339(until)
            );
        }
        let mut pipeline = Pipeline::new(&config, clock, terms, output, &interfaces, owners)
            .with_fingerprint_key(key)
            .with_recording(recording);
        let known = KnownTraffic::of(&config, now.at);
        pipeline.exemptions().restore(known.hits().hits());
        if let Some(told) = pipeline.exemptions().report(now.at) {
            info!("{told}");
        }
        if !config.threats.is_empty() {
            info!("threat lists: {} prefixes on {}", config.threats.len(), config.threat_lists.len());
        }
        let swept = vec![0; kernel.slots.cpus()];
        let sensor = Self {
            attached,
            kernel,
            swept,
            kernel_log,
            pipeline,
            clock,
            boot,
            enforcement,
            known,
            ports_looked: Instant::now(),
            config,
        };
        Ok((sensor, control))
    }
}
