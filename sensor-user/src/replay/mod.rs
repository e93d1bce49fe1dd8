//! Replays: recorded packets through the packet path and the stages of the agent.
//!
//! [`link`] makes Ethernet frames of all link types, [`rewrite`](mod@rewrite) changes addresses, [`engine`] is the packet path in the
//! kernel or on the host, [`player`] drives it by the [`clock`] of the frames, [`output`] writes the results.

pub mod clock;
pub mod engine;
mod in_force;
pub mod interrupt;
pub mod link;
pub mod output;
pub mod player;
pub mod progress;
pub mod read;
pub mod rewrite;

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::ExitCode,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};
use tracing::{error, info, warn};

use self::{
    clock::Speed,
    engine::{Engine, Host, Kernel},
    interrupt::{INTERRUPTED, Interrupt},
    output::{Failure, Form, ReplayOutput},
    player::{INTERFACE, Played, Player, PlayerParts},
    progress::Progress,
    read::Counted,
    rewrite::Rewrite,
};
use sensor_common::headers::Link;
use sensor_core::{rules::sentence::counted, terms::KnownTerms};

use crate::{
    capture::{CaptureError, Input, read_frames},
    config::Config,
    ecs, fingerprint_key,
    kernel::{interface::Interface, privileges},
    plan,
    state::Restored,
    stdout,
    storage::{Handle, Opened, StorageError, Writer},
};
use sensor_dissect::FingerprintKey;

/// Where the packet path runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// In the kernel.
    Kernel,
    /// On the host.
    Host,
}

impl EngineChoice {
    /// Prepares it.
    ///
    /// # Errors
    /// If the kernel does not accept the program.
    pub fn start(self, config: &Config) -> Result<Box<dyn Engine>> {
        match self {
            Self::Host => Ok(Box::new(Host::new(config))),
            Self::Kernel => {
                let missing = privileges::missing();
                if !missing.is_empty() {
                    bail!(
                        "the kernel engine needs the privileges of `smb-sensor run`; {}. Or use --engine host, which needs none \
                         and reports the same",
                        privileges::FIX
                    );
                }
                Ok(Box::new(Kernel::new(config)?))
            }
        }
    }
}

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The captures, one after another; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Where the packet path runs.
    pub engine: EngineChoice,
    /// Rewrites of addresses.
    pub rewrites: Vec<Rewrite>,
    /// How fast.
    pub speed: Speed,
    /// Whether documents are written even on a terminal.
    pub json: bool,
    /// Whether summaries of flows are written too.
    pub flows: bool,
    /// Directory of the store of known destinations; without it none is known at first.
    pub state_dir: Option<PathBuf>,
}

