//! What the agent is told of addresses while it runs: networks, exemptions and threat lists come into force, end, and are
//! counted.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use log::{info, warn};
use sensor_common::counter::Counter;
use tokio::time::Instant;

use super::Sensor;
use crate::{
    config::{Config, ConfigError},
    exempt::{Exemption, HitsFile},
    kernel::{counters::CounterValues, prefixes, prefixes::PrefixError, ticks::Moment},
    plan, reload,
    threat::{ThreatLists, Watch},
};

/// Time between two looks at the files of threat lists.
const LOOK: Duration = Duration::from_secs(3);

/// What is known of exemptions and threat lists beside the configuration.
pub(super) struct KnownTraffic {
    /// What they have covered, on disk.
    hits: HitsFile,
    /// Names of the exemptions that the kernel counts for, in the order of their numbers.
    counted: Vec<String>,
    /// Exempt packets at the last look.
    exempted: u64,
    /// When the next exemption is over, nanoseconds since the Unix epoch.
    next_expiry: Option<i128>,
    watch: Watch,
    looked: Instant,
}

impl KnownTraffic {
    /// As of a configuration that the kernel program was just loaded with.
    pub(super) fn of(config: &Config, now: i128) -> Self {
        Self {
            hits: HitsFile::open(&config.state_dir),
            counted: counted(&config.at(now)),
            exempted: 0,
            next_expiry: next_expiry(&config.exemptions, now),
            watch: config.threats.watch().clone(),
            looked: Instant::now(),
        }
    }

    /// What the exemptions had covered before.
    pub(super) const fn hits(&self) -> &HitsFile {
        &self.hits
    }
}

fn counted(config: &Config) -> Vec<String> {
    plan::counted(config).map(|exemption| exemption.id.clone()).collect()
}

fn next_expiry(exemptions: &[Exemption], now: i128) -> Option<i128> {
    exemptions.iter().filter_map(|one| one.expires).filter(|expires| *expires > now).min()
}

impl Sensor {
    /// Puts a new configuration into force; gives what was done, or why not: then the one before stays.
    pub(super) fn reload(&mut self, new: Result<Config, ConfigError>) -> Result<String, String> {
        // What passed before is judged by what was in force then.
        let swept = self.sweep().map_err(|error| format!("{error:#}"));
        let new = new.map_err(|error| error.to_string());
        let done = swept.and(new).and_then(|new| self.take_over(new));
        match &done {
            Ok(told) => info!("{told}"),
            Err(error) => warn!("not reloaded, the configuration before stays in force: {error}"),
        }
        done
    }

    fn take_over(&mut self, new: Config) -> Result<String, String> {
        let waits = reload::needs_restart(&self.config, &new);
        let merged = reload::merged(&self.config, new);
        let now = self.now().map_err(|error| format!("{error:#}"))?;
        let prefixes = self.put_prefixes(&merged, now).map_err(|error| error.to_string())?;
        self.pipeline.set_networks(&merged);
        self.reload_enforcement(&merged);
        let told = format!(
            "reloaded: {prefixes} prefixes, {} exemptions, {} threat lists",
            merged.exemptions.len(),
            merged.threat_lists.len()
        );
        if !waits.is_empty() {
            warn!("changed, and in force only after a restart: {}", waits.join(", "));
        }
        self.known.watch = merged.threats.watch().clone();
        self.config = merged;
        Ok(told)
    }

    /// Puts the prefixes of a configuration into force as they are now; gives how many there are.
    fn put_prefixes(&mut self, config: &Config, now: Moment) -> Result<usize, PrefixError> {
        let in_force = config.at(now.unix_nanos);
        let prefixes = plan::prefixes(&in_force);
        let view = self.kernel.prefixes.view();
        let unblocked = self.kernel.prefixes.put(&prefixes)?;
        if unblocked > 0 {
            warn!("{}", prefixes::unblocked(unblocked));
        }
        // No packet reads that view any more: its counts are final.
        self.take_exempted(view, now);
        self.known.counted = counted(&in_force);
        self.known.next_expiry = next_expiry(&config.exemptions, now.unix_nanos);
        Ok(prefixes.iter().count())
    }

    /// Once a second: counts what the kernel let be, ends what is over, and looks after the files of threat lists.
    pub(super) fn tend_known_traffic(&mut self, counters: &CounterValues, now: Moment) {
        let exempted = counters.get(Counter::ExemptSource) + counters.get(Counter::ExemptDestination);
        // Of packets whose SMB was recognised on another port there is no counter; they are told a minute later.
        if exempted != self.known.exempted {
            self.known.exempted = exempted;
            self.take_exempted(self.kernel.prefixes.view(), now);
        }
        if self.known.next_expiry.is_some_and(|expiry| expiry <= now.unix_nanos) {
            self.expire(now);
        }
        if self.known.looked.elapsed() >= LOOK {
            self.known.looked = Instant::now();
            self.look_at_threat_lists(now);
        }
    }

    fn take_exempted(&mut self, view: u32, now: Moment) {
        for (id, cell) in self.known.counted.iter().zip(1..) {
            match self.kernel.exempted.take(view, cell) {
                Ok(packets) => self.pipeline.exemptions().count_packets(id, packets, now.unix_nanos),
                Err(error) => return warn!("the kernel does not tell what exemption {id} let be: {error}"),
            }
        }
    }

    /// Exemptions whose time is up: the kernel is told, and so is whoever reads the log. The agent's own judgement goes by the
    /// time of each conversation.
    fn expire(&mut self, now: Moment) {
        let due = self.known.next_expiry.unwrap_or_default();
        let config = self.config.clone();
        if let Err(error) = self.put_prefixes(&config, now) {
            return warn!(
                "the kernel still lets be what expired exemptions covered, and is told again: {error}"
            );
        }
        let over = |one: &&Exemption| one.expires.is_some_and(|at| at >= due && at <= now.unix_nanos);
        for one in config.exemptions.iter().filter(over) {
            warn!("exemption {} is over: {one} ({})", one.id, one.reason);
        }
    }

    fn look_at_threat_lists(&mut self, now: Moment) {
        let watch = Watch::of(&self.config.threat_lists);
        if watch == self.known.watch {
            return;
        }
        self.known.watch = watch;
        let read = ThreatLists::read(&self.config.threat_lists).map_err(|error| error.to_string());
        let done = read.and_then(|threats| {
            let new = Config { threats: Arc::new(threats), ..self.config.clone() };
            self.put_prefixes(&new, now).map_err(|error| error.to_string())?;
            self.pipeline.set_networks(&new);
            self.config = new;
            Ok(())
        });
        match done {
            Ok(()) => info!("threat lists read again: {} prefixes", self.config.threats.len()),
            Err(error) => warn!("threat lists stay as they were: {error}"),
        }
    }

    /// Saves what exemptions have covered.
    ///
    /// # Errors
    /// When the file cannot be written; it is tried again the next time.
    pub(super) fn save_hits(&mut self) -> Result<()> {
        let now = self.now()?;
        self.take_exempted(self.kernel.prefixes.view(), now);
        self.known.hits.save(self.pipeline.exemptions().hits()).context("cannot save the hits of exemptions")
    }

    /// Tells which exemptions are over or never matched, and saves their hits.
    pub(super) fn report_exemptions(&mut self) -> Result<()> {
        let now = self.now()?;
        if let Some(told) = self.pipeline.exemptions().report(now.unix_nanos) {
            info!("{told}");
        }
        if let Err(error) = self.save_hits() {
            warn!("{error:#}; tried again in a while");
        }
        Ok(())
    }
}
