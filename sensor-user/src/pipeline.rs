//! The stages of the agent in a row, without kernel, clock or network: time is an argument.
//!
//! Takes records and slots as bytes, gives documents to the output.

mod keeping;
mod losses;

use std::{sync::Arc, time::Duration};

use sensor_common::slot::{RecordKind, Slot};
use serde_json::Value;

use crate::{alert::{AlertBook, Context, FlowSummaries}, config::Config, exempt::Exemptions, journal::Numbers, kernel::{
        counters::CounterValues,
        interface::Interface,
        ticks::{Moment, TickClock},
    }, output::Sink, owner::Owners, record::Recording, statistics::Statistics, terms::{KnownTerms as _, Terms}, threat::ThreatLists};
use sensor_core::record::{self, Observation, Told};
use sensor_dissect::FingerprintKey;
use sensor_core::flow::{Conversation, Flow, Tracker, TrackerOptions};

/// Conversations followed at a time.
const FLOW_CAPACITY: usize = 1 << 18;

/// Time that the output is given at the end to take the last documents.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// All stages.
pub struct Pipeline {
    tracker: Tracker,
    book: AlertBook,
    summaries: FlowSummaries,
    terms: Terms,
    output: Box<dyn Sink>,
    recording: Option<Recording>,
    hostname: String,
    interfaces: Vec<(u32, String)>,
    networks_defined: bool,
    threats: Arc<ThreatLists>,
    lost_records: u64,
    undecodable: u64,
    /// Since when the store takes nothing.
    store_failing: Option<i128>,
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
                services: config.watched(),
                clock,
                attempt_settle: config.detection.attempt_settle,
                flow_idle: config.kernel.flow_idle,
                capacity: FLOW_CAPACITY,
                departures: config.detection.limits.departures,
                fingerprint_key: FingerprintKey::new([0; 32]),
            })
            .with_owners(owners),
            book: AlertBook::new(config.watched(), config.exemptions.clone(), config.detection.limits)
                .with_profile(config),
            summaries: FlowSummaries::new(config.watched()),
            terms,
            output: Box::new(output),
            recording: None,
            hostname,
            interfaces: interfaces.iter().map(|one| (one.index, one.name.clone())).collect(),
            networks_defined: !config.lacks_networks(),
            threats: Arc::clone(&config.threats),
            lost_records: 0,
            undecodable: 0,
            store_failing: None,
        }
    }

    /// Fingerprints credentials with this key, so that they are the same after a restart.
    #[must_use]
    pub fn with_fingerprint_key(mut self, key: FingerprintKey) -> Self {
        self.tracker.set_fingerprint_key(key);
        self
    }

    /// Tells this recording of every alert.
    #[must_use]
    pub fn with_recording(self, recording: Option<Recording>) -> Self {
        Self { recording, ..self }
    }

    /// Takes a record off the ring.
    pub fn record(&mut self, bytes: &[u8], now: Moment) {
        match decode::record(bytes) {
            Ok(Told::Flow(kind, seen)) => self.observe(Some(kind), &seen, now),
            Ok(Told::Replaced(settled, opened)) => {
                self.observe(Some(RecordKind::Settled), &settled, now);
                self.observe(Some(RecordKind::Opened), &opened, now);
            }
            Ok(Told::Piece(piece)) => {
                let flow = self.tracker.piece(&piece).cloned();
                self.look(flow, now);
            }
            Err(error) => self.refuse(&error),
        }
    }

    fn observe(&mut self, kind: Option<RecordKind>, seen: &Observation, now: Moment) {
        let book = &self.book;
        let exempt = |flow: &Flow| book.exempts(flow, now.unix_nanos);
        let flow = self.tracker.observe_but(kind, seen, now, exempt).cloned();
        if let Some(evicted) = self.tracker.take_evicted() {
            self.close(&evicted, now);
        }
        self.look(flow, now);
    }

    /// Takes a slot that changed.
    pub fn slot(&mut self, slot: &Slot, now: Moment) {
        match decode::observation(slot) {
            Ok(seen) => self.observe(None, &seen, now),
            Err(error) => self.refuse(&error),
        }
    }

    /// Time moved on: attempts become ripe, conversations end.
    pub fn advance(&mut self, now: Moment) {
        self.tell(now, None, |teller| teller.book.turn(&teller.context));
        let recalled = self.ask(now, |Teller { book, terms, tracker, context, .. }| {
            book.recall(|ends| tracker.open(ends).cloned(), terms, &context)
        });
        for (ends, documents) in recalled {
            self.give(ends.as_ref(), documents);
        }
        for flow in self.tracker.ripe(now.unix_nanos) {
            self.look(Some(flow), now);
        }
        for flow in self.tracker.closed(now.unix_nanos) {
            self.close(&flow, now);
        }
        self.tell(now, None, |teller| teller.book.advance(&teller.context));
        self.keep_counts(now);
    }

    /// The end of the run: every conversation is told as it stands.
    pub fn finish(&mut self, now: Moment) {
        for flow in self.tracker.drain() {
            self.close(&flow, now);
        }
        self.tell(now, None, |teller| teller.book.finish(&teller.context));
        self.keep_counts(now);
        self.output.settle(LAST_WORDS);
        self.write(now);
    }

    /// Takes over networks, exemptions and threat lists of a new configuration; flows that were judged stay as they are.
    pub fn set_networks(&mut self, config: &Config) {
        self.networks_defined = !config.lacks_networks();
        self.book.exemptions().replace(config.exemptions.clone());
        self.book.set_profile(config);
        self.threats = Arc::clone(&config.threats);
    }

    /// The exemptions, and what they have covered.
    pub const fn exemptions(&mut self) -> &mut Exemptions {
        self.book.exemptions()
    }

    /// Of the ports that the kernel marked, those whose time is up.
    pub fn expired_ports(&mut self, marked: &[u16], now: Moment) -> Vec<u16> {
        self.tracker.expired_ports(marked, now.unix_nanos)
    }

    /// Conversations that are followed now.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        self.tracker.len()
    }

    /// What became of the documents that the output did not take.
    #[must_use]
    pub fn undelivered(&self) -> Numbers {
        self.output.numbers()
    }

    /// The numbers.
    #[must_use]
    pub fn statistics(&self, kernel: CounterValues) -> Statistics {
        Statistics {
            kernel,
            flow_packets: self.tracker.accounted_packets(),
            flows: self.tracker.len(),
            evicted_conversations: self.tracker.evicted(),
            untracked: self.tracker.untracked(),
            unread: self.tracker.unread(),
            undecodable: self.undecodable,
            alerts: self.book.opened(),
            suppressed: self.book.suppressed(),
            exempted: self.book.exempted(),
            summaries_left_out: self.summaries.left_out(),
            written: self.output.written(),
            undelivered: self.output.numbers(),
        }
    }

    fn look(&mut self, flow: Option<Flow>, now: Moment) {
        if let Some(flow) = flow {
            self.tell(now, Some(&flow), |teller| teller.book.look(&flow, teller.terms, &teller.context));
        }
    }

    fn close(&mut self, flow: &Flow, now: Moment) {
        let summarise = self.output.takes_flows();
        self.tell(now, Some(flow), |teller| {
            let mut documents = teller.book.close(flow, teller.terms, &teller.context);
            if summarise {
                documents.extend(teller.summaries.summary(flow, teller.book.exemptions(), &teller.context));
            }
            documents
        });
    }

    /// Asks for documents and gives them to the output; those on a flow to the recording as well.
    fn tell(&mut self, now: Moment, flow: Option<&Flow>, ask: impl FnOnce(Teller<'_>) -> Vec<Value>) {
        let documents = self.ask(now, ask);
        self.give(flow.map(|flow| &flow.ends), documents);
    }

    fn give(&mut self, ends: Option<&Conversation>, documents: Vec<Value>) {
        if documents.is_empty() {
            return;
        }
        if let (Some(recording), Some(ends)) = (&self.recording, ends) {
            recording.told(ends, &documents);
        }
        self.output.push(documents);
    }

    fn ask<T>(&mut self, now: Moment, ask: impl FnOnce(Teller<'_>) -> T) -> T {
        let context = Context {
            now: now.unix_nanos,
            hostname: &self.hostname,
            interfaces: &self.interfaces,
            networks_defined: self.networks_defined,
            threats: &self.threats,
            lost_records: self.lost_records,
            learning_until: self.terms.learning_until(now.unix_nanos),
        };
        ask(Teller {
            book: &mut self.book,
            terms: &mut self.terms,
            summaries: &mut self.summaries,
            tracker: &self.tracker,
            context,
        })
    }
}

/// What makes documents.
struct Teller<'a> {
    book: &'a mut AlertBook,
    terms: &'a mut Terms,
    summaries: &'a mut FlowSummaries,
    tracker: &'a Tracker,
    context: Context<'a>,
}
