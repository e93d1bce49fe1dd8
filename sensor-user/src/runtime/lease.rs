//! The leases of enforcement and blocks, renewed by a thread that does nothing else.
//!
//! The kernel program drops packets only while their lease runs, for ten seconds. This thread renews it every two. It never waits
//! for a disk, a terminal or another thread's work: the lock is held for at most one map update, and it logs nothing. The lease
//! lapses with the process, and also if the reader was silent for [`READER_LIMIT`]: a blind sensor must not continue to drop
//! packets.

use std::{
    convert::Infallible,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sensor_common::settings;

use super::{Allowed, Supervisor, signs, watch::Silence};
use crate::{
    enforcement::{Enforcement, Now},
    kernel::{enforce::EnforcementSwitch, object::LoadError, privileges, ticks::KernelClock},
};

/// Time between two renewals.
const RENEWAL: Duration = Duration::from_secs(2);

/// The same while enforcement is off: the thread only shows that it goes on.
const OFF: Duration = Duration::from_secs(5);

/// Time without a sign of life from the reader after which the lease lapses.
pub const READER_LIMIT: Duration = Duration::from_secs(60);

/// Time that one look at the reader's sign counts for at most: a process that was stopped as a whole did not hang.
const LONGEST_LOOK: Duration = Duration::from_secs(4);

/// Time for the thread to end.
const END: Duration = Duration::from_secs(1);

/// The lease. It ends when this is dropped.
pub struct Lease {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    clock: KernelClock,
    /// Time since boot of the reader's last sign of life, nanoseconds.
    reader: AtomicU64,
    /// Renewals that the kernel refused.
    failures: AtomicU64,
    /// The lease lapsed because the reader was silent.
    lapsed: AtomicBool,
    stop: AtomicBool,
}

struct State {
    switch: EnforcementSwitch,
    enforcement: Enforcement,
    blocking: EnforcementSwitch,
    /// Whether blocks are in force, without an end of their own: the agent ends each.
    blocks: bool,
    reader: Silence,
}

impl State {
    fn for_blocks(&self, now: Now, clock: KernelClock) -> settings::Enforcement {
        let blocks = if self.blocks { Enforcement::On { until: None } } else { Enforcement::Off };
        blocks.for_kernel(now, clock.ticks())
    }
}

impl Lease {
    /// Starts to renew the leases of these switches, of enforcement and of blocks, which are off at first.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        [switch, blocking]: [EnforcementSwitch; 2],
        clock: KernelClock,
        supervisor: &Supervisor,
    ) -> std::io::Result<Self> {
        let now = Now::of(clock)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                switch,
                enforcement: Enforcement::Off,
                blocking,
                blocks: false,
                reader: Silence::default(),
            }),
            wake: Condvar::new(),
            clock,
            reader: AtomicU64::new(nanos(now.since_boot)),
            failures: AtomicU64::new(0),
            lapsed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let renewed = Arc::clone(&shared);
        let allowed = Allowed { capabilities: &[privileges::for_maps()], ..Allowed::default() };
        let thread = supervisor.spawn_with("lease", &allowed, move || {
            renewed.run();
            Ok::<_, Infallible>(())
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Turns enforcement on or off, from the next packet on.
    ///
    /// # Errors
    /// If the kernel refuses; the present state ends with its lease.
    pub fn set(&self, enforcement: Enforcement, now: Now) -> Result<(), LoadError> {
        let mut state = self.shared.lock();
        state.enforcement = enforcement;
        self.shared.wake.notify_all();
        state.switch.set(enforcement.for_kernel(now, self.shared.clock.ticks()))
    }

    /// Says whether there are blocks, from the next packet on.
    ///
    /// # Errors
    /// If the kernel refuses; what is in force ends with its lease.
    pub fn block(&self, blocks: bool, now: Now) -> Result<(), LoadError> {
        let mut state = self.shared.lock();
        state.blocks = blocks;
        self.shared.wake.notify_all();
        let lease = state.for_blocks(now, self.shared.clock);
        state.blocking.set(lease)
    }

    /// The state at `now`.
    #[must_use]
    pub fn enforcement(&self, now: Now) -> Enforcement {
        let mut state = self.shared.lock();
        state.enforcement.expire(now);
        state.enforcement
    }

    /// Notes a sign of life from the reader.
    pub fn reader_works(&self, now: Now) {
        self.shared.reader.store(nanos(now.since_boot), Ordering::Relaxed);
    }

    /// Renewals that the kernel refused.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Whether it lapsed since the last call because the reader was silent.
    #[must_use]
    pub fn has_lapsed(&self) -> bool {
        self.shared.lapsed.swap(false, Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            super::fault::point("lease");
            // It waits for nothing but its timer, and for a short time.
            signs::alive();
            let mut state = self.lock();
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.renew(&mut state);
            // While it is off, no renewal is needed; setting it wakes this thread.
            let is_off = state.enforcement == Enforcement::Off && !state.blocks;
            let wait = if is_off { OFF } else { RENEWAL };
            drop(self.wake.wait_timeout(state, wait));
        }
    }

    fn renew(&self, state: &mut State) {
        let Ok(now) = Now::of(self.clock) else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let sign = self.reader.load(Ordering::Relaxed);
        if state.reader.look(sign, now.since_boot, LONGEST_LOOK) >= READER_LIMIT {
            self.lapsed.store(true, Ordering::Relaxed);
            return;
        }
        state.enforcement.expire(now);
        if state.switch.set(state.enforcement.for_kernel(now, self.clock.ticks())).is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        if state.blocking.set(state.for_blocks(now, self.clock)).is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let deadline = Instant::now() + END;
        // Again and again: the first may come between its check and its wait, and one that hangs ends with the process.
        while !thread.is_finished() && Instant::now() < deadline {
            self.shared.wake.notify_all();
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_counts_as_working_for_one_minute_of_renewals() {
        let mut reader = Silence::default();
        let mut silent = |second: u64, sign| reader.look(sign, Duration::from_secs(second), LONGEST_LOOK);
        assert!((100..160).step_by(2).all(|second| silent(second, 1) < READER_LIMIT));
        assert!(silent(160, 1) >= READER_LIMIT);
        assert!(silent(162, 2) < READER_LIMIT, "it works again");
        assert!(silent(3_762, 2) < READER_LIMIT, "the process was stopped for an hour");
    }
}
