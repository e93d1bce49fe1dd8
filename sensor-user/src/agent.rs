//! The running agent: attaches the kernel program, reads it, and runs until a signal stops it.
//!
//! One task runs every stage. The kernel's ring, a sweep each second and signals wake it; an idle system sleeps.

mod answering;
mod blocking;
mod draining;
mod enforcing;
mod executing;
mod files;
mod health;
mod interfaces;
mod known_traffic;
mod marked_ports;
mod polling;
mod publishing;
mod restarting;
mod retry;
mod service_manager;
mod starting;
mod status;
mod timekeeping;

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use aya_log::EbpfLogger;
use sensor_common::slot::mark;
use sensor_core::{incident::Enriched, terms::TermAnswer};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, mpsc},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep},
};
use tracing::{error, info};

use self::{
    executing::{Exec, next_run},
    files::{Files, FilesRead},
    health::HealthReport,
    interfaces::Refused,
    known_traffic::KnownTraffic,
    polling::Polling,
    service_manager::ServiceManager,
    status::Since,
};
use crate::{
    config::{BadThreatList, Config, ConfigError},
    control::Control,
    enforcement::Enforcement,
    enrich,
    http::{Http, LoadConfig, ReloadState},
    kernel::{attach::Attached, object::KernelProgram, readiness, ticks::KernelClock},
    latency::Stages,
    names::resolver::Names,
    pipeline::Pipeline,
    response::Blocks,
    runtime::{Ended, Lease, Supervisor, fault, logging::Log, signs},
    statistics::OutputCounts,
    storage::Committed,
    verdicts::Recorder,
    wall_clock,
};

/// Time between two sweeps of the flow slots.
const SWEEP: Duration = Duration::from_secs(1);

/// Longest time between two reads of the ring while records arrive: the delay of a record that was not the first of its tick.
pub const POLL_INTERVAL: Duration = Duration::from_micros(500);

/// Time without a record after which the agent waits for the kernel to wake it. It is longer than two ticks of any kernel
/// (100 Hz): a later record is in a later tick, and its CPU wakes the agent.
pub const POLL_TIMEOUT: Duration = Duration::from_millis(25);

/// Most records that are taken from the ring before other work.
const BATCH: usize = 4_096;

/// Runs until SIGINT or SIGTERM. `load` reads the configuration: once at the start, when all of it must be valid, and at each
/// SIGHUP, when a threat list that cannot be read stays as it was. The last lines of an agent whose reader hangs go to `log`.
///
/// # Errors
/// Any failure of the start, in one line with what to do; nothing stays attached.
pub async fn run(
    load: impl Fn(BadThreatList) -> Result<Config, ConfigError> + Send + Sync + 'static,
    log: &Log,
) -> Result<()> {
    // Signals are handled before anything is attached, so a signal during the start ends it cleanly.
    let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let mut supervisor = Supervisor::default();
    supervisor.watch(log).context("cannot start a thread that watches the others")?;
    let config = load(BadThreatList::Refused)?;
    let load = Arc::new(load);
    let again: LoadConfig = {
        let load = Arc::clone(&load);
        Arc::new(move || load(BadThreatList::LeftOut))
    };
    let mut supervisor = supervisor.with_state_dir(&config.state_dir);
    let (files, read) = files::start(move |lists| load(lists), &supervisor)
        .context("cannot start a thread that reads files")?;
    let learnt = Arc::new(Notify::new());
    let servers = config.dns_servers.clone();
    let names = Names::start(servers, config.state_dir.clone(), Arc::clone(&learnt), &supervisor)
        .context("cannot start a thread that resolves names")?;
    let (lookups, enriched) = enrich::start(&config, &supervisor)
        .context("cannot start a thread that looks for what is known of hosts")?;
    let (mut sensor, control, answers) =
        Sensor::start(config, (files, names, lookups), again, Arc::clone(&learnt), &supervisor)?;
    // The state directory is there now.
    sensor.names.want(sensor.config.names());
    sensor.report_status();
    sensor.service.ready();
    let records = readiness::of_ring(&sensor.kernel.records).context("cannot wait for the record ring")?;
    // Whatever ends the run, the observations so far are reported first.
    let signals = [interrupt, terminate, hangup];
    let sources = Sources { read, answers, enriched, learnt: learnt.as_ref() };
    supervisor.begin_reader();
    let outcome = watch(&mut sensor, &records, control, sources, signals, &mut supervisor).await;
    let hangs = outcome
        .as_ref()
        .err()
        .and_then(|error| error.downcast_ref())
        .is_some_and(|ended: &Ended| ended.hangs);
    if !hangs {
        signs::stop_watching();
    }
    // Otherwise an end that waits for the hung thread is the reader's hang, and ends as well.
    let outcome = outcome.and(sensor.end_runs().await);
    match (outcome, sensor.stop()) {
        (Err(error), Err(at_the_end)) => {
            error!("{at_the_end:#}");
            Err(error)
        }
        (outcome, stopped) => outcome.and(stopped),
    }
}

