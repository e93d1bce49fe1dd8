//! Bounds of a run: every count and time of the benchmark.

use std::time::Duration;

/// Counts and times of one run of the benchmark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds of test runs, of all repetitions; each round runs every program once. A round is short, so that a subject and what it
    /// is compared with run within the same few milliseconds.
    pub rounds: usize,
    /// Packets of a program in one round.
    pub packets: u32,
    /// Rounds of live traffic.
    pub live_rounds: usize,
    /// Packets sent to a receiver in one live round.
    pub live_packets: u32,
    /// Packets of a sustained flood.
    pub sustained_packets: u32,
    /// Prefixes of the large set.
    pub prefixes: usize,
    /// Records that the ring carries.
    pub records: u64,
    /// Connections that the core follows.
    pub connections: u32,
    /// Connections for whose alerts it waits.
    pub alerts: usize,
    /// Documents whose commit is waited for.
    pub commits: usize,
    /// Time for which documents come at a steady pace.
    pub sustained: Duration,
    /// Loads of a page.
    pub page_loads: usize,
    /// Time for which the idle agent is measured, once in each repetition.
    pub idle: Duration,
    /// Bytes of the capture that is replayed.
    pub capture_bytes: u64,
    /// Number of replays.
    pub capture_rounds: usize,
}

impl Effort {
    /// For figures to publish: a few minutes.
    pub(crate) const FULL: Self = Self {
        rounds: 900,
        packets: 20_000,
        live_rounds: 101,
        live_packets: 50_000,
        sustained_packets: 4_000_000,
        prefixes: 1_000_000,
        records: 100_000_000,
        connections: 262_144,
        alerts: 300,
        commits: 10_000,
        sustained: Duration::from_secs(60),
        page_loads: 30,
        idle: Duration::from_secs(10),
        capture_bytes: 1_000_000_000,
        capture_rounds: 2,
    };

    /// For a look: about a minute.
    pub(crate) const QUICK: Self = Self {
        rounds: 240,
        packets: 20_000,
        live_rounds: 25,
        live_packets: 40_000,
        sustained_packets: 1_000_000,
        prefixes: 1_000_000,
        records: 20_000_000,
        connections: 262_144,
        alerts: 30,
        commits: 1_000,
        sustained: Duration::from_secs(6),
        page_loads: 5,
        idle: Duration::from_secs(3),
        capture_bytes: 100_000_000,
        capture_rounds: 1,
    };
}
