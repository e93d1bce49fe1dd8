//! A large capture through the replay, against tshark with a display filter for the same ports.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use sensor_lab::scratch_dir;
use sensor_user::capture;

use crate::{
    effort::Effort,
    frames::Segment,
    row::{Row, Target, Unit},
    samples::{Interleaved, Samples, Subject},
};

const GROUP: &str = "replay of a large capture";
const HOST: &str = "host engine";
const KERNEL: &str = "kernel engine";
const TSHARK: &str = "tshark -Y";

/// The watched ports as a display filter.
const FILTER: &str = "tcp.port in {135,139,445} || udp.port in {137,138}";
/// One frame in this many is from a recorded session; the others are unwatched traffic.
const FOREIGN: u64 = 200;
/// Microseconds from one frame to the next.
const GAP: u64 = 100;
/// Bytes of payload of the foreign segments, in turn.
const PAYLOADS: [usize; 5] = [0, 1_400, 1_400, 60, 1_400];
/// Foreign segments that are made, each used many times.
const VARIETY: u16 = 1_000;
/// The longest that one reading may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Time between two readings of a running program's memory.
const LOOK: Duration = Duration::from_millis(5);

/// Measures the group.
pub(crate) fn measure(effort: &Effort, program: &Path) -> Result<Vec<Row>> {
    let folder = scratch_dir()?;
    let path = folder.path().join("large.pcap");
    let frames = write(&path, effort.capture_bytes).with_context(|| format!("write {}", path.display()))?;
    let replay = |engine: &'static str| {
        let mut command = Command::new(program);
        command.args(["replay", "--json", "--engine", engine]).arg(&path);
        command
    };
    let mut memory = Vec::new();
    let mut subjects =
        vec![Subject::new(KERNEL, || run(replay("kernel")).map(|ran| ran.millions_a_second(frames)))];
    subjects.push(Subject::new(HOST, || {
        let ran = run(replay("host"))?;
        memory.push(ran.megabytes);
        Ok(ran.millions_a_second(frames))
    }));
    let with_tshark = Command::new("tshark").arg("--version").output().is_ok();
    if with_tshark {
        subjects.push(Subject::new(TSHARK, || {
            let mut command = Command::new("tshark");
            command.arg("-r").arg(&path).args(["-n", "-Y", FILTER]);
            run(command).map(|ran| ran.millions_a_second(frames))
        }));
    }
    let measured = Interleaved::measure(subjects, 0, effort.capture_rounds)?;

    let of = |name| measured.of(name).with_context(|| format!("{name} was not measured"));
    let speed =
        |name| Ok::<_, anyhow::Error>(Row::new(GROUP, name, Unit::MillionsPerSecond, of(name)?.clone()));
    let size = format!(
        "{:.0} MB, {frames} packets, 1 in {FOREIGN} of a recorded session",
        effort.capture_bytes as f64 / 1e6
    );
    let host = if with_tshark {
        speed(HOST)?.against(TSHARK, of(TSHARK)?).target(Target::AtLeast(150.0)).note(size)
    } else {
        Row::not_measured(
            GROUP,
            format!("{HOST} against {TSHARK}"),
            Unit::MillionsPerSecond,
            "no tshark is installed",
        )
    };
    let most = memory.iter().copied().fold(0.0, f64::max);
    let memory =
        Row::new(GROUP, "host engine, most resident memory", Unit::Megabytes, Samples::new(vec![most]));
    Ok(vec![host, speed(KERNEL)?, memory.target(Target::AtMost(64.0))])
}

/// Writes a pcap file of about `bytes` bytes; returns its number of frames.
fn write(path: &Path, bytes: u64) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    // Version 2.4, microseconds, Ethernet, in this machine's order.
    file.write_all(&0xA1B2_C3D4_u32.to_ne_bytes())?;
    file.write_all([2_u16, 4].map(u16::to_ne_bytes).as_flattened())?;
    file.write_all([0_u32, 0, 262_144, 1].map(u32::to_ne_bytes).as_flattened())?;
    let (recorded, foreign) = (recorded()?, foreign());
    let (mut written, mut frames, mut time) = (0, 0_u64, 1_700_000_000_000_000_u64);
    while written < bytes {
        let of_session = frames.is_multiple_of(FOREIGN);
        let (from, at) = if of_session { (&recorded, frames / FOREIGN) } else { (&foreign, frames) };
        let frame = &from[at as usize % from.len()];
        let length = frame.len() as u32;
        let head = [(time / 1_000_000) as u32, (time % 1_000_000) as u32, length, length];
        file.write_all(head.map(u32::to_ne_bytes).as_flattened())?;
        file.write_all(frame)?;
        written += 16 + u64::from(length);
        frames += 1;
        time += GAP;
    }
    file.flush()?;
    Ok(frames)
}

/// Frames of the recorded sessions.
fn recorded() -> Result<Vec<Vec<u8>>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../captures/samba"));
    let mut frames = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "pcap") {
            capture::frames(&path, |frame| frames.push(frame.bytes.to_vec()))
                .with_context(|| format!("read {}", path.display()))?;
        }
    }
    ensure!(!frames.is_empty(), "no recorded frames are in {}", folder.display());
    Ok(frames)
}

/// Segments between internal clients and web servers.
fn foreign() -> Vec<Vec<u8>> {
    let one = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let client = (Ipv4Addr::new(10, 0, high, low), 40_000 + number);
        let segment = Segment::new(client, (Ipv4Addr::new(151, 101, high, low), 443));
        let segment = segment.payload(PAYLOADS[usize::from(number) % PAYLOADS.len()]);
        if number.is_multiple_of(2) { segment.frame() } else { segment.back().frame() }
    };
    (0..VARIETY).map(one).collect()
}

/// The result of a program's run.
struct Ran {
    seconds: f64,
    /// The most resident memory that was seen.
    megabytes: f64,
}

impl Ran {
    fn millions_a_second(&self, frames: u64) -> f64 {
        frames as f64 / 1e6 / self.seconds
    }
}

/// Runs a program to its end; its output is discarded.
fn run(mut command: Command) -> Result<Ran> {
    let started = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = Running(child.with_context(|| format!("start {:?}", command.get_program()))?);
    let mut megabytes: f64 = 0.0;
    loop {
        megabytes = megabytes.max(most_resident(child.0.id()));
        if let Some(status) = child.0.try_wait()? {
            ensure!(status.success(), "{command:?} ended with {status}");
            return Ok(Ran { seconds: started.elapsed().as_secs_f64(), megabytes });
        }
        ensure!(started.elapsed() < PATIENCE, "{command:?} did not end within {PATIENCE:?}");
        thread::sleep(LOOK);
    }
}

/// The most resident memory of a process so far, megabytes; 0 after its end.
fn most_resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0 / 1e6
}

/// Ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless something failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