/// What other threads send.
struct Sources<'a> {
    /// Files that were read again.
    read: mpsc::Receiver<FilesRead>,
    /// Answers of other sensors about destinations.
    answers: mpsc::Receiver<TermAnswer>,
    /// What is known of hosts.
    enriched: mpsc::Receiver<Enriched>,
    /// Names have other addresses.
    learnt: &'a Notify,
}

/// When to sweep and look at the interfaces: now, and each time a period after the last.
fn sweeps() -> Interval {
    let mut sweeps = interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweeps
}

/// The loop of the agent.
async fn watch(
    sensor: &mut Sensor,
    records: &AsyncFd<OwnedFd>,
    mut control: Control,
    Sources { mut read, mut answers, mut enriched, learnt }: Sources<'_>,
    [mut interrupt, mut terminate, mut hangup]: [Signal; 3],
    supervisor: &mut Supervisor,
) -> Result<()> {
    let mut sweep = sweeps();
    let mut statistics = interval(Duration::from_secs(sensor.config.statistics_interval));
    statistics.tick().await;
    let mut polling = Polling::new().context("cannot make a timer")?;
    loop {
        signs::alive();
        let due = sensor.pipeline.due(wall_clock::now());
        tokio::select! {
            // Commands and the sweep have priority over records: a flood must not delay them.
            biased;
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            ended = supervisor.ended() => return Err(ended_by(ended)),
            _ = hangup.recv() => {
                sensor.pipeline.reopen_output();
                sensor.read_config(None);
            }
            // The configuration holds the addresses of names, and the exemptions that the fleet shares.
            () = learnt.notified() => sensor.read_config(None),
            files = read.recv() => match files {
                Some(files) => sensor.take_files(files)?,
                // Its thread closes this first and then reports why it ended.
                None => return Err(ended_by(supervisor.ended().await)),
            },
            asked = control.next() => match asked {
                Some(asked) => sensor.answer(asked)?,
                None => return Err(ended_by(supervisor.ended().await)),
            },
            Some(answer) = answers.recv() => sensor.take_answer(answer)?,
            found = enriched.recv() => match found {
                Some(found) => sensor.take_enriched(&found)?,
                None => return Err(ended_by(supervisor.ended().await)),
            },
            run = next_run(sensor.exec.as_mut()) => sensor.take_run(run)?,
            () = sleep(due.unwrap_or_default()), if due.is_some() => sensor.release()?,
            _ = sweep.tick() => {
                fault::point("reader");
                sensor.sweep()?;
                sensor.tend_interfaces();
                sensor.report_status();
                sensor.publish()?;
                sensor.service.alive();
            }
            _ = statistics.tick() => {
                sensor.report()?;
                sensor.report_exemptions()?;
            }
            guard = records.readable() => {
                let mut guard = guard.context("the record ring failed")?;
                let records = sensor.drain(BATCH)?;
                // The kernel only wakes the agent for the first record of a tick: from here on the agent polls.
                guard.clear_ready();
                polling.woken(records).context("cannot set the timer")?;
            }
            ticked = polling.next() => {
                ticked.context("the timer failed")?;
                let records = sensor.drain(BATCH)?;
                polling.polled(records).context("cannot set the timer")?;
            }
        }
    }
}

/// The error of an agent that ends with one of its threads.
fn ended_by(ended: Ended) -> anyhow::Error {
    error!("{ended}. The agent ends with it");
    ended.into()
}

/// The state of the running agent.
struct Sensor {
    attached: Vec<Attached>,
    /// Whether they stay attached when the run ends.
    stays_attached: bool,
    /// Interfaces that could not be watched.
    refused: Refused,
    kernel: KernelProgram,
    swept: Vec<u64>,
    kernel_log: Option<EbpfLogger<&'static dyn log::Log>>,
    pipeline: Pipeline,
    committed: Committed,
    clock: KernelClock,
    boot: Option<u64>,
    lease: Lease,
    lease_failures: u64,
    /// The interfaces at the last check.
    enforcement: Enforcement,
    known: KnownTraffic,
    blocks: Blocks,
    exec: Option<Exec>,
    files: Files,
    names: Names,
    /// When the marks on ports were last checked.
    ports_looked: Instant,
    service: ServiceManager,
    http: Option<Http>,
    reloads: ReloadState,
    since: Since,
    health: HealthReport,
    stages: Stages,
    verdicts: Recorder,
    config: Config,
}

