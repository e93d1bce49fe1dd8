//! The cost of outputs for the reader: the whole time that it needs for a document, from records of the kernel program to the
//! document that is handed to the store, with five outputs and with none in turns.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use sensor_common::{
    payload::{PieceHead, PieceKind},
    slot::{RECORD_VERSION, RecordKind, Side},
};
use sensor_core::time::{Moment, Timestamp};
use sensor_user::{config::Config, ecs, output::StoreOutput, pipeline::Pipeline, sinks::OutputOptions};
use time::OffsetDateTime;
use zerocopy::IntoBytes as _;

use super::{GROUP, PATIENCE, Writing, store};
use crate::{
    effort::Effort,
    processor,
    row::{Row, Target, Unit},
    rows::{core, latency},
    samples::{Interleaved, Subject},
    sensor,
};

/// The subject of the row.
pub(super) const WHAT: &str = "the reader's whole time for a document, five outputs";

/// The readers that are measured.
const ALONE: &str = "no output, alone";
const NO_OUTPUT: &str = "no output";
const FIVE_OUTPUTS: &str = "five outputs";

/// Five outputs may cost the reader nothing that can be measured: less than rounds of the same subject differ.
const NOTHING: f64 = 1.05;

/// Clients that the connections are of, one each: many targets of the same client are a sweep, which is one incident.
const CLIENTS: u32 = 1 << 16;

/// Connections in one round.
const ROUND: u32 = 200;

/// Time between two of them: 500 a second.
const PACE: Duration = Duration::from_millis(2);

/// Time between two looks at what waits.
const LOOK: Duration = Duration::from_millis(2);

/// Rounds before those that count.
const WARM_UP: usize = 2;

/// Measures in turns. In both turns that are compared both readers work, so that the machine is as busy whichever of them is
/// measured: what another thread's work costs a reader on the same processor's caches is no cost of an output.
pub(super) fn row(effort: &Effort, folder: &Path, outputs: &[OutputOptions]) -> Result<Row> {
    let none = ReaderThread::start(folder.join("none"), &[])?;
    let five = ReaderThread::start(folder.join("five"), outputs)?;
    let turns = Interleaved::measure(
        vec![
            Subject::new(ALONE, || none.round()),
            Subject::new(NO_OUTPUT, || none.round_beside(&five)),
            Subject::new(FIVE_OUTPUTS, || five.round_beside(&none)),
        ],
        WARM_UP,
        effort.live_rounds,
    )?;
    none.end()?;
    let documents = five.end()?;
    let samples = |name: &str| turns.of(name).cloned().context("a subject has no samples");
    Ok(Row::new(GROUP, WHAT, Unit::Nanoseconds, samples(FIVE_OUTPUTS)?)
        .against(NO_OUTPUT, &samples(NO_OUTPUT)?)
        .target(Target::AtMost(NOTHING))
        .note(format!(
            "{documents} documents, 500 connections a second; processor time of the thread that decodes, decides, renders and \
             hands over; the outputs are file, NATS, webhook, OTLP and syslog; each reader is measured while the other works too; \
             a reader without outputs on an idle machine takes {:.0} ns",
            samples(ALONE)?.median()
        )))
}

/// A reader on a thread of its own.
struct ReaderThread {
    start: Sender<()>,
    costs: Receiver<Result<f64>>,
    thread: JoinHandle<Result<u64>>,
}

impl ReaderThread {
    fn start(folder: PathBuf, outputs: &[OutputOptions]) -> Result<Self> {
        let (start, starts) = channel();
        let (done, costs) = channel();
        let outputs = outputs.to_vec();
        let named = thread::Builder::new().name("bench-reader".to_owned());
        let thread = named.spawn(move || {
            let mut reader = Reader::new(&folder, &outputs)?;
            while let Ok(()) = starts.recv() {
                let _ = done.send(reader.round());
            }
            reader.end()
        });
        Ok(Self { start, costs, thread: thread.context("start a thread")? })
    }

    fn begin(&self) -> Result<()> {
        self.start.send(()).map_err(|_| anyhow!("a reader has ended"))
    }

    fn cost(&self) -> Result<f64> {
        self.costs.recv().context("a reader has ended")?
    }

    fn round(&self) -> Result<f64> {
        self.begin()?;
        self.cost()
    }

