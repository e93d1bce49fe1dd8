//! The start: steps that can fail without side effects come first, the interfaces last.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use aya_log::EbpfLogger;
use caps::Capability;
use sensor_core::{
    Core, Start, rules,
    terms::{KnownTerms, TermAnswer},
};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tracing::{info, warn};

use super::{
    Sensor, blocking,
    executing::Exec,
    files::Files,
    health::HealthReport,
    interfaces::{self, Refused},
    known_traffic::KnownTraffic,
    restarting,
    service_manager::ServiceManager,
    status::Since,
    timekeeping,
};
use crate::{
    config::{AttributionChoice, Config},
    control::{self, Control},
    ecs,
    enforcement::{Enforcement, Now, permitted},
    enrich::{Enriching, LookupSender},
    fingerprint_key,
    health::HealthBoard,
    http::{Http, LoadConfig, ReloadState},
    kernel::{attach::Attached, boot, interface::Interface, object::Origin, privileges, ticks::KernelClock},
    latency::Stages,
    names::resolver::Names,
    output::StoreOutput,
    owner,
    pipeline::{Following, Pipeline},
    plan,
    record::Recording,
    rfc3339::rfc3339,
    runtime::{Lease, Supervisor, confine::restrict_calls},
    shared_terms,
    sinks::{Sinks, Surroundings},
    state::Restored,
    storage::{FLOW_DOCUMENTS, Opened, RingPlace, RowBatch, Writer},
};

/// Time for which closed incidents are kept in memory: activity that shows nothing new continues them.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

