//! Supervises threads that must neither end nor hang: if one does, the agent ends with an error.
//!
//! A supervised thread that returns, fails or panics leaves a message, and for one that hangs the [watch](super::watch) leaves it; the
//! reader takes it and stops the run. A service manager such as systemd restarts the agent.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use thiserror::Error;
use tokio::sync::mpsc;

use super::{
    confine::{Allowed, Confinement},
    fault,
    logging::Log,
    signs::{SignGuard, Signs},
    watch::{self, READER},
};

/// Most messages that wait for the reader. The first stops the agent; later ones may be dropped.
const MAX_ENDED: usize = 8;

/// A thread that ended without being stopped, or hangs.
#[derive(Debug, Error)]
#[error("the thread {thread} {}: {reason}", if *hangs { "hangs" } else { "ended" })]
pub struct Ended {
    /// Name of the thread.
    pub thread: String,
    /// The reason.
    pub reason: String,
    /// It has not ended, but does nothing any more.
    pub hangs: bool,
}

/// Starts threads and receives their end.
#[derive(Debug)]
pub struct Supervisor {
    confinement: Confinement,
    reporter: Reporter,
    ended: mpsc::Receiver<Ended>,
    signs: Signs,
    /// The watch ends when this is dropped.
    watching: Option<SyncSender<Infallible>>,
    reader: Option<SignGuard>,
}

/// Starts optional threads, at any time.
#[derive(Clone, Debug)]
pub struct Spawner {
    confinement: Confinement,
    reporter: Reporter,
    signs: Signs,
}

/// Reports the end of a thread to the supervisor.
#[derive(Clone, Debug)]
pub(super) struct Reporter(mpsc::Sender<Ended>);

impl Default for Supervisor {
    fn default() -> Self {
        let (sender, ended) = mpsc::channel(MAX_ENDED);
        Self {
            confinement: Confinement::default(),
            reporter: Reporter(sender),
            ended,
            signs: Signs::default(),
            watching: None,
            reader: None,
        }
    }
}

impl Supervisor {
    /// Has the threads that it starts from now on change files in this directory alone, unless they are allowed more.
    #[must_use]
    pub fn with_state_dir(self, state_dir: &Path) -> Self {
        Self { confinement: Confinement::with_state_dir(state_dir), ..self }
    }

    /// Starts a thread that is allowed nothing. Any end before the agent's is reported, even a plain return.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        self.spawn_with(name, &Allowed::default(), work)
    }

    /// The same for a thread that is allowed this.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn_with<E: std::fmt::Display>(
        &self,
        name: &str,
        allowed: &Allowed<'_>,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (reporter, signs, named) = (self.reporter.clone(), self.signs.clone(), name.to_owned());
        let (confinement, files, programs) = (self.confinement.clone(), allowed.files, allowed.programs);
        let capabilities = allowed.capabilities.to_vec();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            confinement.apply(&named, &Allowed { capabilities: &capabilities, files, programs });
            let _begun = signs.begin(&named);
            let reason = match caught(work) {
                Ok(Ok(())) => "it ended".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic,
            };
            reporter.report(Ended { thread: named, reason, hangs: false });
        })
    }

    /// Begins to watch all threads, now and later, for signs of life. A thread that hangs is reported like one that ended. The calling
    /// thread is the reader, which takes these messages: if it hangs, the process ends, with the last lines of this log.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn watch(&mut self, log: &Log) -> std::io::Result<()> {
        let (watching, ended) = sync_channel(0);
        let (signs, reporter, log) = (self.signs.clone(), self.reporter.clone(), log.clone());
        self.spawn("watch", move || watch::watch(signs, fault::hangs_after(), &ended, &reporter, &log))?;
        self.watching = Some(watching);
        Ok(())
    }

    /// The calling thread is the reader, and gives signs of life from now on.
    pub fn begin_reader(&mut self) {
        self.reader = Some(self.signs.begin(READER));
    }

    /// What starts optional threads.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner {
            confinement: self.confinement.clone(),
            reporter: self.reporter.clone(),
            signs: self.signs.clone(),
        }
    }

    /// The next thread that ended or hangs.
    pub async fn ended(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // This holds a sender itself, so the channel never closes.
            None => std::future::pending().await,
        }
    }
}

impl Spawner {
    /// Starts an optional thread that is allowed nothing: it may end, and logs why. Only a panic or a hang, which is a defect, is
    /// reported.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        self.start(name, false, work)
    }

    /// The same for a thread that may change files everywhere.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn_writer(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        self.start(name, true, work)
    }

    fn start(
        &self,
        name: &str,
        files: bool,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (Self { confinement, reporter, signs }, named) = (self.clone(), name.to_owned());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            confinement.apply(&named, &Allowed { files, ..Allowed::default() });
            let _begun = signs.begin(&named);
            if let Err(reason) = caught(work) {
                reporter.report(Ended { thread: named, reason, hangs: false });
            }
        })
    }
}

impl Reporter {
    pub(super) fn report(&self, ended: Ended) {
        // While the agent ends, nobody receives any more, and the thread ends as usual.
        let _ = self.0.try_send(ended);
    }
}

/// Runs a thread's work; a panic becomes an error with its message.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("it panicked: {}", message(panic.as_ref())))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end_of(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Ended {
        let mut supervisor = Supervisor::default();
        supervisor.spawn("worker", work).unwrap();
        supervisor.ended().await
    }

    #[tokio::test]
    async fn reports_an_ended_thread_by_name_and_reason() {
        for (ended, reason) in [
            (end_of(|| Ok(())).await, "it ended"),
            (end_of(|| Err("the disk is gone".into())).await, "the disk is gone"),
            (end_of(|| panic!("a defect")).await, "it panicked: a defect"),
        ] {
            assert_eq!((ended.thread.as_str(), ended.reason.as_str()), ("worker", reason));
        }
    }

    #[tokio::test]
    async fn reports_an_optional_thread_for_a_panic_alone() {
        let mut supervisor = Supervisor::default();
        supervisor.spawner().spawn("first", || {}).unwrap().join().unwrap();
        supervisor.spawner().spawn("second", || panic!("a defect")).unwrap().join().unwrap();
        assert_eq!(supervisor.ended().await.thread, "second");
    }

    #[tokio::test]
    async fn keeps_the_first_end() {
        let mut supervisor = Supervisor::default();
        for number in 0..4 * MAX_ENDED {
            let work = || Err::<(), _>("gone");
            supervisor.spawn(&format!("worker-{number}"), work).unwrap().join().unwrap();
        }
        assert_eq!(supervisor.ended().await.thread, "worker-0");
    }
}