    /// The same while another reader has a round.
    fn round_beside(&self, other: &Self) -> Result<f64> {
        other.begin()?;
        let cost = self.round()?;
        other.cost()?;
        Ok(cost)
    }

    /// Ends it; gives the number of its documents.
    fn end(self) -> Result<u64> {
        drop(self.start);
        self.thread.join().map_err(|_| anyhow!("a reader panicked"))?
    }
}

/// The records of a connection in which both sides speak SMB: it is reported at once.
fn of_session(number: u32) -> Vec<Vec<u8>> {
    let flow = core::of_connection(number, CLIENTS);
    let mut records: Vec<_> = flow.chunks(core::RECORD).map(<[u8]>::to_vec).collect();
    let key = core::key_of(number, CLIENTS);
    for (side, flags) in [(Side::Local, 0), (Side::Remote, 1)] {
        let message = latency::negotiate(flags);
        let head = PieceHead {
            version: RECORD_VERSION,
            kind: RecordKind::Payload as u8,
            transport: key.transport,
            family: key.family,
            ifindex: key.ifindex,
            local: key.local,
            remote: key.remote,
            local_port: key.local_port,
            remote_port: key.remote_port,
            side: side as u8,
            piece: PieceKind::Message as u8,
            captured: message.len() as u16,
            wanted: message.len() as u32,
            // Behind the SYN.
            sequence: 1_001,
            ..PieceHead::EMPTY
        };
        records.push([head.as_bytes(), &message].concat());
    }
    records
}

/// The reader of an agent, with its store and outputs.
struct Reader {
    pipeline: Pipeline,
    writing: Writing,
    began: Timestamp,
    connections: u32,
}

impl Reader {
    fn new(folder: &Path, outputs: &[OutputOptions]) -> Result<Self> {
        let mut config = Config::default();
        // Each connection makes documents.
        config.detection.limits.incidents_per_window = u64::MAX;
        let (handle, sinks, writing) = store(folder, outputs)?;
        let output = StoreOutput::new(handle, ecs::Sensor::new(&[], true), sinks);
        let pipeline = Pipeline::new(sensor::core_of(&config)?, output);
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
        let began = Timestamp::from_unix_nanos(i64::try_from(now).context("read the clock")?);
        Ok(Self { pipeline, writing, began, connections: 0 })
    }

    /// Documents so far.
    fn documents(&self) -> u64 {
        self.pipeline.output_counts().documents
    }

    /// Nanoseconds of processor time for a document, on average of a round. Nothing waits afterwards, so that no output works
    /// during the turn of the other subject.
    fn round(&mut self) -> Result<f64> {
        let (begin, before, mut busy) = (Instant::now(), self.documents(), 0);
        for number in 1..=ROUND {
            let records = of_session(self.connections);
            self.connections += 1;
            let now = Moment { at: self.began + PACE * self.connections, ticks: 0 };
            let start = processor::thread_nanos()?;
            for record in &records {
                self.pipeline.record(record, now);
            }
            self.pipeline.write(now);
            busy += processor::thread_nanos()? - start;
            thread::sleep((PACE * number).saturating_sub(begin.elapsed()));
        }
        let made = self.documents() - before;
        ensure!(made >= u64::from(ROUND), "{ROUND} connections made {made} documents");
        self.settle()?;
        Ok(busy as f64 / made as f64)
    }

    /// Waits until the store has all documents, and every output has delivered them.
    fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            (self.pipeline.saving())(PATIENCE);
            let (counts, status) = (self.pipeline.output_counts(), self.pipeline.output_status());
            let is_lost = counts.dropped > 0 || status.iter().any(|one| one.refused + one.lost > 0);
            ensure!(!is_lost, "documents are lost: {status:?}");
            if counts.unsaved == 0 && status.iter().all(|one| one.waiting == 0) {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "not delivered: {status:?}");
            thread::sleep(LOOK);
        }
    }

    /// Ends it; gives the number of its documents.
    fn end(self) -> Result<u64> {
        let documents = self.documents();
        let Self { pipeline, writing, .. } = self;
        drop(pipeline);
        writing.end()?;
        Ok(documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_makes_a_document() {
        let scratch = sensor_lab::scratch_dir().unwrap();
        let mut reader = Reader::new(scratch.path(), &[]).unwrap();
        assert!(reader.round().unwrap() > 0.0);
        assert!(reader.documents() >= u64::from(ROUND), "{} documents", reader.documents());
        reader.end().unwrap();
    }
}
