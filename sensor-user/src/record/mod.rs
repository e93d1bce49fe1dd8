//! Records the packets of reported connections, so that an incident can be opened in a packet analyser (`--record FILE`).
//!
//! Packet sockets see the watched ports. A thread remembers recent packets and writes those that belong to an
//! incident, each with the incident's identifier as its comment. Packets that it cannot keep up with are lost and counted; the
//! agent never waits.
//!
//! Packets contain data that the rest of the agent never keeps: names of files, the beginning of their contents up to
//! the snap length, and authentication responses. So recording is off by default, and only the owner may read the file.

mod file;
mod pcapng;
mod recorder;

use sensor_core::service::ServicePorts;
use std::{
    fs::File,
    io::{self, BufWriter},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use thiserror::Error;
use tracing::{info, warn};

pub use self::{
    pcapng::Packet,
    recorder::{Bounds, Recorder},
};
use crate::{
    config::RecordOptions,
    kernel::{interface::Interface, packet_socket::PacketSocket},
    runtime::{Spawner, Supervisor, Wait, fault, signs, waiting},
    wall_clock,
};
use sensor_core::{address::FiveTuple, incident::IncidentId};

/// Most packets that wait for the writing thread.
const WAITING: usize = 8_192;

/// Changes that wait for the writing thread: connections that join or leave an incident.
const MAX_CHANGES: usize = 65_536;

/// Time for the writing thread at the end.
const END: Duration = Duration::from_secs(5);

/// Time without packets after which the file is flushed, and changes are applied.
const IDLE: Duration = Duration::from_millis(200);

/// The bounds besides the size of the file.
const BOUNDS: Bounds = Bounds {
    window_bytes: 16 << 20,
    window_time: 30_000_000_000,
    flow_bytes: 4 << 20,
    flows: 65_536,
    idle_time: 3_600_000_000_000,
    file_bytes: 0,
};

/// Why recording is impossible.
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
    /// The packets of an interface cannot be read.
    #[error("cannot record packets of {interface}: {source}. Recording also needs CAP_NET_RAW")]
    Interface {
        /// Interface.
        interface: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread to record with: {0}")]
    Thread(#[source] io::Error),
}

/// A connection joins or leaves an incident. Changes have a queue of their own, so that a flood of packets displaces none.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Joined {
        tuple: FiveTuple,
        incident: IncidentId,
        rule: String,
        at: u64,
    },
    Left {
        tuple: FiveTuple,
        at: u64,
    },
    /// An interface appeared.
    Interface(Interface),
}

/// A recording. Dropping it ends it.
pub struct Recording {
    /// From the sockets. Packets beyond what the writing thread can take are lost and counted.
    packets: Option<SyncSender<Packet>>,
    changes: SyncSender<Change>,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    /// Changes that did not fit the queue.
    refused: AtomicU64,
    sockets: Vec<JoinHandle<()>>,
    /// Interfaces so far: the number of the next one.
    interfaces: u32,
    ports: Vec<u16>,
    snap_length: u32,
    spawner: Spawner,
    writer: Option<JoinHandle<()>>,
}

impl Recording {
    /// Starts recording, if `options` name a file.
    ///
    /// # Errors
    /// [`RecordError`]
    pub fn start(
        options: &RecordOptions,
        services: &ServicePorts,
        interfaces: &[Interface],
        supervisor: &Supervisor,
    ) -> Result<Option<Self>, RecordError> {
        let Some(path) = &options.file else { return Ok(None) };
        let failed = |source| RecordError::File { path: path.clone(), source };
        let file::Opened { file, bytes, cut } = file::open(path).map_err(failed)?;
        if cut > 0 {
            warn!("cut a torn block of {cut} bytes off the end of the recording {}", path.display());
        }
        let bounds = Bounds { file_bytes: options.max_mib << 20, ..BOUNDS };
        let recorder = Recorder::new(BufWriter::new(file), bytes, interfaces, options.snap_length, bounds)
            .map_err(failed)?;
        let (packets, passed) = sync_channel(WAITING);
        let (changes, receiver) = sync_channel(MAX_CHANGES);
        let shown = path.display().to_string();
        let spawner = supervisor.spawner();
        let writer = spawner
            .spawn_writer("record", move || {
                waiting(Wait::Disk, || write(recorder, &passed, &receiver, &shown));
            })
            .map_err(RecordError::Thread)?;
        let mut recording = Self {
            packets: Some(packets),
            changes,
            stop: Arc::default(),
            lost: Arc::default(),
            refused: AtomicU64::default(),
            sockets: vec![],
            interfaces: 0,
            ports: [&services.smb_tcp[..], &services.rpc_tcp, &services.netbios_udp].concat(),
            snap_length: options.snap_length,
            spawner,
            writer: Some(writer),
        };
        for interface in interfaces {
            recording.open_socket(interface)?;
        }
        info!(
            "recording packets of alerted flows to {}, the first {} bytes of each: they may hold credentials and contents",
            path.display(),
            options.snap_length
        );
        Ok(Some(recording))
    }

