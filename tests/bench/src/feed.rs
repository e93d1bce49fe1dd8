//! Sends frames over a cable, each one a flow of its own, as fast as one processor can.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    maps::{Array, MapData},
    programs::{TestRun as _, TestRunAttrs, TestRunOptions},
};

use crate::{
    baseline::Baseline,
    processor,
    stand::{SENDER, Stand},
};

/// Frames handed to the cable at a time; the receiving end has room for 256 (`VETH_RING_SIZE` of the kernel).
const BATCH: u32 = 64;
/// How long frames may be on their way after the last was sent.
const STRAGGLING: Duration = Duration::from_secs(2);

/// The sender of frames.
pub(crate) struct Feed {
    baseline: Baseline,
    target: RefCell<Array<MapData, u32>>,
    cpu: usize,
    // The program must be attached somewhere, as every one that is run by hand.
    _stand: Stand,
}

/// What came of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Time until the last frame was received.
    pub time: Duration,
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
        Ok(Self { baseline, target, cpu, _stand: stand })
    }

    /// Sends `frame` over the cable of `stand` this many times.
    pub(crate) fn send(&self, stand: &Stand, frame: &[u8], packets: u32) -> Result<Sent> {
        let index = stand.sender.interface_index(SENDER)?;
        self.target.borrow_mut().set(0, index, 0).context("aim the generator")?;
        let (generator, cpu) = (self.baseline.xdp("bench_generate")?, self.cpu);
        let before = stand.received()?;
        let options = || TestRunOptions {
            data_in: Some(frame),
            repeat: packets,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::new()
        };
        let send = || -> Result<Duration> {
            processor::stay_on(cpu)?;
            let start = Instant::now();
            generator.test_run(options()).context("run the generator")?;
            Ok(start.elapsed())
        };
        let start = Instant::now();
        let mut time = stand.sender.run(send)??;
        let expected = before + u64::from(packets);
        let mut received = stand.received()?;
        while received < expected && start.elapsed() < time + STRAGGLING {
            let now = stand.received()?;
            if now > received {
                received = now;
                time = start.elapsed();
            }
        }
        Ok(Sent { time, received: received - before })
    }
}
