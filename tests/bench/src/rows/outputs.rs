//! Outputs at work: how many documents a second they deliver, and their cost for the reader that hands documents over.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::time::{ClockId, clock_gettime};
use sensor_core::level::Severity;
use sensor_lab::{Namespace, NatsServer, Need, missing_for};
use sensor_user::{
    runtime::Supervisor,
    shared_terms,
    sinks::{
        Body, Destination, FileOptions, NatsOptions, OtlpOptions, OutputOptions, Sinks, StreamOptions,
        Subjects, Surroundings, SyslogOptions, TlsOptions, Transport, WebhookOptions, WebhookUrl,
    },
    storage::{Bounds, DocumentKind, Handle, NewDocument, Opened, RowBatch, StorageError, Writer},
};

use crate::{
    effort::Effort,
    row::{Row, Target, Unit},
    samples::{Interleaved, Samples, Subject},
};

const GROUP: &str = "outputs";

/// The longest a delivery may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes of a document: what one of an incident has.
const BYTES: usize = 4_096;

/// Documents that are handed over in one round of the reader's cost.
const ROUND: u64 = 200;

/// Time between two of them: 1,000 a second.
const PACE: Duration = Duration::from_millis(1);

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let what = "file + NATS + webhook, documents delivered by the slowest";
    if let Some(reason) = missing_for(Need::Nats) {
        return Ok(vec![Row::not_measured(GROUP, what, Unit::PerSecond, reason)]);
    }
    let scratch = sensor_lab::scratch_dir()?;
    let namespace = Namespace::new("outputs")?;
    let server = NatsServer::start(&namespace, Ipv4Addr::LOCALHOST, &scratch.path().join("nats"), "")?;
    let nats = server.address();
    namespace.run(|| rows(effort, scratch.path(), nats, what))?
}

fn rows(effort: &Effort, folder: &Path, nats: SocketAddr, what: &str) -> Result<Vec<Row>> {
    let (http, lines) = (serve(answer)?, serve(swallow)?);
    let [file, stream, webhook, otlp, syslog] = outputs(folder, nats, http, lines)?;
    let count = effort.commits as u64;
    let mut stage = Stage::new(&folder.join("three"), &[file.clone(), stream.clone(), webhook.clone()])?;
    let start = Instant::now();
    for _ in 0..count {
        stage.hand_over()?;
    }
    stage.settle()?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    stage.end()?;

    let mut none = Stage::new(&folder.join("none"), &[])?;
    let mut five = Stage::new(&folder.join("five"), &[file, stream, webhook, otlp, syslog])?;
    let turns = Interleaved::measure(
        vec![Subject::new("no output", || none.round()), Subject::new("five outputs", || five.round())],
        2,
        effort.live_rounds,
    )?;
    five.settle()?;
    none.end()?;
    five.end()?;
    let samples = |name: &str| turns.of(name).cloned().context("a subject has no samples");
    Ok(vec![
        Row::new(GROUP, what, Unit::PerSecond, Samples::new(vec![rate]))
            .target(Target::AtLeast(1_000.0))
            .note(format!(
                "{count} documents of {BYTES} bytes, each in a commit of its own where the disk keeps up"
            )),
        Row::new(GROUP, "handing over a document, five outputs", Unit::Nanoseconds, samples("five outputs")?)
            .against("no output", &samples("no output")?)
            .target(Target::AtMost(1.5))
            .note("1,000 documents a second; processor time of the thread that hands over; the outputs are file, NATS, webhook, OTLP and syslog"),
    ])
}

