//! Signs of life of the supervised threads.
//!
//! A thread gives a sign with each step of its work, and says when it begins to wait for something that it may wait for. The
//! [watch](super::watch) looks at the signs. A sign is a count and no time, so that giving one reads no clock.
//!
//! A thread without a sign, as in a replay, may call everything here: nothing happens.

use std::{
    cell::RefCell,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Time between two signs of a thread that runs tasks.
const EVERY: Duration = Duration::from_secs(5);

/// What a thread may wait for, as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// Something to do.
    Work = 1,
    /// The disk that holds the state directory, or another file that the agent writes.
    Disk,
    /// Files that somebody else writes, which may be on a file server.
    Files,
    /// The destination of an output, or another server.
    Server,
    /// A program that is run.
    Program,
}

/// The signs of one thread.
#[derive(Debug)]
pub(super) struct Sign {
    pub(super) thread: String,
    /// The number of signs so far, and in the last byte what the thread waits for; 0 while it works.
    state: AtomicU64,
    ended: AtomicBool,
}

/// The signs of all supervised threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Signs(Arc<Mutex<Vec<Arc<Sign>>>>);

/// Ends the signs of a thread when it is dropped.
#[derive(Debug)]
pub(super) struct SignGuard(Arc<Sign>);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Arc<Sign>>> = const { RefCell::new(None) };
}

impl Signs {
    /// This thread gives signs from now on, under this name.
    pub(super) fn begin(&self, thread: &str) -> SignGuard {
        let sign = Arc::new(Sign {
            thread: thread.to_owned(),
            state: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        OF_THIS_THREAD.replace(Some(Arc::clone(&sign)));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&sign));
        SignGuard(sign)
    }

    /// Those of all threads that run.
    pub(super) fn all(&self) -> Vec<Arc<Sign>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|sign| !sign.ended.load(Ordering::Relaxed));
        all.clone()
    }
}

impl Drop for SignGuard {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

impl Sign {
    /// Changes with every sign.
    pub(super) fn state(&self) -> u64 {
        self.state.load(Ordering::Relaxed)
    }

    /// Only its own thread gives it.
    fn give(&self, doing: u8) {
        let count = (self.state() >> 8).wrapping_add(1);
        self.state.store(count << 8 | u64::from(doing), Ordering::Relaxed);
    }
}

/// What a thread in this state waits for; `None` while it works.
pub(super) const fn waits_for(state: u64) -> Option<Wait> {
    match state & 0xFF {
        0 => None,
        2 => Some(Wait::Disk),
        3 => Some(Wait::Files),
        4 => Some(Wait::Server),
        5 => Some(Wait::Program),
        _ => Some(Wait::Work),
    }
}

/// This thread goes on with its work.
pub fn alive() {
    give(|state| (state & 0xFF) as u8);
}

/// Runs what may wait for `what` as long as it takes.
pub fn waiting<T>(what: Wait, work: impl FnOnce() -> T) -> T {
    struct Back(u8);
    impl Drop for Back {
        fn drop(&mut self) {
            give(|_| self.0);
        }
    }
    let mut before = 0;
    give(|state| {
        before = (state & 0xFF) as u8;
        what as u8
    });
    let _back = Back(before);
    work()
}

/// This thread is not watched any more: it ends, and the thread that ends it waits for a bounded time.
pub(crate) fn stop_watching() {
    give(|_| Wait::Work as u8);
}

/// Runs the only future of this thread. As long as its runtime goes on, so does the thread, whatever the future waits for.
pub async fn with_signs<T>(work: impl Future<Output = T>) -> T {
    let signs = async {
        loop {
            alive();
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = signs => unreachable!("it has no end"),
    }
}

fn give(doing: impl FnOnce(u64) -> u8) {
    OF_THIS_THREAD.with_borrow(|mine| {
        if let Some(sign) = mine {
            sign.give(doing(sign.state()));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_a_sign_and_a_wait_within_a_wait_ends_in_the_first() {
        let signs = Signs::default();
        let begun = signs.begin("worker");
        let [sign] = &signs.all()[..] else { panic!("one thread") };
        let mut seen = vec![sign.state()];
        let mut note = |expected| {
            assert_eq!(waits_for(sign.state()), expected);
            assert!(!seen.contains(&sign.state()), "no sign");
            seen.push(sign.state());
        };
        alive();
        note(None);
        waiting(Wait::Disk, || {
            note(Some(Wait::Disk));
            waiting(Wait::Server, || note(Some(Wait::Server)));
            note(Some(Wait::Disk));
            alive();
            note(Some(Wait::Disk));
        });
        note(None);
        for what in [Wait::Work, Wait::Files, Wait::Program] {
            waiting(what, || note(Some(what)));
        }
        stop_watching();
        note(Some(Wait::Work));
        drop(begun);
        assert!(signs.all().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_waits_gives_signs() {
        let signs = Signs::default();
        let _begun = signs.begin("worker");
        let sign = Arc::clone(&signs.all()[0]);
        let before = sign.state();
        with_signs(tokio::time::sleep(3 * EVERY)).await;
        assert!(sign.state() >> 8 >= (before >> 8) + 3);
        assert_eq!(waits_for(sign.state()), None);
    }
}
