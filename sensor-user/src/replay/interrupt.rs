//! Ctrl-C and SIGTERM: the replay ends with its results so far, and a second signal ends it at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag::{register, register_conditional_shutdown},
};

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
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in this order, so the second signal ends the program: the first bytes of an input, and a reader of the
            // output, may be waited for without end.
            register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&asked))?;
            register(signal, Arc::clone(&asked))?;
        }
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
