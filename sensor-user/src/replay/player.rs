//! Passes frames to the packet path and the stages, by the clock of the frames.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use pcap_parser::Linktype;
use sensor_common::slot::RecordKind;

use super::{
    clock::{ReplayClock, Speed, Step},
    engine::{Engine, MAX_FRAME_LEN},
    in_force::InForce,
    interrupt::Interrupt,
    link::{self, ETHERNET_LEN},
    read::{Counted, Read},
    rewrite::{Rewrite, rewrite},
};
use sensor_core::{
    Core, Start,
    process::NoProcesses,
    settings::Settings,
    terms::KnownTerms,
    time::{Moment, Timestamp},
};
use sensor_dissect::FingerprintKey;

use crate::{
    capture::Frame,
    config::Config,
    kernel::counters::CounterValues,
    pipeline::{Output, Pipeline},
    statistics::Statistics,
};

/// Time of the capture between two sweeps of the flow slots.
const SWEEP: Duration = Duration::from_secs(1);

/// Time without connections after which the slots are emptied: ticks of 32 bits cannot represent much longer times.
const FORGOTTEN: Duration = Duration::from_secs(10 * 86_400);

/// Name of the sensor in documents of a replay.
pub const INTERFACE: &str = "replay";

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Played {
    /// Counts of frames.
    pub read: Counted,
    /// Flows that took a slot.
    pub flows: u64,
    /// Counts of packets.
    pub statistics: Statistics,
}

/// A running replay.
pub struct Player {
    engine: Box<dyn Engine>,
    pipeline: Pipeline,
    in_force: InForce,
    clock: ReplayClock,
    /// Time of the last frame.
    last: Option<Moment>,
    next_sweep: Option<Timestamp>,
    rewrites: Vec<Rewrite>,
    timer: PlaybackTimer,
    /// Counters of earlier recordings.
    before: CounterValues,
    buffer: Vec<u8>,
    read: Read,
    flows: u64,
}

/// The longest sleep between two checks for an interrupt.
const NAP: Duration = Duration::from_millis(50);

/// Delays frames until they are due.
struct PlaybackTimer {
    speed: Speed,
    began: Option<(Instant, Timestamp)>,
    interrupt: Interrupt,
}

impl PlaybackTimer {
    /// Waits; `false` if the replay should end instead.
    fn wait(&mut self, now: Moment) -> bool {
        if self.speed == Speed::Max {
            return true;
        }
        let (start, first) = *self.began.get_or_insert_with(|| (Instant::now(), now.at));
        let recorded = now.at.since(first);
        let due = self.speed.due(recorded);
        while !self.interrupt.is_asked() {
            let left = due.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(NAP));
        }
        false
    }
}

/// The parts of a replay.
pub struct PlayerParts {
    /// The packet path.
    pub engine: Box<dyn Engine>,
    /// Known destinations.
    pub terms: KnownTerms,
    /// The key of credentials' fingerprints.
    pub key: FingerprintKey,
    /// Rewrites of addresses.
    pub rewrites: Vec<Rewrite>,
    /// Speed.
    pub speed: Speed,
    /// Whether to end early.
    pub interrupt: Interrupt,
}

impl Player {
    /// A replay with a configuration; documents go to `output`.
    #[must_use]
    pub fn new(config: &Config, parts: PlayerParts, output: impl Output + 'static) -> Self {
        let PlayerParts { engine, terms, key, rewrites, speed, interrupt } = parts;
        let start = Start {
            // A replay asks nobody.
            settings: Settings { shared_terms: false, ..config.core_settings() },
            clock: ReplayClock::ticks(),
            fingerprint_key: key,
            terms,
            incidents: vec![],
            connections: vec![],
            started: None,
        };
        let pipeline = Pipeline::new(Core::new(start, Box::new(NoProcesses)), output);
        Self {
            engine,
            pipeline,
            in_force: InForce::of(config),
            clock: ReplayClock::default(),
            last: None,
            next_sweep: None,
            rewrites,
            timer: PlaybackTimer { speed, began: None, interrupt },
            before: CounterValues::zero(0),
            buffer: vec![],
            read: Read::default(),
            flows: 0,
        }
    }

    /// The next frame is the first of another file.
    pub fn begin_file(&mut self) {
        self.clock.begin_file();
        self.read.begin_file();
    }

