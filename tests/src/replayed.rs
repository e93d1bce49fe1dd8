//! Captures through the replay, in this process: the results of each engine.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use sensor_core::{terms::KnownTerms, time::Timestamp};
use sensor_dissect::FingerprintKey;
use sensor_user::{
    capture::{Input, read_frames},
    config::Config,
    ecs::Sensor,
    output::documents,
    pipeline::{Batch, Output, Saving},
    replay::{
        EngineChoice,
        clock::Speed,
        interrupt::Interrupt,
        player::{Played, Player, PlayerParts},
        rewrite::Rewrite,
    },
    statistics::OutputCounts,
};
use serde_json::Value;

/// The result of a capture.
#[derive(Debug)]
pub struct Replayed {
    /// The documents: alerts, and summaries of flows.
    pub documents: Vec<Value>,
    /// The counts.
    pub played: Played,
    /// Why the capture was not read to its end, if it was not.
    pub damage: Option<String>,
}

/// Keeps documents.
#[derive(Default)]
struct Kept(Rc<RefCell<Vec<Value>>>);

impl Output for Kept {
    fn take(&mut self, batch: Batch, _: Timestamp) {
        let sensor = Sensor { hostname: "replay".to_owned(), interfaces: vec![], networks_defined: true };
        let lines = documents(&batch.events, &sensor);
        self.0.borrow_mut().extend(lines.iter().filter_map(|line| serde_json::from_str(&line.body).ok()));
    }

    fn settle(&mut self, _patience: Duration) {}

    fn saving(&mut self) -> Saving {
        Box::new(|_| {})
    }

    fn keeps_state(&self) -> bool {
        false
    }

    fn counts(&self) -> OutputCounts {
        OutputCounts { written: self.0.borrow().len() as u64, ..OutputCounts::default() }
    }
}

/// Replays one capture. The key of fingerprints is fixed.
///
/// # Errors
/// When the engine does not start or fails; a damaged capture is no error.
pub fn replayed(path: &Path, engine: EngineChoice, config: &Config) -> Result<Replayed> {
    replayed_with(path, engine, config, &[])
}

/// The same with rewritten addresses.
///
/// # Errors
/// As [`replayed`].
pub fn replayed_with(
    path: &Path,
    engine: EngineChoice,
    config: &Config,
    rewrites: &[Rewrite],
) -> Result<Replayed> {
    let kept = Kept::default();
    let documents = Rc::clone(&kept.0);
    let parts = PlayerParts {
        engine: engine.start(config).with_context(|| format!("start the {engine:?} engine"))?,
        terms: KnownTerms::in_memory(&config.detection.windows),
        key: FingerprintKey::new([7; 32]),
        rewrites: rewrites.to_vec(),
        speed: Speed::Max,
        interrupt: Interrupt::never(),
    };
    let mut player = Player::new(&Config { flow_documents: true, ..config.clone() }, parts, kept);
    let read = match Input::open(path) {
        Ok(input) => read_frames(input, |frame| player.frame(&frame))?,
        Err(error) => Err(error.into()),
    };
    let played = player.finish()?;
    let damage = read.err().map(|reason| reason.to_string());
    Ok(Replayed { documents: documents.take(), played, damage })
}

/// The captures below a folder, in order; a file is taken as one.
///
/// # Errors
/// When a folder cannot be listed.
pub fn captures_below(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let listing = || format!("list {}", path.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        if path.is_dir() || [".pcap", ".pcapng", ".cap"].iter().any(|end| plain.ends_with(end)) {
            found.extend(captures_below(&path)?);
        }
    }
    found.sort();
    Ok(found)
}
