//! Networks, exemptions and threat lists while the agent runs: it applies changes, ends expired exemptions, and counts
//! hits.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use sensor_common::counter::Counter;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Sensor, files::FilesRead, retry::Retry};
use sensor_core::time::{Moment, Timestamp};

use crate::{
    config::{Config, ConfigError},
    control::Asked,
    exempt::{Exemption, next_expiry},
    kernel::{counters::CounterValues, prefixes, prefixes::PrefixError},
    plan, reload,
    threat::{ThreatLists, Watch},
};

/// Time between two checks of the files of threat lists.
const LOOK: Duration = Duration::from_secs(3);

/// Time before threat lists that could not be applied are tried again, if their files do not change before.
const LISTS_RETRY: Duration = Duration::from_secs(60);

/// Time before the end of an exemption is passed to the kernel again.
const EXPIRY_RETRY: Duration = Duration::from_secs(5);

/// State of exemptions and threat lists beside the configuration.
pub(super) struct KnownTraffic {
    /// Names of the exemptions that the kernel counts for, in the order of their numbers.
    counted: Vec<String>,
    /// Exempt packets at the last check.
    exempted: u64,
    /// When the next exemption expires.
    next_expiry: Option<Timestamp>,
    /// Whether the kernel accepted the end of expired exemptions.
    expiry: Retry,
    /// File metadata of the threat lists when they were last read, successfully or not.
    watch: Watch,
    looked: Instant,
    /// Since when their files are being read.
    awaited: Option<Instant>,
    /// Whether all of them are applied as they are.
    lists: Retry,
}

impl KnownTraffic {
    /// The state for a configuration with which the kernel program was just loaded.
    pub(super) fn of(config: &Config, now: Timestamp) -> Self {
        Self {
            counted: counted(&config.at(now)),
            exempted: 0,
            next_expiry: next_expiry(&config.exemptions, now),
            expiry: Retry::every(EXPIRY_RETRY),
            watch: config.threats.watch().clone(),
            looked: Instant::now(),
            awaited: None,
            lists: Retry::every(LISTS_RETRY),
        }
    }
}

fn counted(config: &Config) -> Vec<String> {
    plan::counted(config).map(|exemption| exemption.id.clone()).collect()
}

impl Sensor {
    /// Requests the configuration, to apply it once it is read. If nobody asked, only the log has the result.
    pub(super) fn read_config(&mut self, asked: Option<Asked>) {
        self.service.reloading();
        if let Err(asked) = self.files.read_config(asked) {
            self.service.ready();
            let reported = "not reloaded: a file that is being read does not answer";
            warn!("{reported}");
            if let Some(asked) = asked {
                asked.answer(false, reported);
            }
        }
    }

    /// Takes files that were read.
    pub(super) fn take_files(&mut self, files: FilesRead) -> Result<()> {
        match files {
            FilesRead::Config(config, asked) => {
                let done = self.reload(*config);
                self.service.ready();
                if let Some(asked) = asked {
                    let is_done = done.is_ok();
                    asked.answer(is_done, done.unwrap_or_else(|error| error));
                }
            }
            FilesRead::Lists { lists, read } => {
                self.known.awaited = None;
                // Lists of an earlier configuration are of no interest.
                if let Some((read, unread)) = read
                    && lists == self.config.threat_lists
                {
                    let now = self.now()?;
                    self.take_lists(read, unread, now);
                }
            }
        }
        Ok(())
    }

    /// Applies a new configuration; returns a summary, or why not: then the old one stays.
    fn reload(&mut self, new: Result<Config, ConfigError>) -> Result<String, String> {
        // Earlier packets are counted by the configuration of their time.
        let swept = self.sweep().map_err(|error| format!("{error:#}"));
        let new = new.map_err(|error| error.to_string());
        let done = swept.and(new).and_then(|new| self.take_over(new));
        if let Ok(now) = self.now() {
            self.reloads.note(done.is_ok(), now.at);
        }
        match &done {
            Ok(summary) => info!("{summary}"),
            Err(error) => warn!("not reloaded, the previous configuration stays active: {error}"),
        }
        self.since.note_reload(done.as_ref().err().map(String::as_str));
        done
    }

    fn take_over(&mut self, new: Config) -> Result<String, String> {
        let waits = reload::needs_restart(&self.config, &new);
        let mut merged = reload::merged(&self.config, new);
        let now = self.now().map_err(|error| format!("{error:#}"))?;
        let mut kept: Vec<_> = merged.unread_threat_lists.iter().map(ToString::to_string).collect();
        let watch = merged.threats.watch().clone();
        let put = match self.put_prefixes(&merged, now) {
            // A list that grew too large is no reason to refuse the rest.
            Err(error) if !merged.threats.says_the_same_as(&self.config.threats) => {
                kept.push(error.to_string());
                merged.threats = Arc::clone(&self.config.threats);
                self.put_prefixes(&merged, now)
            }
            put => put,
        };
        let prefixes = put.map_err(|error| error.to_string())?;
        let outputs = self.pipeline.reconfigure(&merged, now);
        if let Some(http) = &self.http {
            http.show_fleets(&merged.outputs);
        }
        self.reload_enforcement(&merged);
        self.note_lists(&kept, true);
        for problem in &merged.unread_assets {
            warn!("the inventory of own hosts stays as it was; correct it and reload again: {problem}");
        }
        let mut summary = format!(
            "reloaded: {prefixes} prefixes, {} exemptions, {} threat lists",
            merged.exemptions.len(),
            merged.threat_lists.len()
        );
        if !outputs.is_empty() {
            summary = format!("{summary}, changed outputs: {}", outputs.join(", "));
        }
        if !waits.is_empty() {
            warn!("changed, but applied only after a restart: {}", waits.join(", "));
        }
        self.known.watch = watch;
        self.config = merged;
        self.names.want(self.config.names());
        Ok(summary)
    }

