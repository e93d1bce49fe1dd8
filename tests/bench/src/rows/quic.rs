//! The cost of QUIC: a packet to UDP 443 in the XDP program, and a ClientHello in the agent.

use std::{net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result, ensure};
use aya::programs::Xdp;
use sensor_common::{
    payload::{PieceHead, PieceKind},
    slot::{RECORD_VERSION, RecordKind, UDP},
};
use sensor_core::{
    Input,
    time::{Moment, Timestamp},
};
use sensor_user::{
    config::Config,
    kernel::object::{KernelProgram, LoadPlan},
    plan,
};
use zerocopy::IntoBytes;

use crate::{
    baseline::Baseline,
    effort::Effort,
    frames::datagram,
    processor,
    row::{Row, Target, Unit},
    samples::{Interleaved, Samples, Subject},
    sensor,
    stand::Stand,
    test_run::Runnable,
};

const GROUP: &str = "QUIC";
const PASS: &str = "XDP_PASS";
/// `enum xdp_action`.
const XDP_PASS: u32 = 2;
/// Rounds before those that count.
const WARM_UP: usize = 5;
/// Initial packets that are handed up in a round: the ring has room for them.
const HANDED_UP: u32 = 1_000;
/// ClientHellos that the agent reads in a round.
const HELLOS: usize = 200;

const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 2), 50_000);
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(8, 8, 8, 8), 443);

/// The first datagram of a browser.
const WEB: &[u8] = include_bytes!("../../../../sensor-user/dissect/fixtures/quic/web.bin");

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    let mut rows = processor::on(cpu, || in_kernel(effort))?;
    rows.push(in_agent(effort)?);
    Ok(rows)
}

/// The program; with `endless`, no second has an end, and after the first Initial packets none is handed up. Otherwise every one is.
fn program(endless: bool) -> Result<KernelProgram> {
    let plan = plan::load_plan(&Config::default(), sensor::clock()?);
    let mut settings = plan.settings;
    settings.second = if endless { u32::MAX } else { 0 };
    KernelProgram::load(&LoadPlan { settings, ..plan }).context("load the sensor's kernel program")
}

fn cost(program: &Xdp, frame: &[u8], packets: u32) -> Result<f64> {
    Runnable::Xdp(program).cost(frame, packets, &[XDP_PASS])
}

fn in_kernel(effort: &Effort) -> Result<Vec<Row>> {
    let mut baseline = Baseline::small()?;
    let stands = [(); 3].map(|()| Stand::new());
    let stands = stands.into_iter().collect::<Result<Vec<_>>>()?;
    stands[0].attach(baseline.xdp_mut("bench_pass")?)?;
    let (mut passing, mut handing) = (program(true)?, program(false)?);
    stands[1].attach(passing.xdp()?)?;
    stands[2].attach(handing.xdp()?)?;

    let short = datagram(CLIENT, SERVER, &[0x5A; 1_200]);
    let initial = datagram(CLIENT, SERVER, WEB);
    let packets = effort.packets;
    let own: &Xdp = passing.xdp()?;
    let pass = baseline.xdp("bench_pass")?;
    let subjects = vec![
        Subject::new(PASS, || cost(pass, &short, packets)),
        Subject::new("short", || cost(own, &short, packets)),
        Subject::new("over", || cost(own, &initial, packets)),
        Subject::new("handed up", || {
            let nanos = cost(handing.xdp()?, &initial, HANDED_UP)?;
            let mut taken = 0;
            while handing.records.take().is_some() {
                taken += 1;
            }
            ensure!(taken == HANDED_UP, "{taken} of {HANDED_UP} Initial packets were handed up");
            Ok(nanos)
        }),
    ];
    let measured = Interleaved::measure(subjects, WARM_UP, effort.rounds)?;
    let of = |name| measured.of(name).with_context(|| format!("{name} was not measured"));
    let pass = of(PASS)?;
    let row = |what, name| {
        Ok::<_, anyhow::Error>(
            Row::new(GROUP, what, Unit::Nanoseconds, of(name)?.clone()).against(PASS, pass),
        )
    };
    Ok(vec![
        row("UDP 443, short header", "short")?.target(Target::AtMost(1.2)),
        row("Initial packet, handed up", "handed up")?,
        row("Initial packet beyond the limit of a second", "over")?,
    ])
}

/// From an Initial packet on the ring to the decision that it is none of ours: key derivation, decryption, ClientHello.
fn in_agent(effort: &Effort) -> Result<Row> {
    let mut core = sensor::core()?;
    let head = PieceHead {
        version: RECORD_VERSION,
        kind: RecordKind::Payload as u8,
        transport: UDP,
        family: 4,
        piece: PieceKind::QuicInitial as u8,
        captured: WEB.len() as u16,
        wanted: WEB.len() as u32,
        ..PieceHead::EMPTY
    };
    let record = [head.as_bytes(), WEB].concat();
    let now = Moment { at: Timestamp::from_unix_seconds(0), ticks: 0 };
    let mut nanos = Vec::new();
    let mut events = Vec::new();
    for _ in 0..effort.rounds {
        let began = Instant::now();
        for _ in 0..HELLOS {
            core.step(Input::Record(&record), now, &mut events);
        }
        nanos.push(began.elapsed().as_nanos() as f64 / HELLOS as f64);
    }
    let read = core.flows().quic_counts().hellos;
    ensure!(read == (effort.rounds * HELLOS) as u64 && events.is_empty(), "{read} ClientHellos were read");
    Ok(Row::new(GROUP, "ClientHello read and forgotten by the agent", Unit::Nanoseconds, Samples::new(nanos)))
}