    /// Records an interface that appeared later, too.
    pub fn interface(&mut self, interface: &Interface) {
        // Threads of interfaces that are gone have ended.
        self.sockets.retain(|socket| !socket.is_finished());
        if self.changes.try_send(Change::Interface(interface.clone())).is_err() {
            return warn!("packets of {} are not recorded: the recording is behind", interface.name);
        }
        if let Err(error) = self.open_socket(interface) {
            warn!("{error}");
        }
    }

    fn open_socket(&mut self, interface: &Interface) -> Result<(), RecordError> {
        let number = self.interfaces;
        self.interfaces += 1;
        let failed = |source| RecordError::Interface { interface: interface.name.clone(), source };
        let socket = PacketSocket::open(interface.index, interface.link, &self.ports).map_err(failed)?;
        let Some(packets) = self.packets.clone() else { return Ok(()) };
        let (stop, lost) = (Arc::clone(&self.stop), Arc::clone(&self.lost));
        let (name, snap_length) = (interface.name.clone(), self.snap_length as usize);
        let thread = self.spawner.spawn(&format!("record-{name}"), move || {
            let mut buffer = vec![0; snap_length];
            while !stop.load(Ordering::Relaxed) {
                fault::point("record-packets");
                // The socket gives up waiting after a short time.
                signs::alive();
                let packet = match socket.next(&mut buffer) {
                    Ok(None) => continue,
                    Ok(Some((bytes, length))) => {
                        Packet { interface: number, at: now(), length, bytes: bytes.into() }
                    }
                    Err(error) => return warn!("no more packets of {name} are recorded: {error}"),
                };
                if packets.try_send(packet).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        self.sockets.push(thread.map_err(RecordError::Thread)?);
        Ok(())
    }

    /// A connection belongs to an incident: records its packets from now on, and those of the last seconds.
    pub fn joined(&self, tuple: &FiveTuple, incident: IncidentId, rule: &str) {
        let change = Change::Joined { tuple: *tuple, incident, rule: rule.to_owned(), at: now() };
        self.report(change);
    }

    /// Such a connection ended.
    pub fn left(&self, tuple: &FiveTuple) {
        self.report(Change::Left { tuple: *tuple, at: now() });
    }

    /// If the writing thread has ended, it has logged why.
    fn report(&self, change: Change) {
        if let Err(TrySendError::Full(_)) = self.changes.try_send(change) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Packets, and changes of incidents, that could not be recorded because they came too fast.
    #[must_use]
    pub fn refused(&self) -> (u64, u64) {
        (self.lost.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    u64::try_from(wall_clock::now().unix_nanos()).unwrap_or_default()
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for socket in self.sockets.drain(..) {
            let _ = socket.join();
        }
        // Waiting packets are written first, unless the disk accepts nothing.
        drop(self.packets.take());
        let deadline = Instant::now() + END;
        if let Some(writer) = self.writer.take() {
            while !writer.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
            if !writer.is_finished() {
                warn!("the recording is incomplete: its file does not accept the waiting packets");
            }
        }
        let (lost, refused) = self.refused();
        if lost > 0 {
            warn!("{lost} packets came faster than they could be recorded");
        }
        if refused > 0 {
            warn!("{refused} connections of incidents came faster than they could be recorded");
        }
    }
}

/// Writes until the senders are gone.
fn write(
    mut recorder: Recorder<BufWriter<File>>,
    passed: &Receiver<Packet>,
    changes: &Receiver<Change>,
    path: &str,
) {
    let mut reported_full = false;
    loop {
        fault::point("record");
        let next = waiting(Wait::Work, || passed.recv_timeout(IDLE));
        let applied = changes.try_iter().try_for_each(|change| match change {
            Change::Joined { tuple, incident, rule, at } => {
                recorder.alerted(&tuple, &incident.to_string(), &rule, at)
            }
            Change::Left { tuple, at } => {
                recorder.closed(&tuple, at);
                Ok(())
            }
            Change::Interface(interface) => recorder.interface(&interface),
        });
        let ended = matches!(next, Err(RecvTimeoutError::Disconnected));
        let result = applied.and_then(|()| match next {
            Ok(packet) => recorder.packet(packet),
            _ => recorder.flush(),
        });
        if let Err(error) = result {
            warn!(
                "recording ends: cannot write {path}: {error}. Alerts continue; free space on the disk and restart to record again"
            );
            return;
        }
        if recorder.is_full() && !reported_full {
            reported_full = true;
            warn!(
                "recording ends: {path} has its maximum length. Move it away, or raise record.max_mib, and restart"
            );
        }
        if ended {
            break;
        }
    }
    info!("recorded {} packets to {path}", recorder.written());
    let left_out = recorder.left_out();
    if left_out > 0 {
        warn!(
            "{left_out} flows with alerts were not recorded, because the maximum number of flows was being recorded"
        );
    }
}

#[cfg(test)]
mod tests;
