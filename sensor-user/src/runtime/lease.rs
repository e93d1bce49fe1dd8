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
    thread::JoinHandle,
    time::Duration,
};

use sensor_common::settings;

use super::Supervisor;
use crate::{
    enforcement::{Enforcement, Now},
    kernel::{enforce::EnforcementSwitch, object::LoadError, privileges, ticks::KernelClock},
};

/// Time between two renewals.
const RENEWAL: Duration = Duration::from_secs(2);

/// The same while enforcement is off.
const OFF: Duration = Duration::from_secs(60);

/// Time without a sign of life from the reader after which the lease lapses.
pub const READER_LIMIT: Duration = Duration::from_secs(60);

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
            state: Mutex::new(State { switch, enforcement: Enforcement::Off, blocking, blocks: false }),
            wake: Condvar::new(),
            clock,
            reader: AtomicU64::new(nanos(now.since_boot)),
            failures: AtomicU64::new(0),
            lapsed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let renewed = Arc::clone(&shared);
        let thread = supervisor.spawn_with("lease", &[privileges::for_maps()], move || {
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
        if !is_alive(now.since_boot, self.reader.load(Ordering::Relaxed)) {
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

/// Whether a reader with its last sign of life at `last_sign` counts as working.
fn is_alive(now: Duration, last_sign: u64) -> bool {
    nanos(now).saturating_sub(last_sign) < nanos(READER_LIMIT)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Drop for Lease {
    fn drop(&mut self) {
        {
            // Under the lock, so that the thread does not miss it between its check and its wait.
            let _state = self.shared.lock();
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_counts_as_working_for_one_minute() {
        let last_sign = nanos(Duration::from_secs(100));
        assert!(is_alive(Duration::from_secs(159), last_sign));
        assert!(!is_alive(Duration::from_secs(160), last_sign));
        assert!(is_alive(Duration::from_secs(99), last_sign), "a sign just now, on another CPU");
    }
}
