//! Runs random frames and prefix sets through the kernel's program, the host engine and an oracle: `cargo xtask fuzz`.
#![expect(clippy::print_stdout, reason = "a run reports to the person who started it")]

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Parser;
use sensor_tests::{
    fuzz::{self, Tally, prefixes},
    privileged,
};

/// Random frames and prefix sets before the kernel's program, the host engine and an oracle.
#[derive(Parser)]
struct Arguments {
    /// Seconds to run
    #[arg(long)]
    seconds: Option<u64>,
    /// Frames, or prefix sets, at most
    #[arg(long)]
    count: Option<u64>,
    /// Where to begin
    #[arg(long)]
    seed: Option<u64>,
    /// Prefix sets instead of frames
    #[arg(long)]
    prefixes: bool,
    /// Folder of captures of which frames are taken
    #[arg(long)]
    captures: std::path::PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.prefixes { of_prefixes(&arguments) } else { of_frames(&arguments) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn until(&self) -> Option<Instant> {
        self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds))
    }

    /// The seed, by default from the clock; it is printed first, so that every failure can be repeated.
    fn seed(&self) -> u64 {
        let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_micros() as u64);
        let seed = self.seed.unwrap_or_else(clock);
        println!("seed {seed}");
        seed
    }
}

fn of_frames(arguments: &Arguments) -> Result<()> {
    let plan = fuzz::FuzzPlan {
        seed: arguments.seed(),
        frames: arguments.count.unwrap_or(u64::MAX),
        until: arguments.until(),
        privileged: privileged("fuzz"),
    };
    if !plan.privileged {
        println!("not root: the kernel's program is left out");
    }
    let recorded = fuzz::recorded_frames(&arguments.captures)?;
    println!("{} recorded frames to change", recorded.len());
    let began = Instant::now();
    let tally = fuzz::run(&plan, &recorded, |tally| report(tally, began))?;
    let seconds = began.elapsed().as_secs_f64();
    println!("{tally}\ndisagreements: 0, at {:.0} frames a second", tally.host as f64 / seconds);
    Ok(())
}

/// Shows the progress, on a terminal.
fn report(tally: &Tally, began: Instant) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r{} frames in {} s ", tally.host, began.elapsed().as_secs());
    }
}

fn of_prefixes(arguments: &Arguments) -> Result<()> {
    if !privileged("fuzz") {
        bail!("asking the kernel takes root: run it as root, or with sudo at hand");
    }
    let plan = prefixes::PrefixPlan {
        seed: arguments.seed(),
        sets: arguments.count.unwrap_or(u64::MAX),
        until: arguments.until(),
    };
    let asked = prefixes::run(&plan)?;
    println!(
        "{} sets of {} prefixes in all, {} addresses asked as client and as server\ndisagreements: 0",
        asked.sets, asked.prefixes, asked.addresses
    );
    Ok(())
}