    /// Writes the prefixes of a configuration at the present time; returns their number.
    pub(super) fn put_prefixes(&mut self, config: &Config, now: Moment) -> Result<usize, PrefixError> {
        let in_force = config.at(now.at);
        let prefixes = plan::prefixes_with(&in_force, &self.blocks.marked());
        let view = self.kernel.prefixes.view();
        let unblocked = self.kernel.prefixes.put(&prefixes)?;
        if unblocked > 0 {
            warn!("{}", prefixes::unblocked(unblocked));
        }
        // No packet reads the old view any more: its counts are final.
        self.take_exempted(view, now);
        self.known.counted = counted(&in_force);
        self.known.next_expiry = next_expiry(&config.exemptions, now.at);
        self.known.expiry.succeeded();
        Ok(prefixes.iter().count())
    }

    /// Once a second: collects counts of exempt packets, ends expired exemptions, and checks the files of threat lists.
    pub(super) fn tend_known_traffic(&mut self, counters: &CounterValues, now: Moment) {
        let exempted = counters.get(Counter::ExemptSource) + counters.get(Counter::ExemptDestination);
        // Packets with SMB on another port have no counter; their hits are collected a minute later.
        if exempted != self.known.exempted {
            self.known.exempted = exempted;
            self.take_exempted(self.kernel.prefixes.view(), now);
        }
        let is_over = self.known.next_expiry.is_some_and(|expiry| expiry <= now.at);
        if is_over && !self.known.expiry.waits(Instant::now()) {
            self.expire(now);
        }
        if self.known.looked.elapsed() >= LOOK {
            self.known.looked = Instant::now();
            self.look_at_threat_lists();
        }
    }

    fn take_exempted(&mut self, view: u32, now: Moment) {
        for (id, counter) in self.known.counted.iter().zip(1..) {
            match self.kernel.exempted.take(view, counter) {
                Ok(packets) => self.pipeline.exemptions().count_packets(id, packets, now.at),
                Err(error) => return warn!("cannot read the kernel's count for exemption {id}: {error}"),
            }
        }
    }

    /// Ends expired exemptions in the kernel and logs them. The agent's own decisions use the
    /// time of each connection.
    fn expire(&mut self, now: Moment) {
        let due = self.known.next_expiry.unwrap_or_default();
        let config = self.config.clone();
        if let Err(error) = self.put_prefixes(&config, now) {
            if self.known.expiry.failed(error.to_string(), Instant::now()) {
                warn!("cannot end expired exemptions in the kernel, trying again: {error}");
            }
            return;
        }
        let over = |one: &&Exemption| one.expires.is_some_and(|at| at >= due && at <= now.at);
        for one in config.exemptions.iter().filter(over) {
            warn!("exemption {} is over: {one} ({})", one.id, one.reason);
        }
    }

    /// Requests the files again after a change, and from time to time while something is wrong with them.
    fn look_at_threat_lists(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.known.awaited {
            if now - since >= LISTS_RETRY {
                let reported = "a file that is being read does not answer".to_owned();
                self.note_lists(&[reported], false);
            }
            return;
        }
        let lists = &self.config.threat_lists;
        let in_any_case = self.known.lists.is_due(now);
        if !lists.is_empty() && self.files.read_lists(lists, &self.known.watch, in_any_case) {
            self.known.awaited = Some(now);
        }
    }

    /// Applies threat lists that were read again.
    fn take_lists(&mut self, read: ThreatLists, mut kept: Vec<String>, now: Moment) {
        let threats = read.keeping(&self.config.threat_lists, &self.config.threats);
        let is_changed = *threats.watch() != self.known.watch;
        self.known.watch = threats.watch().clone();
        if !threats.says_the_same_as(&self.config.threats) {
            let new = Config { threats: Arc::new(threats), ..self.config.clone() };
            match self.put_prefixes(&new, now) {
                Ok(_) => {
                    let _ = self.pipeline.reconfigure(&new, now);
                    info!("threat lists read again: {} prefixes", new.threats.len());
                    self.config = new;
                }
                Err(error) => kept.push(error.to_string()),
            }
        }
        self.note_lists(&kept, is_changed);
    }

    /// Notes which threat lists stay as they were, and why; logs it once.
    fn note_lists(&mut self, kept: &[String], is_changed: bool) {
        if kept.is_empty() {
            return self.known.lists.succeeded();
        }
        let reasons = kept.join("; ");
        if self.known.lists.failed(reasons.clone(), Instant::now()) || is_changed {
            warn!(
                "threat lists stay as they were, and are tried again when they change or in a minute: {reasons}"
            );
        }
    }

    /// Collects the kernel's counts for exemptions, and saves them with the agent's.
    ///
    /// # Errors
    /// If the clock cannot be read.
    pub(super) fn save_hits(&mut self) -> Result<()> {
        let now = self.now()?;
        self.take_exempted(self.kernel.prefixes.view(), now);
        self.pipeline.save_hits(now);
        Ok(())
    }

    /// Logs which exemptions expired or never matched, and saves their hits.
    pub(super) fn report_exemptions(&mut self) -> Result<()> {
        let now = self.now()?;
        if let Some(summary) = self.pipeline.exemptions().report(now.at) {
            info!("{summary}");
        }
        self.save_hits()
    }
}
