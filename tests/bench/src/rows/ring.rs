//! How fast the agent can read records from the ring.
//!
//! One processor makes records of IPv4 flows without waking anybody; the other reads and decodes them, pausing when there are
//! none.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aya::maps::{MapData, PerCpuArray};
use sensor_common::slot::RECORD_V4_LEN;
use sensor_core::record;
use sensor_user::kernel::ring::RecordRing;

use crate::{
    baseline::Baseline,
    effort::Effort,
    processor,
    row::{Row, Target, Unit},
    samples::Samples,
    stand::Stand,
    test_run::Runnable,
};

const GROUP: &str = "ring → agent";
/// Bytes of a record in the ring, its header included (`BPF_RINGBUF_HDR_SZ` of the kernel).
const RECORD: u64 = RECORD_V4_LEN as u64 + 8;
const RING_BYTES: u32 = 32 << 20;
/// A ring that a producer at full speed overtakes.
const SMALL_RING_BYTES: u32 = 64 << 10;
/// Records made in one go, and in one run of the producer.
const PORTION: u64 = 32_768;
const RECORDS_OF_RUN: u64 = 16;
const ROUNDS: u64 = 10;
/// Pause of a side that has to wait for the other.
const PAUSE: Duration = Duration::from_micros(50);
/// The longest a round may take.
const PATIENCE: Duration = Duration::from_secs(30);
const FRAME: [u8; 64] = [0; 64];

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let capacity = u64::from(RING_BYTES) / RECORD;
    let mut paced = Ring::new(RING_BYTES)?;
    // Whole portions, so that exactly the expected number is made.
    let count = (effort.records / ROUNDS).next_multiple_of(PORTION);
    paced.carry(PORTION, capacity / 2)?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let seconds = paced.carry(count, capacity / 2)?;
        rates.push(count as f64 / seconds / 1e6);
    }
    let [sent, lost] = paced.outcomes()?;

    let mut overrun = Ring::new(SMALL_RING_BYTES)?;
    let seconds = overrun.carry(count, u64::MAX)?;
    let [kept, refused] = overrun.outcomes()?;
    let alone = (0..ROUNDS).map(|_| paced.empty(capacity / 2)).collect::<Result<Vec<_>>>()?;
    let rows = vec![
        Row::new(GROUP, "records of IPv4 flows, paced", Unit::MillionsPerSecond, Samples::new(rates))
            .target(Target::AtLeast(15.0))
            .note(format!("{sent} sent = read, {lost} lost")),
        Row::new(
            GROUP,
            "records of IPv4 flows, producer at full speed",
            Unit::MillionsPerSecond,
            Samples::new(vec![kept as f64 / seconds / 1e6]),
        )
        .note(format!(
            "{} KiB of ring; {kept} sent = read, {refused} found no capacity and were counted",
            SMALL_RING_BYTES / 1024
        )),
        Row::new(
            GROUP,
            "the reading alone, of records that are all there",
            Unit::MillionsPerSecond,
            Samples::new(alone),
        ),
    ];
    ensure!(lost == 0, "{lost} records were lost although they were paced");
    Ok(rows)
}

/// A ring and the program that fills it.
struct Ring {
    baseline: Baseline,
    ring: RecordRing,
    outcomes: PerCpuArray<MapData, [u64; 2]>,
    // The program must be attached somewhere, as every one that is run by hand.
    _stand: Stand,
}

impl Ring {
    fn new(bytes: u32) -> Result<Self> {
        let mut baseline = Baseline::load(|loader| {
            loader.map_max_entries("PRODUCED", bytes);
        })?;
        let stand = Stand::new()?;
        stand.attach(baseline.xdp_mut("bench_produce")?)?;
        let mut take = |name| {
            let map = baseline.ebpf().take_map(name);
            map.with_context(|| format!("the baselines have no {name}"))
        };
        let ring = RecordRing::open(take("PRODUCED")?).context("open the ring")?;
        let outcomes = take("OUTCOMES")?.try_into().context("open the producer's counters")?;
        Ok(Self { baseline, ring, outcomes, _stand: stand })
    }

    /// Records sent and lost so far.
    fn outcomes(&self) -> Result<[u64; 2]> {
        let per_cpu = self.outcomes.get(&0, 0).context("read the producer's counters")?;
        Ok(per_cpu.iter().fold([0; 2], |sum, cpu| [sum[0] + cpu[0], sum[1] + cpu[1]]))
    }

    /// Makes about `count` records, then reads them: millions per second of reading.
    fn empty(&mut self, count: u64) -> Result<f64> {
        let program = Runnable::Xdp(self.baseline.xdp("bench_produce")?);
        program.run(&FRAME, (count / RECORDS_OF_RUN) as u32)?;
        let ring = &mut self.ring;
        processor::on(processor::pair()?.0, || {
            let (start, mut read) = (Instant::now(), 0_u32);
            while let Some(record) = ring.take() {
                black_box(record::record(record).context("decode a record of the producer's")?);
                read += 1;
            }
            Ok(f64::from(read) / start.elapsed().as_secs_f64() / 1e6)
        })
    }

    /// Makes `count` records, with at most `ahead` unread, and reads all that the ring accepted; returns the seconds.
    fn carry(&mut self, count: u64, ahead: u64) -> Result<f64> {
        let (reader, producer) = processor::pair()?;
        let before = self.outcomes()?;
        let read = AtomicU64::new(0);
        let made = AtomicU64::new(u64::MAX);
        let start = Instant::now();
        let program = Runnable::Xdp(self.baseline.xdp("bench_produce")?);
        let outcomes = &self.outcomes;
        let ring = &mut self.ring;
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                processor::stay_on(reader)?;
                take_all(ring, &read, &made, start)
            });
            let producing = scope.spawn(|| -> Result<()> {
                processor::stay_on(producer)?;
                let mut pushed = 0;
                while pushed < count {
                    while pushed - read.load(Ordering::Relaxed).min(pushed) > ahead
                        && start.elapsed() < PATIENCE
                    {
                        thread::sleep(PAUSE);
                    }
                    program.run(&FRAME, (PORTION / RECORDS_OF_RUN) as u32)?;
                    pushed += PORTION;
                }
                let sent = outcomes
                    .get(&0, 0)
                    .context("read the producer's counters")?
                    .iter()
                    .map(|cpu| cpu[0])
                    .sum::<u64>();
                made.store(sent - before[0], Ordering::Relaxed);
                Ok(())
            });
            let produced = producing.join().map_err(|_| anyhow!("the producing thread panicked"))?;
            if produced.is_err() {
                // Otherwise the reader would wait for records that never come.
                made.store(0, Ordering::Relaxed);
            }
            let took = reading.join().map_err(|_| anyhow!("the reading thread panicked"))?;
            produced.and(took)
        })?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// Reads until all made records have come.
fn take_all(ring: &mut RecordRing, read: &AtomicU64, made: &AtomicU64, start: Instant) -> Result<()> {
    let mut count = 0;
    loop {
        while let Some(record) = ring.take() {
            black_box(record::record(record).context("decode a record of the producer's")?);
            count += 1;
            if count % 1024 == 0 {
                read.store(count, Ordering::Relaxed);
            }
        }
        read.store(count, Ordering::Relaxed);
        if count >= made.load(Ordering::Relaxed) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("{count} records came in {PATIENCE:?}, and more were to come");
        }
        thread::sleep(PAUSE);
    }
}
