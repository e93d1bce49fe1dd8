//! The stages of the agent in a row, without kernel, clock or network: time is an argument.
//!
//! Takes records and slots as bytes, gives documents to the output.

use std::{sync::Arc, time::Duration};

use log::warn;
use sensor_common::slot::{RecordKind, Slot};

use crate::{
    alert::{AlertBook, Context},
    config::Config,
    decode::{self, DecodeError, Observation, Told},
    dissect::FingerprintKey,
    exempt::Exemptions,
    flow::{Flow, Tracker, TrackerOptions},
    kernel::{
        counters::CounterValues,
        interface::Interface,
        ticks::{Moment, TickClock},
    },
    output::Sink,
    owner::Owners,
    statistics::Statistics,
    terms::Terms,
    threat::ThreatLists,
};

/// Conversations followed at a time.
const FLOW_CAPACITY: usize = 1 << 18;

/// Time that the output is given at the end to take the last documents.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// All stages.
pub struct Pipeline {
    tracker: Tracker,
    book: AlertBook,
    terms: Terms,
    output: Box<dyn Sink>,
    hostname: String,
    interfaces: Vec<(u32, String)>,
    networks_defined: bool,
    threats: Arc<ThreatLists>,
    lost_records: u64,
    undecodable: u64,
    output_failing: bool,
    store_failing: bool,
}

impl Pipeline {
    /// The stages of a configuration.
    #[must_use]
    pub fn new(
        config: &Config,
        clock: TickClock,
        terms: Terms,
        output: impl Sink + 'static,
        interfaces: &[Interface],
        owners: Box<dyn Owners>,
    ) -> Self {
        let hostname = nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_else(|| "unknown".to_owned());
        Self {
            tracker: Tracker::new(TrackerOptions {
                services: config.services.clone(),
                clock,
                attempt_settle: config.detection.attempt_settle,
                flow_idle: config.kernel.flow_idle,
                capacity: FLOW_CAPACITY,
                data_leaving_bytes: config.detection.limits.data_leaving_bytes,
                fingerprint_key: FingerprintKey::new([0; 32]),
            })
            .with_owners(owners),
            book: AlertBook::new(config.services.clone(), config.exemptions.clone())
                .with_limits(config.detection.limits),
            terms,
            output: Box::new(output),
            hostname,
            interfaces: interfaces.iter().map(|one| (one.index, one.name.clone())).collect(),
            networks_defined: !config.internal.is_empty(),
            threats: Arc::clone(&config.threats),
            lost_records: 0,
            undecodable: 0,
            output_failing: false,
            store_failing: false,
        }
    }

    /// Fingerprints credentials with this key, so that they are the same after a restart.
    #[must_use]
    pub fn with_fingerprint_key(mut self, key: FingerprintKey) -> Self {
        self.tracker.set_fingerprint_key(key);
        self
    }

    /// Takes a record off the ring.
    pub fn record(&mut self, bytes: &[u8], now: Moment) {
        match decode::record(bytes) {
            Ok(Told::Flow(kind, seen)) => self.observe(kind, &seen, now),
            Ok(Told::Replaced(settled, opened)) => {
                self.observe(RecordKind::Settled, &settled, now);
                self.observe(RecordKind::Opened, &opened, now);
            }
            Ok(Told::Piece(piece)) => {
                let flow = self.tracker.piece(&piece).cloned();
                self.look(flow, now);
            }
            Err(error) => self.refuse(&error),
        }
    }

    fn observe(&mut self, kind: RecordKind, seen: &Observation, now: Moment) {
        let flow = self.tracker.observe(Some(kind), seen, now).cloned();
        self.look(flow, now);
    }

    /// Takes a slot that changed.
    pub fn slot(&mut self, slot: &Slot, now: Moment) {
        match decode::observation(slot) {
            Ok(seen) => {
                let flow = self.tracker.observe(None, &seen, now).cloned();
                self.look(flow, now);
            }
            Err(error) => self.refuse(&error),
        }
    }

