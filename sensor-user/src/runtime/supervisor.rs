//! Threads that must not end: when one does, the agent ends with an error.
//!
//! A supervised thread that returns, fails or panics leaves a message; the reader takes it and stops the run. A supervisor such as
//! systemd starts the agent anew.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

/// A thread that ended although nothing stopped it.
#[derive(Debug)]
pub struct Ended {
    /// Name of the thread.
    pub thread: String,
    /// Why.
    pub reason: String,
}

/// Starts threads and hears of their end.
#[derive(Debug)]
pub struct Supervisor {
    sender: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

/// Tells the supervisor of an end.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::UnboundedSender<Ended>);

impl Default for Supervisor {
    fn default() -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        Self { sender, ended }
    }
}

impl Supervisor {
    /// Starts a thread. Whatever ends it before the agent does is reported, also a plain return.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let reporter = self.reporter();
        let named = name.to_owned();
        thread::Builder::new().name(name.to_owned()).spawn(move || reporter.watch(&named, work))
    }

    /// Reports the end of a thread that somebody else starts.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        Reporter(self.sender.clone())
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

impl Reporter {
    /// Does the work of a thread and reports its end.
    pub fn watch<E: std::fmt::Display>(&self, name: &str, work: impl FnOnce() -> Result<(), E>) {
        let reason = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("it panicked: {}", message(panic.as_ref())),
        };
        // When the agent ends, nobody listens any more, and that is the usual end.
        let _ = self.0.send(Ended { thread: name.to_owned(), reason });
    }
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
    async fn a_thread_that_returns_fails_or_panics_is_reported_by_name_and_reason() {
        for (ended, reason) in [
            (end_of(|| Ok(())).await, "it ended"),
            (end_of(|| Err("the disk is gone".into())).await, "the disk is gone"),
            (end_of(|| panic!("a defect")).await, "it panicked: a defect"),
        ] {
            assert_eq!((ended.thread.as_str(), ended.reason.as_str()), ("worker", reason));
        }
    }
}
