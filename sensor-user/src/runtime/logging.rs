//! The log: lines on standard error, written by a thread of their own.
//!
//! Whoever logs never waits. A standard error that takes nothing costs lines, which are counted, and nothing else.

use std::{fmt, io, time::Duration};

use time::{OffsetDateTime, macros::format_description};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Lines that wait for standard error.
const WAITING: usize = 8_192;

/// Time that the last lines are given at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log while it is written. Dropping it writes the last lines, for a bounded time.
pub struct Log {
    guard: Option<WorkerGuard>,
    lost: ErrorCounter,
}

impl Log {
    /// Lines that standard error did not take.
    #[must_use]
    pub fn lost_lines(&self) -> usize {
        self.lost.dropped_lines()
    }

    /// Counts lines that are lost.
    #[must_use]
    pub fn counter(&self) -> ErrorCounter {
        self.lost.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        // The writer may hang in a pipe that nobody reads: it is waited for on another thread, and not for long.
        let (sender, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(guard);
            let _ = sender.send(());
        });
        let _ = done.recv_timeout(LAST_LINES);
    }
}

/// Begins to log on standard error, by the filter in `RUST_LOG` (`info` without one).
#[must_use]
pub fn start() -> Log {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .thread_name("log")
        .finish(io::stderr());
    let lost = writer.error_counter();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).event_format(Lines).with_writer(writer).finish();
    // A second logger in one process is the caller's mistake, and the first one goes on.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let _ = tracing_log::LogTracer::init();
    Log { guard: Some(guard), lost }
}

/// `[2026-11-29T10:14:07Z INFO ] message`
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let now = OffsetDateTime::now_utc().format(format).unwrap_or_default();
        write!(writer, "[{now} {:<5}] ", name(*event.metadata().level()))?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}