    /// Time moved on: attempts become ripe, conversations end.
    pub fn advance(&mut self, now: Moment) {
        for flow in self.tracker.ripe(now.unix_nanos) {
            self.look(Some(flow), now);
        }
        for flow in self.tracker.closed(now.unix_nanos) {
            self.close(&flow, now);
        }
    }

    /// The end of the run: every conversation is told as it stands.
    pub fn finish(&mut self, now: Moment) {
        for flow in self.tracker.drain() {
            self.close(&flow, now);
        }
        self.output.settle(LAST_WORDS);
        self.write(now);
    }

    /// Looks after the output, and saves what its documents made known once they are written: a crash in between tells a
    /// destination twice, never not at all.
    pub fn write(&mut self, now: Moment) {
        let failing = self.output.failing();
        match &failing {
            Some(error) if !self.output_failing => {
                warn!("the output does not take alerts ({error}); they wait in memory and are tried again");
            }
            None if self.output_failing => warn!("the output takes alerts again"),
            _ => {}
        }
        self.output_failing = failing.is_some();
        if self.output.waiting() > 0 {
            return;
        }
        match self.terms.commit(now.unix_nanos) {
            Err(error) if !self.store_failing => {
                self.store_failing = true;
                warn!("known destinations are not saved yet and tried again: {error}");
            }
            Ok(()) if std::mem::take(&mut self.store_failing) => warn!("known destinations are saved again"),
            _ => {}
        }
    }

    /// Takes over networks, exemptions and threat lists of a new configuration; flows that were judged stay as they are.
    pub fn set_networks(&mut self, config: &Config) {
        self.networks_defined = !config.internal.is_empty();
        self.book.exemptions().replace(config.exemptions.clone());
        self.threats = Arc::clone(&config.threats);
    }

    /// The exemptions, and what they have covered.
    pub const fn exemptions(&mut self) -> &mut Exemptions {
        self.book.exemptions()
    }

    /// Tells how many records the ring has lost so far.
    pub fn set_lost_records(&mut self, lost: u64) {
        if lost > self.lost_records {
            warn!(
                "the ring to the agent was full: {} records lost. The sweep finds what is still in the flow slots; raise \
                 kernel.ring_bytes and kernel.flow_slots",
                lost - self.lost_records
            );
        }
        self.lost_records = lost;
    }

    /// Conversations that are followed now.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        self.tracker.len()
    }

    /// Documents that the output did not take.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.output.waiting()
    }

    /// The numbers.
    #[must_use]
    pub fn statistics(&self, kernel: CounterValues) -> Statistics {
        Statistics {
            kernel,
            flow_packets: self.tracker.accounted_packets(),
            flows: self.tracker.len(),
            untracked: self.tracker.untracked(),
            unread: self.tracker.unread(),
            undecodable: self.undecodable,
            alerts: self.book.opened(),
            exempted: self.book.exempted(),
            written: self.output.written(),
            waiting: self.output.waiting(),
            dropped: self.output.dropped(),
        }
    }

    fn look(&mut self, flow: Option<Flow>, now: Moment) {
        let Some(flow) = flow else { return };
        let context = context(
            &self.hostname,
            &self.interfaces,
            self.networks_defined,
            &self.threats,
            self.lost_records,
            now,
        );
        let documents = self.book.look(&flow, &mut self.terms, &context);
        self.output.push(documents);
    }

    fn close(&mut self, flow: &Flow, now: Moment) {
        let context = context(
            &self.hostname,
            &self.interfaces,
            self.networks_defined,
            &self.threats,
            self.lost_records,
            now,
        );
        let documents = self.book.close(flow, &mut self.terms, &context);
        self.output.push(documents);
    }

    fn refuse(&mut self, error: &DecodeError) {
        if self.undecodable == 0 {
            warn!("the kernel program and this agent do not belong together: {error}");
        }
        self.undecodable += 1;
    }
}

const fn context<'a>(
    hostname: &'a str,
    interfaces: &'a [(u32, String)],
    networks_defined: bool,
    threats: &'a ThreatLists,
    lost_records: u64,
    now: Moment,
) -> Context<'a> {
    Context { now: now.unix_nanos, hostname, interfaces, networks_defined, threats, lost_records }
}