    /// Counts of the file so far.
    #[must_use]
    pub const fn of_file(&self) -> &Counted {
        &self.read.file
    }

    /// Processes a frame.
    ///
    /// # Errors
    /// If the kernel does not run its program.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        let now = match self.clock.step(frame.nanoseconds) {
            Step::On(now) => now,
            Step::Anew(now) => {
                self.begin_anew()?;
                now
            }
        };
        if !self.timer.wait(now) {
            return Ok(());
        }
        self.last = Some(now);
        self.read.frame(frame);
        self.sweep_until(now)?;
        let bytes = if frame.link == Linktype::ETHERNET && self.rewrites.is_empty() {
            (frame.bytes.len() >= ETHERNET_LEN).then_some(frame.bytes)
        } else {
            link::ethernet(frame, &mut self.buffer).map(|bytes| {
                rewrite(bytes, &self.rewrites);
                &*bytes
            })
        };
        let Some(bytes) = bytes else {
            self.read.leave_out(frame);
            return Ok(());
        };
        if let Some(config) = self.in_force.changed(now.at) {
            self.engine.put_prefixes(&config)?;
        }
        self.engine.frame(&bytes[..bytes.len().min(MAX_FRAME_LEN)], now.ticks)?;
        let (pipeline, flows) = (&mut self.pipeline, &mut self.flows);
        self.engine.records(&mut |record| {
            let kind = record.get(1).copied().and_then(RecordKind::from_wire);
            *flows += u64::from(matches!(kind, Some(RecordKind::Opened | RecordKind::Replaced)));
            pipeline.record(record, now);
        });
        self.count_quic()?;
        if self.timer.speed != Speed::Max {
            // The next frame may be an hour away: nothing should wait for it.
            self.pipeline.write(now);
        }
        Ok(())
    }

    /// The end: reports every connection in its present state.
    ///
    /// # Errors
    /// If the kernel does not give its counters.
    pub fn finish(mut self) -> Result<Played> {
        self.end_recording()?;
        let statistics = self.pipeline.statistics(self.engine.counters()?.plus(&self.before));
        Ok(Played { read: self.read.all, flows: self.flows, statistics })
    }

    /// Ends a recording and starts with empty slots.
    fn begin_anew(&mut self) -> Result<()> {
        self.end_recording()?;
        self.next_sweep = None;
        self.in_force.begin_anew();
        self.timer.began = None;
        self.forget()
    }

    /// Empties the slots, and keeps the counters.
    fn forget(&mut self) -> Result<()> {
        self.before = self.before.plus(&self.engine.counters()?);
        self.engine.reset().context("cannot start another recording")
    }

    fn end_recording(&mut self) -> Result<()> {
        if let Some(now) = self.last.take() {
            self.sweep(now)?;
            self.pipeline.finish(now);
        }
        Ok(())
    }

    /// Makes the sweeps between the last frame and this one. Without connections one sweep is
    /// enough, however long the gap.
    fn sweep_until(&mut self, now: Moment) -> Result<()> {
        let Some(mut due) = self.next_sweep else {
            self.next_sweep = Some(now.at + SWEEP);
            return Ok(());
        };
        while due <= now.at {
            self.sweep(ReplayClock::moment(due))?;
            if due + SWEEP == due {
                // The last representable moment: there is no later sweep.
                break;
            }
            due = due + SWEEP;
            if due <= now.at && self.pipeline.is_idle() {
                self.sweep(now)?;
                if now.at.since(due) > FORGOTTEN {
                    self.forget()?;
                }
                due = now.at + SWEEP;
            }
        }
        self.next_sweep = Some(due);
        Ok(())
    }

    fn sweep(&mut self, now: Moment) -> Result<()> {
        let pipeline = &mut self.pipeline;
        self.engine.sweep(&mut |slot| pipeline.slot(slot, now))?;
        pipeline.advance(now);
        pipeline.write(now);
        self.count_quic()
    }

    /// Has the packet path count the flows of QUIC that offered SMB and are open, and no others.
    fn count_quic(&mut self) -> Result<()> {
        match self.pipeline.take_counted_quic() {
            Some(flows) => self.engine.count_quic(&flows),
            None => Ok(()),
        }
    }
}
