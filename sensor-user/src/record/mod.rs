//! Keeps the packets of alerted flows, so that an alert can be opened in a packet analyser (`--record FILE`).
//!
//! Packet sockets of their own see the watched ports; a thread remembers what passed lately and writes what belongs to an
//! alert, each packet with the alert's id as its comment. What cannot keep up is lost and counted; the agent never waits.
//!
//! Packets hold what the rest of the agent takes care never to keep: names of files, the beginning of their contents as far as
//! the snap length reaches, and authentication responses. So it is off unless asked for, and the file is for its owner alone.

mod pcapng;
mod recorder;

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, UNIX_EPOCH},
};

use log::{info, warn};
use serde_json::Value;
use thiserror::Error;

pub use self::{
    pcapng::Packet,
    recorder::{Bounds, Recorder},
};
use crate::{
    config::{RecordOptions, ServicePorts},
    flow::Conversation,
    kernel::{interface::Interface, tap::Tap},
};

/// News that wait for the thread that writes.
const WAITING: usize = 8_192;

/// Time without news after which the file gets what was written.
const IDLE: Duration = Duration::from_millis(200);

/// The bounds beside that of the file.
const BOUNDS: Bounds = Bounds {
    window_bytes: 16 << 20,
    window_time: 30_000_000_000,
    flow_bytes: 4 << 20,
    flows: 65_536,
    file_bytes: 0,
};

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file cannot be used.
    #[error("cannot write the recording {}: {source}. Name another file with --record or record.file", path.display())]
    File {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The packets of an interface cannot be had.
    #[error(
        "cannot record packets of {interface}: {source}. It takes CAP_NET_RAW beside what the agent needs anyway"
    )]
    Interface {
        /// Interface.
        interface: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// There is no thread to be had.
    #[error("cannot start a thread to record with: {0}")]
    Thread(#[source] io::Error),
}

enum News {
    Packet(Packet),
    Alerted { flow: Conversation, alert: String, rule: String },
    Closed(Conversation),
    End,
}

/// A recording that goes on until this is dropped.
pub struct Recording {
    news: SyncSender<News>,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    taps: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Recording {
    /// Begins to record, if `options` name a file.
    ///
    /// # Errors
    /// [`RecordError`]
    pub fn start(
        options: &RecordOptions,
        services: &ServicePorts,
        interfaces: &[Interface],
    ) -> Result<Option<Self>, RecordError> {
        let Some(path) = &options.file else { return Ok(None) };
        let failed = |source| RecordError::File { path: path.clone(), source };
        let (file, bytes) = open(path).map_err(failed)?;
        let names: Vec<String> = interfaces.iter().map(|one| one.name.clone()).collect();
        let bounds = Bounds { file_bytes: options.max_mib << 20, ..BOUNDS };
        let recorder = Recorder::new(BufWriter::new(file), bytes, &names, options.snap_length, bounds)
            .map_err(failed)?;
        let (news, heard) = sync_channel(WAITING);
        let shown = path.display().to_string();
        let writer = thread::Builder::new()
            .name("record".into())
            .spawn(move || write(recorder, &heard, &shown))
            .map_err(RecordError::Thread)?;
        let mut recording =
            Self { news, stop: Arc::default(), lost: Arc::default(), taps: vec![], writer: Some(writer) };
        let ports = [&services.smb_tcp[..], &services.rpc_tcp, &services.netbios_udp].concat();
        for (number, interface) in interfaces.iter().enumerate() {
            recording.tap(number as u32, interface, &ports, options.snap_length)?;
        }
        info!(
            "recording packets of alerted flows to {}, the first {} bytes of each: they may hold credentials and contents",
            path.display(),
            options.snap_length
        );
        Ok(Some(recording))
    }

    fn tap(
        &mut self,
        number: u32,
        interface: &Interface,
        ports: &[u16],
        snap_length: u32,
    ) -> Result<(), RecordError> {
        let failed = |source| RecordError::Interface { interface: interface.name.clone(), source };
        let tap = Tap::open(interface.index, ports).map_err(failed)?;
        let (news, stop, lost) = (self.news.clone(), Arc::clone(&self.stop), Arc::clone(&self.lost));
        let name = interface.name.clone();
        let thread = thread::Builder::new().name(format!("record {name}")).spawn(move || {
            let mut room = vec![0; snap_length as usize];
            while !stop.load(Ordering::Relaxed) {
                let packet = match tap.next(&mut room) {
                    Ok(None) => continue,
                    Ok(Some((bytes, length))) => {
                        let at = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
                        Packet { interface: number, at, length, bytes: bytes.into() }
                    }
                    Err(error) => return warn!("no more packets of {name} are recorded: {error}"),
                };
                if news.try_send(News::Packet(packet)).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        self.taps.push(thread.map_err(RecordError::Thread)?);
        Ok(())
    }

    /// Documents were told of a flow: those that open an alert begin its recording, the last one ends it.
    pub fn told(&self, flow: &Conversation, documents: &[Value]) {
        let text = |document: &Value, at: &str| {
            document.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for document in documents {
            let news = match text(document, "/smb_sensor/alert/status").as_str() {
                "opened" => News::Alerted {
                    flow: *flow,
                    alert: text(document, "/event/id"),
                    rule: text(document, "/rule/id"),
                },
                "closed" => News::Closed(*flow),
                _ => continue,
            };
            if self.news.try_send(news).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for tap in self.taps.drain(..) {
            let _ = tap.join();
        }
        // What waits is written first.
        let _ = self.news.send(News::End);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            warn!("{lost} packets or alerts came faster than they could be recorded");
        }
    }
}

/// Opens the file for its owner alone, to go on at its end; gives how long it is.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file =
        OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// Writes until the end is told.
fn write(mut recorder: Recorder<BufWriter<File>>, news: &Receiver<News>, path: &str) {
    let mut told_full = false;
    loop {
        let result = match news.recv_timeout(IDLE) {
            Ok(News::Packet(packet)) => recorder.packet(packet),
            Ok(News::Alerted { flow, alert, rule }) => recorder.alerted(&flow, &alert, &rule),
            Ok(News::Closed(flow)) => {
                recorder.closed(&flow);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => recorder.flush(),
            Ok(News::End) | Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Err(error) = result {
            warn!(
                "recording ends: cannot write {path}: {error}. Alerts go on; make room and restart to record again"
            );
            return;
        }
        if recorder.is_full() && !told_full {
            told_full = true;
            warn!(
                "recording ends: {path} is as long as it may get. Move it away, or raise record.max_mib, and restart"
            );
        }
    }
    match recorder.flush() {
        Ok(()) => info!("recorded {} packets to {path}", recorder.written()),
        Err(error) => warn!("the end of the recording {path} is lost: {error}"),
    }
}