/// Replays captures and reports on standard output.
///
/// # Errors
/// A failure of the replay itself. A damaged capture is reported, and makes the exit code 1.
pub fn run(options: &Options, config: &Config) -> Result<ExitCode> {
    // The kernel engine binds this thread to a CPU; the thread that reads the files stays free. A machine with more CPUs than the
    // call can name says none, and then files are read on the CPU of this thread.
    let cpus = sched_getaffinity(Pid::from_raw(0)).ok();
    let engine = options.engine.start(config)?;
    let interrupt = Interrupt::listen().context("cannot listen for SIGINT")?;
    let Kept { terms, key, store } = kept(options.state_dir.as_deref(), config)?;
    let (store, writing) = store.unzip();
    let parts = PlayerParts {
        engine,
        terms,
        key,
        rewrites: options.rewrites.clone(),
        speed: options.speed,
        interrupt: interrupt.clone(),
    };
    for warning in plan::network_warnings(config, &[]) {
        warn!("{warning}");
    }
    let on_terminal = io::stdout().is_terminal();
    let progress = if io::stderr().is_terminal() { Progress::on_terminal() } else { Progress::none() };
    let form = if options.json || options.flows || !on_terminal { Form::Json } else { Form::Lines };
    // What comes from a pipe may be happening now.
    let from_pipe = options.files.iter().any(|path| path == Path::new("-"));
    let watched = on_terminal || from_pipe || options.speed != Speed::Max;
    let interface = Interface {
        name: INTERFACE.to_owned(),
        index: engine::INTERFACE,
        link: Link::Ethernet,
        networks: vec![],
    };
    let sensor = ecs::Sensor::new(&[interface], !config.lacks_networks());
    let output =
        ReplayOutput::new(form, io::stdout(), sensor, watched, progress.clone()).keeping_terms_in(store);
    let failure = output.failure();
    // The outputs of the agent are not those of a replay, and nor is what they take.
    let flow_documents = options.flows && form == Form::Json;
    let config = Config { flow_documents, outputs: vec![], ..config.clone() };
    let mut player = Player::new(&config, parts, output);
    let monitor = Monitor { progress, failure, interrupt };
    let mut whole = true;
    for path in &options.files {
        match play(path, cpus, &mut player, &monitor)? {
            Ended::Whole => {
                if let Some(reason) = player.of_file().nothing_read() {
                    whole = false;
                    monitor.progress.beside(|| error!("{}: {reason}", path.display()));
                }
            }
            Ended::Broken(reason) => {
                whole = false;
                let kept = if player.of_file().frames > 0 { "; the part before was replayed" } else { "" };
                monitor.progress.beside(|| error!("{}: {reason}{kept}", path.display()));
            }
            Ended::Stopped => break,
        }
    }
    monitor.progress.end();
    let played = player.finish()?;
    // The last handle went with the player.
    if let Some(writing) = writing {
        let written = writing.join().map_err(|_| anyhow!("the thread of the store panicked"))?;
        written.context("known destinations were not kept")?;
    }
    match monitor.failure.take() {
        Some(error) => stdout::settled(Err(error))?,
        None => log_summary(&played, options.files.len()),
    }
    Ok(match (monitor.interrupt.is_asked(), whole) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// State that outlasts a run.
struct Kept {
    terms: KnownTerms,
    key: FingerprintKey,
    /// The store, with its writing thread.
    store: Option<(Handle, JoinHandle<Result<(), StorageError>>)>,
}

/// The state at the beginning: the known destinations of a state directory, which will get the new ones, or none.
fn kept(state_dir: Option<&Path>, config: &Config) -> Result<Kept> {
    let mut terms = KnownTerms::in_memory(&config.detection.windows);
    let Some(state_dir) = state_dir else {
        let key =
            fingerprint_key::of_this_machine().context("cannot make a key for credential fingerprints")?;
        return Ok(Kept { terms, key, store: None });
    };
    let Opened { writer, handle, rows } = Writer::open(state_dir, config.journal, i64::MAX)?;
    terms.know(&Restored::of(&rows).terms);
    let key = fingerprint_key::kept_in(state_dir)
        .context("cannot keep the key of credential fingerprints in the state directory")?;
    let writing = thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run())
        .context("cannot start the store")?;
    Ok(Kept { terms, key, store: Some((handle, writing)) })
}

/// How a file ended.
enum Ended {
    Whole,
    Broken(CaptureError),
    /// Stopped by the reader of the output, or by a signal.
    Stopped,
}

/// Progress bar, output failure and interrupt of a replay.
struct Monitor {
    progress: Progress,
    failure: Failure,
    interrupt: Interrupt,
}

/// Why no further frame is wanted.
enum Stop {
    Enough,
    Failed(anyhow::Error),
}

fn play(path: &Path, cpus: Option<CpuSet>, player: &mut Player, monitor: &Monitor) -> Result<Ended> {
    let Monitor { progress, failure, interrupt } = monitor;
    player.begin_file();
    let stopped = interrupt.clone();
    let input = Input::open(path).and_then(|input| input.read_ahead(cpus, move || !stopped.is_asked()));
    let input = match input {
        Ok(input) => input,
        Err(error) => return Ok(Ended::Broken(error.into())),
    };
    progress.begin(&path.display().to_string(), input.size(), input.watch());
    let read = read_frames(input, |frame| {
        progress.frame();
        player.frame(&frame).map_err(Stop::Failed)?;
        if failure.is_there() || interrupt.is_asked() { Err(Stop::Enough) } else { Ok(()) }
    });
    match read {
        Ok(Ok(())) => Ok(Ended::Whole),
        // The input ended because nobody wanted more.
        Ok(Err(_)) if interrupt.is_asked() => Ok(Ended::Stopped),
        Ok(Err(reason)) => Ok(Ended::Broken(reason)),
        Err(Stop::Enough) => Ok(Ended::Stopped),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn log_summary(played: &Played, files: usize) {
    info!("{}", played.statistics);
    let Counted { frames, left_out, unknown_link, .. } = played.read;
    if let Some(unread) = unknown_link {
        warn!("frames of link type {} are not read: {} are", unread.0, link::READ);
    }
    let core = &played.statistics.core;
    let only_counted = match core.held_back {
        0 => String::new(),
        more => format!(" and {more} more that were only counted"),
    };
    info!(
        "replayed {} of {}: {} crossed the border, {}{only_counted}{}",
        counted(frames, "frame"),
        counted(files as u64, "file"),
        counted(played.flows, "connection"),
        counted(core.incidents_opened.iter().sum(), "incident"),
        if left_out == 0 { String::new() } else { format!("; {} left out", counted(left_out, "frame")) },
    );
}
