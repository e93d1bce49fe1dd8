//! Known terms that sensors share: requests of the core on their way to an output, and answers on their way back.
//!
//! Both ways are bounded, and neither side waits. The core decides alone about terms without an answer in time, and repeats
//! requests that were not confirmed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sensor_core::terms::{TermAnswer, TermRequest};
use tokio::sync::{Mutex, mpsc};

/// Most requests that wait for an output. The core makes fewer at a time.
const MAX_WAITING: usize = 512;

/// A request, and when it was made.
pub type Request = (Instant, TermRequest);

/// The side of the core.
#[derive(Debug)]
pub struct Asking {
    requests: mpsc::Sender<Request>,
}

/// The side of an output. Only one works at a time: the next one waits until the one before it has ended.
#[derive(Clone, Debug)]
pub struct Answering {
    /// The requests.
    pub requests: Arc<Mutex<mpsc::Receiver<Request>>>,
    answers: mpsc::Sender<TermAnswer>,
    /// Time after which a term that was not seen again is forgotten.
    pub window: Duration,
}

/// Both sides, and the answers as they arrive.
#[must_use]
pub fn channel(window: Duration) -> (Asking, Answering, mpsc::Receiver<TermAnswer>) {
    let (requests, asked) = mpsc::channel(MAX_WAITING);
    let (answers, answered) = mpsc::channel(MAX_WAITING);
    let answering = Answering { requests: Arc::new(Mutex::new(asked)), answers, window };
    (Asking { requests }, answering, answered)
}

impl Asking {
    /// Makes a request. Never waits.
    pub fn ask(&self, request: TermRequest) {
        // A full channel means that nobody answers; then the core decides alone.
        let _ = self.requests.try_send((Instant::now(), request));
    }
}

impl Answering {
    /// Answers. Never waits.
    pub fn answer(&self, answer: TermAnswer) {
        let _ = self.answers.try_send(answer);
    }
}