/// A file, a stream, a webhook, a collector and a syslog server.
fn outputs(
    folder: &Path,
    nats: SocketAddr,
    http: SocketAddr,
    lines: SocketAddr,
) -> Result<[OutputOptions; 5]> {
    let output = |name: &str, destination| OutputOptions {
        name: name.to_owned(),
        take: None,
        min_severity: Severity::Low,
        destination,
    };
    let timeout = Duration::from_secs(10);
    let subjects = Subjects::new("bench", "bench").map_err(anyhow::Error::msg)?;
    let stream = StreamOptions {
        name: "BENCH".to_owned(),
        replicas: 1,
        max_age: Duration::from_secs(3_600),
        max_bytes: None,
    };
    Ok([
        output("file", Destination::File(FileOptions::at(folder.join("documents.json")))),
        output(
            "nats",
            Destination::Nats(NatsOptions {
                servers: vec![format!("nats://{nats}")],
                subjects,
                login: None,
                create: Some(stream),
                tls: TlsOptions::default(),
                timeout,
                health: None,
                exemptions: false,
                terms: false,
            }),
        ),
        output(
            "webhook",
            Destination::Webhook(WebhookOptions {
                url: WebhookUrl::Plain(format!("http://{http}")),
                template: None,
                content_type: "application/json".to_owned(),
                headers: vec![],
                signature: None,
                tls: TlsOptions::default(),
                timeout,
            }),
        ),
        output(
            "otlp",
            Destination::Otlp(OtlpOptions {
                url: format!("http://{http}/v1/logs"),
                headers: vec![],
                tls: TlsOptions::default(),
                timeout,
            }),
        ),
        output(
            "syslog",
            Destination::Syslog(SyslogOptions {
                server: lines.to_string(),
                transport: Transport::Tcp,
                body: Body::Json,
                facility: 16,
            }),
        ),
    ])
}

/// A store with outputs.
struct Stage {
    handle: Handle,
    writing: JoinHandle<Result<(), StorageError>>,
    sinks: Sinks,
    _supervisor: Supervisor,
    name: String,
    documents: u64,
}

impl Stage {
    fn new(folder: &Path, outputs: &[OutputOptions]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let Opened { writer, handle, .. } = Writer::open(folder, Bounds::default(), 0)?;
        let supervisor = Supervisor::default();
        let mut sinks = Sinks::new(Surroundings {
            state_dir: folder.to_owned(),
            flows: false,
            store: handle.clone(),
            health: Arc::default(),
            changed: Arc::default(),
            terms: shared_terms::channel(Duration::ZERO).1,
            spawner: supervisor.spawner(),
        })?;
        sinks.start_all(outputs)?;
        let writing = thread::spawn(move || writer.run());
        let name = folder.display().to_string();
        Ok(Self { handle, writing, sinks, _supervisor: supervisor, name, documents: 0 })
    }

    /// Hands a document over; gives the processor time that took.
    fn hand_over(&mut self) -> Result<Duration> {
        self.documents += 1;
        let document = NewDocument {
            id: format!("{}{}-1", self.name, self.documents),
            kind: DocumentKind::Incident,
            incident: None,
            severity: 73,
            at: i64::MAX,
            body: format!("\"{}\"", "x".repeat(BYTES - 2)),
            brief: Vec::new(),
        };
        let mut batch = RowBatch { documents: vec![document], ..RowBatch::default() };
        let (start, busy) = (Instant::now(), of_this_thread()?);
        // The reader keeps what the store has no room for, and goes on; this waits.
        while let Err(refused) = self.handle.submit(batch) {
            ensure!(start.elapsed() < PATIENCE, "the store takes no document");
            batch = refused;
            thread::sleep(PACE);
        }
        Ok(of_this_thread()?.saturating_sub(busy))
    }

    /// Nanoseconds of processor time for a document, on average of a round.
    fn round(&mut self) -> Result<f64> {
        let (begin, mut busy) = (Instant::now(), Duration::ZERO);
        for number in 0..ROUND {
            busy += self.hand_over()?;
            thread::sleep((PACE * number as u32).saturating_sub(begin.elapsed()));
        }
        Ok(busy.as_nanos() as f64 / ROUND as f64)
    }

    fn settle(&self) -> Result<()> {
        ensure!(self.handle.flush(PATIENCE), "the store did not accept all documents");
        let place = self.handle.committed().sequence();
        self.sinks.settle(place, PATIENCE);
        let status = self.sinks.status(place);
        ensure!(status.iter().all(|one| one.waiting == 0 && one.refused == 0), "not delivered: {status:?}");
        Ok(())
    }

    fn end(self) -> Result<()> {
        let Self { handle, writing, sinks, .. } = self;
        drop(sinks);
        drop(handle);
        writing.join().map_err(|_| anyhow!("the store panicked"))?.context("end the store")
    }
}

/// Processor time of this thread: other threads that run meanwhile do not count.
fn of_this_thread() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Starts a server that handles each connection on a thread of its own.
fn serve(handle: fn(TcpStream) -> std::io::Result<()>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is none to complain about.
            thread::spawn(move || handle(stream));
        }
    });
    Ok(address)
}

/// Accepts every request of a connection.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// Reads a connection to its end.
fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}