impl Sensor {
    /// Says to the service manager what is watched.
    fn report_status(&mut self) {
        let names: Vec<_> = self.attached.iter().map(|one| one.interface.name.clone()).collect();
        self.service.status(match names.as_slice() {
            [] => "waiting for an interface".to_owned(),
            _ => format!("watching {}", names.join(", ")),
        });
    }

    /// Takes the answer of other sensors about a destination.
    fn take_answer(&mut self, answer: TermAnswer) -> Result<()> {
        let now = self.now()?;
        self.pipeline.answer(answer, now);
        self.pipeline.write(now);
        Ok(())
    }

    /// Takes what was found about the hosts of an incident.
    fn take_enriched(&mut self, found: &Enriched) -> Result<()> {
        let now = self.now()?;
        self.pipeline.enrich(found, now);
        self.pipeline.write(now);
        Ok(())
    }

    /// Passes on what has waited long enough for that.
    fn release(&mut self) -> Result<()> {
        let now = self.now()?;
        self.pipeline.release(now);
        Ok(())
    }

    /// Reads every slot that changed: finds changes whose records were lost, and those that cause no record. Then it advances
    /// the time of the core.
    fn sweep(&mut self) -> Result<()> {
        self.look_at_lease()?;
        // Records in the ring are older than the slots.
        self.drain_for_a_while()?;
        let now = self.now()?;
        let counters = self.kernel.counter_values().context("cannot read the kernel's counters")?;
        let mut late = Vec::new();
        for cpu in 0..self.kernel.slots.cpus() {
            let kept = counters.kept_by_cpu().get(cpu).copied().unwrap_or_default();
            if self.swept[cpu] != kept {
                self.swept[cpu] = kept;
                let pipeline = &mut self.pipeline;
                self.kernel.slots.sweep(cpu, |index, slot| {
                    if slot.line.marks & mark::OPENED_BY_SYN == 0 {
                        late.push((index, *slot));
                    } else {
                        pipeline.slot(slot, now);
                    }
                });
            }
        }
        // A connection may begin on a CPU that was already read and continue on one that is read later: it would seem to have no
        // beginning. By now its record is in the ring. If another flow took the slot meanwhile, its counts are in a record too, and
        // would be counted twice.
        self.drain_for_a_while()?;
        for (index, slot) in &late {
            if self.kernel.slots.holds(*index, slot) {
                self.pipeline.slot(slot, now);
            }
        }
        self.tend_known_traffic(&counters, now);
        self.tend_blocks()?;
        self.tend_marked_ports(now)?;
        self.pipeline.set_lost_records(&counters, now);
        self.pipeline.advance(now);
        self.pipeline.write(now);
        self.respond()?;
        self.post_health(counters);
        if let Some(kernel_log) = &mut self.kernel_log {
            kernel_log.flush();
        }
        Ok(())
    }

    fn report(&self) -> Result<()> {
        let counters = self.kernel.counter_values().context("cannot read the kernel's counters")?;
        info!("{}", self.pipeline.statistics(counters));
        for output in self.pipeline.output_status() {
            info!("{output}");
        }
        Ok(())
    }

    /// Detaches unless that is not wanted, reads the remaining records and reports.
    fn stop(mut self) -> Result<()> {
        self.service.stopping();
        if self.stays_attached {
            self.leave_attached()?;
        } else {
            self.take_off();
            self.sweep()?;
            let now = self.now()?;
            // With the packets that they dropped so far.
            self.save_blocks(self.enforcement_now()?);
            self.pipeline.finish(now);
        }
        self.report_exemptions()?;
        self.report()?;
        let OutputCounts { waiting, unsaved, .. } = self.pipeline.output_counts();
        if unsaved > 0 {
            bail!(
                "{unsaved} documents are not in the store in {}, which did not take them; make room there, or repair its disk. {waiting} documents \
                 could not be written to the output",
                self.config.state_dir.display()
            );
        }
        if waiting > 0 {
            bail!(
                "{waiting} documents could not be written; the output did not take them. They are in the store, and the next run \
                 writes them"
            );
        }
        Ok(())
    }
}