impl Sensor {
    /// Attaches the programs and prepares the agent; returns it with the control socket and the answers of other sensors.
    ///
    /// # Errors
    /// The missing part, with what to do; nothing stays attached that was not before.
    pub(super) fn start(
        config: Config,
        (files, names, lookups): (Files, Names, LookupSender),
        load: LoadConfig,
        learnt: Arc<Notify>,
        supervisor: &Supervisor,
    ) -> Result<(Self, Control, mpsc::Receiver<TermAnswer>)> {
        let began = Instant::now();
        if config.interfaces.is_empty() {
            bail!(
                "no interface is named: give --iface, or `interfaces` in the configuration; there are: {}",
                Interface::names().join(", ")
            );
        }
        let interfaces = interfaces::present(&config.interfaces)?;
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
        let clock = KernelClock::of_this_kernel().context("cannot read the kernel's tick length")?;
        let boot = boot::id();
        let (now, clocks) = timekeeping::read(clock, boot)?;
        let Opened { writer, handle, rows } =
            Writer::open(&config.state_dir, config.journal, (now.at - REMEMBERED).unix_nanos())?;
        let key = fingerprint_key::kept_in(&config.state_dir)
            .context("cannot keep the key of credential fingerprints in the state directory")?;
        let exec = Exec::start(&config, supervisor)?;
        let control = Control::listen(&config.state_dir, supervisor).with_context(|| {
            let socket = control::socket(&config.state_dir);
            format!(
                "cannot listen for commands at {}; give each agent a --state-dir of its own",
                socket.display()
            )
        })?;
        // For those who look for summaries and find none. A channel that nobody has used has room.
        let _ = handle.submit(RowBatch {
            meta: vec![(FLOW_DOCUMENTS, vec![u8::from(config.has_flow_summaries())])],
            ..RowBatch::default()
        });
        // Before the store, which counts for each what it removes.
        let flows = config.flow_documents;
        let health = Arc::new(HealthBoard::default());
        let rare = rules::rare_destination::META.id;
        let window =
            Duration::from_secs(config.detection.windows.days(rare).unwrap_or(0).saturating_mul(86_400));
        let (asking, answering, answers) = shared_terms::channel(window);
        let mut sinks = Sinks::new(Surroundings {
            state_dir: config.state_dir.clone(),
            flows,
            store: handle.clone(),
            health: Arc::clone(&health),
            changed: learnt,
            terms: answering,
            spawner: supervisor.spawner(),
        })?;
        sinks.start_all(&config.outputs)?;
        supervisor.spawn("store-writer", move || writer.run()).context("cannot start the store")?;
        let stages = Stages { store: handle.committed().latency().clone(), ..Stages::default() };
        let http = config
            .http
            .as_ref()
            .map(|options| {
                Http::start(options, &config.state_dir, handle.committed().clone(), load, supervisor)
            })
            .transpose()?;
        if let Some(http) = &http {
            http.show_fleets(&config.outputs);
        }
        let restored = Restored::of(&rows);
        let terms = KnownTerms::restore(
            &config.detection.windows,
            Duration::from_secs(config.detection.learning_hours.saturating_mul(3_600)),
            restored.clock,
            &restored.terms,
            clocks,
        );

        let load_plan = plan::load_plan(&config.at(now.at), clock.ticks());
        let (mut kernel, mut origin, stays_attached) = restarting::load(&load_plan, &config)?;
        let clock = clock.set_by(|| Ok(kernel.ticks()?)).context("cannot read the clock")?;
        let kernel_log = if config.kernel.debug {
            kernel.ebpf().map(EbpfLogger::init).transpose().context("cannot read the kernel program's log")?
        } else {
            None
        };
        for warning in plan::network_warnings(&config, &interfaces) {
            warn!("{warning}");
        }
        let lease = Lease::start([kernel.enforcement.clone(), kernel.blocking.clone()], clock, supervisor)
            .context("cannot start the lease of enforcement")?;
        let mut enforcement = Enforcement::Off;
        if config.enforcement.active {
            let now = Now::of(clock).context("cannot read the clock")?;
            enforcement = Enforcement::on(now, config.enforcement.expire_after);
            lease.set(enforcement, now)?;
            warn!("enforcement is {enforcement}");
        }
        // Before the interfaces, so that no packet passes that is blocked.
        let at_start = Now::of(clock).context("cannot read the clock")?;
        let blocks = blocking::restored(restored.blocks, boot, &config, &mut kernel, &lease, at_start)?;
        let keys: Vec<_> = blocks.all().iter().map(|block| block.target.key()).collect();
        kernel.blocks.keep(&keys).context("cannot end blocks of the last run")?;
        // Before the interfaces, so that the first packets of watched connections are recorded.
        let recording = Recording::start(&config.record, &config.watched(), &interfaces, supervisor)?;
        // Before the interfaces, so that the openers of watched connections are known.
        let owners = owner::start(&config.process, clock.ticks(), files.users());
        let mut attached = Vec::new();
        for interface in interfaces.clone() {
            let one = Attached::new(&mut kernel, interface, config.kernel.ingress, config.kernel.tc)?;
            info!("watching {}: {one}", one.interface.name);
            attached.push(one);
        }
        // Programs of an earlier run saw packets before.
        let started = matches!(origin, Origin::New).then(|| Now::of(clock)).transpose();
        let started = started.context("cannot read the clock")?.map(|now| now.moment.at);
        if let Err(error) = privileges::give_up(&unneeded(&config)) {
            warn!("capabilities that are not needed any more cannot be given up: {error}");
        }
        if let Err(error) = restrict_calls() {
            warn!("the reader is not confined: {error}");
        }
        let ready = format!(
            "ready: profile {}, {} destinations known, {} KiB of flow slots, {} KiB of ring",
            config.profile,
            terms.known(rare),
            kernel.slots.bytes() / 1024,
            config.kernel.ring_bytes / 1024
        );
        if let Some(until) = terms.learning_until(now.at) {
            info!(
                "learning until {} which SMB servers on the Internet are in use: no destination is reported as rare before. \
                 detection.learning_hours sets it, --learning-hours 0 ends it",
                rfc3339(until)
            );
        }
        let sensor = ecs::Sensor::new(&interfaces, !config.lacks_networks());
        let (connections, accounted) =
            restarting::connections(restored.connections, restored.ring, &mut kernel, &mut origin);
        let core = Core::new(
            Start {
                settings: config.core_settings(),
                clock: clock.ticks(),
                fingerprint_key: key,
                terms,
                incidents: restored.incidents,
                connections,
                started,
            },
            owners,
        );
        let committed = handle.committed().clone();
        let output = StoreOutput::new(handle, sensor, sinks).with_exec(exec.as_ref().map(Exec::queue));
        let verdicts = output.recorder(&config.state_dir);
        let output = Enriching::new(output, lookups);
        let mut pipeline = Pipeline::new(core, output).with_recording(recording).with_fleet(asking);
        if let Some(program) = kernel.program_identity() {
            let position = kernel.records.position();
            let place = RingPlace { program, position, accounted };
            pipeline = pipeline.with_following(Following::from(place));
        }
        let known = KnownTraffic::of(&config, now.at);
        pipeline.restore_hits(restored.hits);
        if let Some(report) = pipeline.exemptions().report(now.at) {
            info!("{report}");
        }
        if !config.threats.is_empty() {
            info!("threat lists: {} prefixes on {}", config.threats.len(), config.threat_lists.len());
        }
        let swept = vec![0; kernel.slots.cpus()];
        let mut sensor = Self {
            attached,
            stays_attached,
            refused: Refused::default(),
            kernel,
            swept,
            kernel_log,
            pipeline,
            committed,
            clock,
            boot,
            lease,
            lease_failures: 0,
            enforcement,
            known,
            blocks,
            exec,
            files,
            names,
            ports_looked: Instant::now(),
            service: ServiceManager::of_environment(),
            http,
            reloads: ReloadState::at_start(now.at),
            since: Since::start(),
            health: HealthReport::on(health),
            stages,
            verdicts,
            config,
        };
        sensor.go_on(origin, began)?;
        info!("{ready}");
        Ok((sensor, control, answers))
    }
}

/// Capabilities that the reader does not need once the kernel programs are loaded.
fn unneeded(config: &Config) -> Vec<Capability> {
    let mut unneeded = vec![Capability::CAP_PERFMON];
    if config.record.file.is_none() {
        unneeded.push(Capability::CAP_NET_RAW);
    }
    if config.process.attribution == AttributionChoice::Off {
        unneeded.push(Capability::CAP_SYS_PTRACE);
    }
    unneeded
}
