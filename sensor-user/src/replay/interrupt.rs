//! Ctrl-C and SIGTERM: the replay ends with its results so far, and a second signal ends it at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of an interrupted program, by the convention of shells.
pub const INTERRUPTED: u8 = 130;

/// Whether the replay should end.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for signals from now on.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub fn listen() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _within = runtime.enter();
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]
        };
        let flag = Arc::clone(&asked);
        thread::spawn(move || runtime.block_on(wait(signals, &flag)));
        Ok(Self(asked))
    }

    /// Never interrupted.
    #[must_use]
    pub fn never() -> Self {
        Self(Arc::default())
    }

    /// Whether a signal arrived.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn wait([mut interrupt, mut terminate]: [Signal; 2], asked: &AtomicBool) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if asked.swap(true, Ordering::Relaxed) {
            // The first bytes of an input, and a reader of the output, may be waited for without end.
            std::process::exit(i32::from(INTERRUPTED));
        }
    }
}
