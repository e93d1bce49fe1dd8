//! Runs rounds until enough frames are tested, or the time is over.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result};
use sensor_common::headers::Link;
use sensor_user::{
    capture,
    replay::link::{self, ETHERNET_LEN},
};

use super::{Generator, Tally, fixture::Given, generate::MAX_LINEAR_LEN, options::Options, trial::Trial};
use crate::{kernel::has_xdp_frags, random::Xorshift, replayed::captures_below, twin::ENTRIES};

/// Frames of a round: so few that no flow reaches the 2^31 bytes at which its counts are settled.
const ROUND: u64 = 32_000;

/// Frames between two comparisons of counters and slots.
const BATCH: u64 = 200;

/// Longer recorded frames have no further headers.
const MAX_RECORDED_LEN: usize = 1_600;

/// The options of a run.
#[derive(Clone, Copy, Debug)]
pub struct FuzzPlan {
    /// Where to begin; the same seed gives the same frames.
    pub seed: u64,
    /// Frames, at most.
    pub frames: u64,
    /// When to stop.
    pub until: Option<Instant>,
    /// Whether the kernel's program can be loaded.
    pub privileged: bool,
}

/// Runs frames in all implementations; `recorded` ones are mixed in and changed. Calls `progress` after each round.
///
/// # Errors
/// The first [`Disagreement`](super::trial::Disagreement) with the seed of its round, or the kernel's error.
pub fn run(plan: &FuzzPlan, recorded: &[Vec<u8>], mut progress: impl FnMut(&Tally)) -> Result<Tally> {
    let mut tally = Tally::default();
    let is_late = || plan.until.is_some_and(|until| Instant::now() >= until);
    for number in 0.. {
        let left = plan.frames - tally.host;
        if left == 0 || is_late() {
            break;
        }
        let seed = plan.seed.wrapping_add(number);
        let came_to = round(seed, left.min(ROUND), plan.privileged, recorded, &is_late)
            .with_context(|| format!("round {number}, which --seed {seed} begins with"))?;
        tally.add(&came_to);
        progress(&tally);
    }
    Ok(tally)
}

fn round(
    seed: u64,
    frames: u64,
    privileged: bool,
    recorded: &[Vec<u8>],
    is_late: &impl Fn() -> bool,
) -> Result<Tally> {
    let mut options = Options::of_round(seed, &mut Xorshift::seeded(!seed));
    options.frags &= !privileged || has_xdp_frags();
    let mut trial = Trial::new(options, privileged)?;
    let mut generator = Generator::new(seed, recorded);
    let mut done = 0;
    while done < frames && !is_late() {
        let many = (frames - done).min(BATCH);
        let batch: Vec<Given> = (done..done + many)
            .map(|number| given(number, generator.frame(), generator.cpu(), &options))
            .collect();
        trial.batch(&batch)?;
        done += many;
    }
    Ok(trial.tally())
}

/// A frame at the entry points in turn. Long ones come to the hook that takes them, or are cut. Where there is no Ethernet
/// header, the frame loses its own.
fn given(number: u64, frame: Vec<u8>, cpu: u16, options: &Options) -> Given {
    let mut frame = frame;
    let entry = ENTRIES[(number % ENTRIES.len() as u64) as usize];
    if frame.len() > MAX_LINEAR_LEN && options.frags {
        return Given { cpu, entry: ENTRIES[0], frame };
    }
    frame.truncate(MAX_LINEAR_LEN);
    // The kernel runs a program by hand on nothing shorter than an Ethernet header.
    if entry.link == Link::Ip && frame.len() >= 2 * ETHERNET_LEN {
        frame.drain(..ETHERNET_LEN);
    }
    Given { cpu, entry, frame }
}

/// The frames of all captures below a folder, as Ethernet frames; damaged captures count up to the damage.
///
/// # Errors
/// When the folder cannot be listed.
pub fn recorded_frames(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut buffer = Vec::new();
    for path in captures_below(folder)? {
        // A capture that is broken on purpose gives the frames before the damage.
        let _ = capture::frames(&path, |frame| {
            if let Some(frame) = link::ethernet(&frame, &mut buffer)
                && frame.len() <= MAX_RECORDED_LEN
            {
                all.push(frame.to_vec());
            }
        });
    }
    Ok(all)
}
