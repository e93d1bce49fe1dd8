//! Finds supervised threads that hang.
//!
//! A thread that works at one thing for longer than [`HANGS_AFTER`], or was to give a sign in that time and gave none, hangs: it
//! is in an endless loop, or waits for something that it may not wait for. The agent ends with it, as it does with a thread that
//! ends. A thread may wait for its disk, its destination or its next job for ever.
//!
//! A look counts for a second or two, however long ago the last one was. A process that was stopped as a whole, by SIGSTOP, by a
//! pause of its virtual machine or by the sleep of a laptop, was stopped between two looks: that is no hang.

use std::{
    convert::Infallible,
    process,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tracing::{error, warn};

use super::{
    logging::Log,
    signs::{Sign, Signs, Wait, waits_for},
    supervisor::{Ended, Reporter},
};

/// Time without a sign of life after which a thread that works counts as hung.
pub const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Time between two looks, and the time that one counts for at most.
const LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Name of the thread that must take the message of a hang, and so cannot take its own.
pub(super) const READER: &str = "reader";

/// How long something that should change stayed as it was, by looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    seen: Option<u64>,
    looked: Duration,
    silent: Duration,
}

impl Silence {
    /// Looks at it, at a time of a steady clock. However long ago the last look was, it counts for `longest` at most.
    pub(super) fn look(&mut self, sign: u64, now: Duration, longest: Duration) -> Duration {
        let since = now.saturating_sub(self.looked).min(longest);
        self.looked = now;
        if self.seen.replace(sign) == Some(sign) {
            self.silent += since;
        } else {
            self.silent = Duration::ZERO;
        }
        self.silent
    }
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// This thread hangs.
    Hangs { thread: String, silent: Duration },
    /// This one waits for longer than a thread may work. That is logged, once.
    Waits { thread: String, what: &'static str, silent: Duration },
}

/// The signs at the last look.
struct Watch {
    signs: Signs,
    limit: Duration,
    seen: Vec<Seen>,
}

struct Seen {
    sign: Arc<Sign>,
    silence: Silence,
    /// The state that was reported.
    reported: Option<u64>,
}

impl Watch {
    fn new(signs: Signs, limit: Duration) -> Self {
        Self { signs, limit, seen: vec![] }
    }

    fn look(&mut self, now: Duration) -> Vec<Found> {
        let all = self.signs.all();
        self.seen.retain(|seen| all.iter().any(|sign| Arc::ptr_eq(sign, &seen.sign)));
        for sign in all {
            if !self.seen.iter().any(|seen| Arc::ptr_eq(&sign, &seen.sign)) {
                self.seen.push(Seen { sign, silence: Silence::default(), reported: None });
            }
        }
        let limit = self.limit;
        self.seen.iter_mut().filter_map(|seen| seen.look(now, limit)).collect()
    }
}

impl Seen {
    fn look(&mut self, now: Duration, limit: Duration) -> Option<Found> {
        let state = self.sign.state();
        let silent = self.silence.look(state, now, LONGEST_LOOK);
        if silent < limit || self.reported == Some(state) {
            return None;
        }
        let thread = self.sign.thread.clone();
        let what = match waits_for(state) {
            None => {
                self.reported = Some(state);
                return Some(Found::Hangs { thread, silent });
            }
            Some(Wait::Work) => return None,
            Some(Wait::Disk) => "its disk",
            Some(Wait::Files) => "the files that it reads",
            Some(Wait::Server) => "its destination",
            Some(Wait::Program) => "the start of a program",
        };
        self.reported = Some(state);
        Some(Found::Waits { thread, what, silent })
    }
}

/// Looks until the other end of `ended` is dropped. A hang is reported to the reader, which ends the agent; if it is the reader that
/// hangs, the process ends here.
pub(super) fn watch(
    signs: Signs,
    limit: Duration,
    ended: &Receiver<Infallible>,
    reporter: &Reporter,
    log: &Log,
) -> Result<(), Infallible> {
    let (mut watch, began) = (Watch::new(signs, limit), Instant::now());
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        super::signs::alive();
        for found in watch.look(began.elapsed()) {
            match found {
                Found::Hangs { thread, silent } if thread == READER => end_without_reader(log, silent),
                Found::Hangs { thread, silent } => {
                    let reason = reason(silent);
                    reporter.report(Ended { thread, reason, hangs: true });
                }
                Found::Waits { thread, what, silent } => {
                    let seconds = silent.as_secs();
                    warn!(
                        "the thread {thread} has waited for {what} for {seconds} s; the agent goes on without it"
                    );
                }
            }
        }
    }
    Ok(())
}

