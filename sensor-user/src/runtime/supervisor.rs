//! Supervises threads that must not end: if one does, the agent ends with an error.
//!
//! A supervised thread that returns, fails or panics leaves a message; the reader takes it and stops the run. A service manager
//! such as systemd restarts the agent.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle},
};

use caps::Capability;
use tokio::sync::mpsc;
use tracing::warn;

use crate::kernel::privileges;

/// Most messages that wait for the reader. The first stops the agent; later ones may be dropped.
const MAX_ENDED: usize = 8;

/// A thread that ended without being stopped.
#[derive(Debug)]
pub struct Ended {
    /// Name of the thread.
    pub thread: String,
    /// The reason.
    pub reason: String,
}

/// Starts threads and receives their end.
#[derive(Debug)]
pub struct Supervisor {
    sender: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
}

/// Starts optional threads, at any time.
#[derive(Clone, Debug)]
pub struct Spawner(Reporter);

/// Reports the end of a thread to the supervisor.
#[derive(Clone, Debug)]
struct Reporter(mpsc::Sender<Ended>);

impl Default for Supervisor {
    fn default() -> Self {
        let (sender, ended) = mpsc::channel(MAX_ENDED);
        Self { sender, ended }
    }
}

impl Supervisor {
    /// Starts a thread without capabilities. Any end before the agent's is reported, even a plain return.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        self.spawn_with(name, &[], work)
    }

    /// The same with these capabilities.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn_with<E: std::fmt::Display>(
        &self,
        name: &str,
        needed: &[Capability],
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (reporter, named) = (Reporter(self.sender.clone()), name.to_owned());
        let needed = needed.to_vec();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            confine(&named, &needed);
            match caught(work) {
                Ok(Ok(())) => reporter.report(named, "it ended".to_owned()),
                Ok(Err(error)) => reporter.report(named, error.to_string()),
                Err(panic) => reporter.report(named, panic),
            }
        })
    }

    /// What starts optional threads.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner(Reporter(self.sender.clone()))
    }

    /// The next thread that ended.
    pub async fn ended(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // This holds a sender itself, so the channel never closes.
            None => std::future::pending().await,
        }
    }
}

impl Spawner {
    /// Starts an optional thread without capabilities: it may end, and logs why. Only a panic, which is a defect, is reported.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        let (reporter, named) = (self.0.clone(), name.to_owned());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            confine(&named, &[]);
            if let Err(panic) = caught(work) {
                reporter.report(named, panic);
            }
        })
    }
}

impl Reporter {
    fn report(&self, thread: String, reason: String) {
        // While the agent ends, nobody receives any more, and the thread ends as usual.
        let _ = self.0.try_send(Ended { thread, reason });
    }
}

/// Takes the capabilities from a thread that it does not need.
fn confine(name: &str, needed: &[Capability]) {
    if let Err(error) = privileges::keep_only(needed) {
        warn!("thread {name} keeps capabilities that it does not need: {error}");
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
