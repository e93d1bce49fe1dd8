//! The log: lines on standard error, written by a thread of their own.
//!
//! Logging never waits. If standard error accepts nothing, lines are lost and counted; nothing else happens.

use std::{
    fmt, io,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use time::{OffsetDateTime, macros::format_description};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    registry::LookupSpan,
};

use super::confine::restrict_calls;
use crate::kernel::privileges;

/// Most lines that wait for standard error.
const WAITING: usize = 8_192;

/// Time for the last lines at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Lines that were lost, in this process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The running log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Takes memory as lines come; a channel with a bound takes all of it at once.
    messages: Sender<Message>,
    /// Messages in it.
    waiting: Arc<AtomicUsize>,
}

/// Too many messages wait, or the thread has ended.
struct Refused;

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// All earlier lines are written.
    Flush(SyncSender<()>),
}

impl Log {
    fn send(&self, message: Message) -> Result<(), Refused> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused);
        }
        self.messages.send(message).map_err(|_| Refused)
    }

    /// Writes waiting lines, for a bounded time.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }

    /// Writes a last line, for a bounded time.
    pub fn last_line(&self, line: &str) {
        let _ = self.send(Message::Line(format!("{line}\n").into_bytes()));
        self.flush();
    }
}

/// Lines that standard error did not accept so far.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Starts to log on standard error, by the filter in `RUST_LOG`. Without one that is `info`, without the lines of the NATS client,
/// whose failures the output reports. Panics are logged as well.
#[must_use]
pub fn start() -> Log {
    let (messages, lines) = channel();
    let log = Log { messages, waiting: Arc::default() };
    let waiting = Arc::clone(&log.waiting);
    // Without a thread nothing is logged, and everything else continues.
    let _ = thread::Builder::new().name("log".into()).spawn(move || {
        let _ = privileges::keep_only(&[]);
        let _ = restrict_calls();
        write(&lines, &waiting);
    });
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=off"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .event_format(Lines)
        .with_writer(log.clone())
        .finish();
    // A second logger in one process is the caller's mistake, and the first one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let _ = tracing_log::LogTracer::init();
    // The standard hook writes to standard error itself, and waits for it.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    log
}

/// The thread that writes.
fn write(lines: &Receiver<Message>, waiting: &AtomicUsize) {
    let mut reported = 0;
    while let Ok(message) = lines.recv() {
        waiting.fetch_sub(1, Ordering::Relaxed);
        match message {
            Message::Line(line) => {
                let mut stderr = io::stderr().lock();
                if stderr.write_all(&line).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let lost = LOST.load(Ordering::Relaxed);
                if lost > reported
                    && writeln!(stderr, "{} lines of the log before this one were lost", lost - reported)
                        .is_ok()
                {
                    reported = lost;
                }
            }
            Message::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { bytes: Vec::new(), log: self.clone() }
    }
}

/// A line that is passed on when it is complete.
pub struct Line {
    bytes: Vec<u8>,
    log: Log,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.log.send(Message::Line(std::mem::take(&mut self.bytes))).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
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