fn reason(silent: Duration) -> String {
    format!(
        "it gave no sign of life for {} s, and was not waiting for anything that it may wait for",
        silent.as_secs()
    )
}

/// The end of an agent whose reader cannot end it: the last lines are written, and the process exits. What it pinned in the kernel
/// stays for the next agent.
fn end_without_reader(log: &Log, silent: Duration) -> ! {
    let reason = reason(silent);
    error!("the thread {READER} hangs: {reason}. The agent ends without an orderly end");
    log.last_line(&format!("smb-sensor: the thread {READER} hangs: {reason}"));
    process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::signs::{alive, waiting};

    const LIMIT: Duration = Duration::from_secs(60);

    /// A watch, and the time of the last look.
    struct Looks(Watch, u64);

    impl Looks {
        fn on(signs: &Signs) -> Self {
            Self(Watch::new(signs.clone(), LIMIT), 0)
        }

        /// Looks once a second for so long; gives everything that was found.
        fn for_seconds(&mut self, seconds: u64) -> Vec<Found> {
            (0..seconds)
                .flat_map(|_| {
                    self.1 += 1;
                    self.0.look(Duration::from_secs(self.1))
                })
                .collect()
        }
    }

    fn hangs() -> Found {
        Found::Hangs { thread: "worker".into(), silent: LIMIT }
    }

    #[test]
    fn thread_that_works_without_a_sign_for_a_minute_hangs_and_is_found_once() {
        let signs = Signs::default();
        let _begun = signs.begin("worker");
        let mut looks = Looks::on(&signs);
        assert_eq!(looks.for_seconds(60), []);
        alive();
        assert_eq!(looks.for_seconds(60), [], "a sign begins the minute anew");
        assert_eq!(looks.for_seconds(1), [hangs()]);
        assert_eq!(looks.for_seconds(600), []);
    }

    #[test]
    fn thread_may_wait_for_its_disk_for_ever_and_that_is_logged_once() {
        let signs = Signs::default();
        let _begun = signs.begin("worker");
        let mut looks = Looks::on(&signs);
        waiting(Wait::Work, || assert_eq!(looks.for_seconds(10_000), []));
        let waits = Found::Waits { thread: "worker".into(), what: "its disk", silent: LIMIT };
        waiting(Wait::Disk, || assert_eq!(looks.for_seconds(10_000), [waits]));
        assert_eq!(looks.for_seconds(61), [hangs()], "behind it the thread works");
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let signs = Signs::default();
        let _begun = signs.begin("worker");
        let mut looks = Looks::on(&signs);
        assert_eq!(looks.for_seconds(50), []);
        looks.1 += 100_000;
        assert_eq!(looks.for_seconds(9), [], "the process was stopped");
        assert_eq!(looks.for_seconds(2).len(), 1);
    }

    #[test]
    fn thread_that_ended_is_not_missed() {
        let signs = Signs::default();
        let begun = signs.begin("worker");
        let mut looks = Looks::on(&signs);
        assert_eq!(looks.for_seconds(50), []);
        drop(begun);
        assert_eq!(looks.for_seconds(100), []);
        assert!(looks.0.seen.is_empty());
    }
}
