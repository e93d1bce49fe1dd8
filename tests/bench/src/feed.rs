//! Sends frames over a cable, each one a flow of its own, as fast as one processor can.

use std::{
    cell::RefCell,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    maps::{Array, MapData},
    programs::{TestRun as _, TestRunAttrs, TestRunOptions},
};

use crate::{
    baseline::Baseline,
    frames::Segment,
    processor,
    stand::{SENDER, Stand},
};

/// Frames handed to the cable at a time; the receiving end has room for 256 (`VETH_RING_SIZE` of the kernel).
const BATCH: u32 = 64;
/// Short feeds that decide how time is taken: many, so that some are not interrupted, with this many frames each.
const TRIALS: usize = 20;
const TRIAL_FRAMES: u32 = 4_096;
/// How much of an uninterrupted feed is the thread's own where the kernel charges the receiving to it.
const CHARGED: f64 = 0.85;
/// Longest transit time of the last frame.
const STRAGGLING: Duration = Duration::from_secs(2);

/// How the time of a feed is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Processor time of the sending thread, to which the kernel charges the receiving, and of the kernel's receiving
    /// thread: other work on that processor does not count.
    Processor,
    /// Elapsed time, if the kernel charges receiving to nobody (CONFIG_IRQ_TIME_ACCOUNTING).
    Wall,
}

/// The sender of frames.
pub(crate) struct Feed {
    baseline: Baseline,
    target: RefCell<Array<MapData, u32>>,
    cpu: usize,
    clock: Clock,
    // The program must be attached somewhere, like every program that is run by hand.
    _stand: Stand,
}

/// The result of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Time for sending and receiving.
    pub time: Duration,
    /// Time until the last frame was received.
    pub wall: Duration,
    /// Frames that were received.
    pub received: u64,
}

impl Sent {
    /// Millions of received frames a second.
    pub(crate) fn millions_per_second(self) -> f64 {
        self.received as f64 / self.time.as_secs_f64() / 1e6
    }
}

impl Feed {
    /// A sender that works on this processor.
    pub(crate) fn on(cpu: usize) -> Result<Self> {
        let mut baseline = Baseline::small()?;
        let stand = Stand::new()?;
        stand.attach(baseline.xdp_mut("bench_generate")?)?;
        let target = baseline.ebpf().take_map("TARGET").context("the baselines have no TARGET")?;
        let target = RefCell::new(target.try_into().context("open the generator's target")?);
        let mut feed = Self { baseline, target, cpu, clock: Clock::Processor, _stand: stand };
        feed.clock = feed.fitting_clock()?;
        Ok(feed)
    }

    /// Tries both clocks.
    fn fitting_clock(&self) -> Result<Clock> {
        let stand = Stand::new()?;
        stand.receive_in_bulk()?;
        let frame = Segment::new((Ipv4Addr::LOCALHOST, 1), (Ipv4Addr::LOCALHOST, 2)).frame();
        for _ in 0..TRIALS {
            let start = Instant::now();
            let (wall, processor) = self.run(&stand, &frame, TRIAL_FRAMES)?;
            if processor.as_secs_f64() >= CHARGED * wall.as_secs_f64() && start.elapsed() < STRAGGLING {
                return Ok(Clock::Processor);
            }
        }
        Ok(Clock::Wall)
    }

    /// The kind of time, as text.
    pub(crate) const fn clock(&self) -> &'static str {
        match self.clock {
            Clock::Processor => "processor time of sending and receiving",
            Clock::Wall => {
                "time that passed, for this kernel charges receiving to nobody: trust it on a quiet machine only"
            }
        }
    }

    /// Sends `frame` over the cable of `stand` this many times.
    pub(crate) fn send(&self, stand: &Stand, frame: &[u8], packets: u32) -> Result<Sent> {
        let before = stand.received()?;
        let receiving = processor::receiving_nanos(self.cpu)?;
        let start = Instant::now();
        let (mut wall, processor) = self.run(stand, frame, packets)?;
        let expected = before + u64::from(packets);
        let mut received = stand.received()?;
        while received < expected && start.elapsed() < wall + STRAGGLING {
            let now = stand.received()?;
            if now > received {
                received = now;
                wall = start.elapsed();
            }
        }
        let receiving = Duration::from_nanos(processor::receiving_nanos(self.cpu)? - receiving);
        let time = match self.clock {
            Clock::Processor => processor + receiving,
            Clock::Wall => wall,
        };
        Ok(Sent { time, wall, received: received - before })
    }

    /// Runs the generator: time that passed, and processor time of its thread.
    fn run(&self, stand: &Stand, frame: &[u8], packets: u32) -> Result<(Duration, Duration)> {
        let index = stand.sender.interface_index(SENDER)?;
        self.target.borrow_mut().set(0, index, 0).context("aim the generator")?;
        let (generator, cpu) = (self.baseline.xdp("bench_generate")?, self.cpu);
        let run = || -> Result<(Duration, Duration)> {
            processor::stay_on(cpu)?;
            let options = TestRunOptions {
                data_in: Some(frame),
                repeat: packets,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
                ..TestRunOptions::new()
            };
            let (start, nanos) = (Instant::now(), processor::thread_nanos()?);
            generator.test_run(options).context("run the generator")?;
            Ok((start.elapsed(), Duration::from_nanos(processor::thread_nanos()? - nanos)))
        };
        stand.sender.run(run)?
    }
}
