//! The running sinks: started, changed while the agent runs, and ended.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tracing::warn;

use super::{
    Destination, OutputOptions, OutputStatus, Sink, SinkError, Take, open::open, progress::Progress,
    worker::Worker,
};
use crate::{
    health::HealthBoard,
    runtime::{Spawner, Wait, signs, waiting},
    shared_terms::Answering,
    storage::{Handle, OUTPUT_CURSOR, Reader, StorageError},
};

/// Time for a sink to end.
const END: Duration = Duration::from_secs(1);

/// What sinks work with.
#[derive(Clone)]
pub struct Surroundings {
    /// Directory of the database and of refused documents.
    pub state_dir: PathBuf,
    /// Whether an output takes summaries of flows if it does not say so itself.
    pub flows: bool,
    /// The store.
    pub store: Handle,
    /// The health of the sensor, for outputs that report it.
    pub health: Arc<HealthBoard>,
    /// Has the agent read its configuration again, with what an output put into the state directory.
    pub changed: Arc<Notify>,
    /// Requests about known terms, for an output that shares them.
    pub terms: Answering,
    /// Starts their threads.
    pub spawner: Spawner,
}

/// The running sinks.
pub struct Sinks {
    around: Surroundings,
    all: Vec<Running>,
    /// Those that were ended: they may still be busy, and say how far they got.
    ended: Vec<Running>,
    /// Positions that the store had at the start.
    stored: BTreeMap<String, u64>,
}

struct Running {
    output: OutputOptions,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Sinks {
    /// None yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn new(around: Surroundings) -> Result<Self, StorageError> {
        let stored = Reader::open(&around.state_dir)?.cursors()?;
        Ok(Self { around, all: vec![], ended: vec![], stored })
    }

    /// Starts those of the configured outputs.
    ///
    /// # Errors
    /// If one cannot be set up.
    pub fn start_all(&mut self, outputs: &[OutputOptions]) -> Result<(), SinkError> {
        for output in outputs {
            self.start(output, open(output, &self.around)?)?;
        }
        Ok(())
    }

    /// Starts one.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(&mut self, output: &OutputOptions, sink: Box<dyn Sink>) -> Result<(), SinkError> {
        self.launch(output, Some(sink)).map_err(SinkError::Thread)
    }

    /// Ends those that are not among these outputs any more, and starts those that are new or changed, from where the one of
    /// that name was. Returns the names. Never waits: a sink that cannot be set up tries again.
    pub fn change(&mut self, outputs: &[OutputOptions]) -> Vec<String> {
        let (kept, over): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.all).into_iter().partition(|one| outputs.contains(&one.output));
        self.all = kept;
        let mut names: Vec<String> = over.iter().map(|one| one.output.name.clone()).collect();
        for one in over {
            one.progress.stop();
            self.around.store.committed().unsubscribe(&one.progress.subscriber);
            self.ended.push(one);
        }
        self.around.store.committed().wake();
        for output in outputs {
            if self.all.iter().any(|one| one.output == *output) {
                continue;
            }
            if let Err(error) = self.launch(output, None) {
                warn!("cannot start a thread for the output {}: {error}", output.name);
            }
            names.push(output.name.clone());
        }
        names.sort();
        names.dedup();
        names
    }

    /// Starts a thread, which opens its destination itself if that is not done.
    fn launch(&mut self, output: &OutputOptions, opened: Option<Box<dyn Sink>>) -> io::Result<()> {
        let Surroundings { flows, store, spawner, .. } = &self.around;
        let before = self.ended.iter_mut().rfind(|one| one.output.name == output.name);
        let before = before.map(|one| (Arc::clone(&one.progress), one.thread.take()));
        let cursor = match &before {
            Some((progress, _)) => Some(progress.cursor()),
            None => self.stored.get(&output.name).copied(),
        };
        let is_new = cursor.is_none() && output.name != OUTPUT_CURSOR;
        // A further output begins with the documents from now on.
        let begin = if is_new { store.committed().sequence() } else { cursor.unwrap_or(0) };
        let kind = output.take.unwrap_or(if *flows { Take::Both } else { Take::Incidents }).kind();
        let progress = Arc::new(Progress::new(&output.name, kind, output.min_severity, begin));
        store.committed().subscribe(Arc::clone(&progress.subscriber));
        let (around, options, mine) = (self.around.clone(), output.clone(), Arc::clone(&progress));
        let work = move || {
            if let Some((progress, thread)) = before {
                // Two at once would deliver documents twice.
                let _ = waiting(Wait::Server, || thread.map(JoinHandle::join));
                mine.advance_to(progress.cursor());
            }
            let worker = Worker::new(mine, &around.state_dir, around.store.clone());
            if is_new {
                worker.save_cursor();
            }
            if let Some(sink) = opened.or_else(|| worker.open(|| open(&options, &around))) {
                worker.run(sink);
            }
        };
        let name = format!("sink-{}", output.name);
        let thread = match output.destination {
            Destination::File(_) => spawner.spawn_writer(&name, work),
            _ => spawner.spawn(&name, work),
        }?;
        self.all.push(Running { output: output.clone(), progress, thread: Some(thread) });
        Ok(())
    }

    /// Has each open its destination again if it is not what it was. Never waits.
    pub fn reopen(&self) {
        self.all.iter().for_each(|one| one.progress.ask_to_reopen());
        self.around.store.committed().wake();
    }

    /// Waits until all have reached a position, at most for this time.
    pub fn settle(&self, place: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.waiting(place) > 0 && Instant::now() < deadline && self.are_alive() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether every sink runs.
    #[must_use]
    pub fn are_alive(&self) -> bool {
        self.all.iter().all(|one| one.thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    /// Documents that the slowest sink has not delivered, up to a position.
    #[must_use]
    pub fn waiting(&self, place: u64) -> u64 {
        self.all.iter().map(|one| one.progress.waiting(place)).max().unwrap_or(0)
    }

    /// Documents that were delivered.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.all.iter().chain(&self.ended).map(|one| one.progress.written()).sum()
    }

    /// The state of each, with the documents that wait up to a position.
    #[must_use]
    pub fn status(&self, place: u64) -> Vec<OutputStatus> {
        self.all.iter().map(|one| one.progress.status(place)).collect()
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        self.all.iter().for_each(|one| one.progress.stop());
        self.around.store.committed().wake();
        for one in self.all.iter_mut().chain(&mut self.ended) {
            signs::alive();
            let deadline = Instant::now() + END;
            let Some(running) = one.thread.take() else { continue };
            // One that hangs in its destination ends with the process.
            while !running.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
            if running.is_finished() {
                let _ = running.join();
            }
        }
    }
}
