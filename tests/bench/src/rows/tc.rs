//! One packet through the TC program, by hand.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use aya::programs::SchedClassifier;
use sensor_user::{config::Config, kernel::object::program};

use crate::{
    baseline::Baseline,
    effort::Effort,
    frames::{Segment, flag},
    processor,
    row::{Row, Target, Unit},
    samples::{Interleaved, Subject},
    sensor,
    test_run::Runnable,
};

const GROUP: &str = "one packet, TC egress";
const OK: &str = "TC_ACT_OK";
/// Rounds before those that count.
const WARM_UP: usize = 5;
/// TC_ACT_OK and TC_ACT_UNSPEC of `linux/pkt_cls.h`.
const TC_ACT_OK: u32 = 0;
const TC_ACT_UNSPEC: u32 = u32::MAX;

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    processor::on(cpu, || measure_here(effort))
}

fn measure_here(effort: &Effort) -> Result<Vec<Row>> {
    let baseline = Baseline::small()?;
    let mut kernel = sensor::load(&Config::default())?;
    let own: &SchedClassifier = kernel.classifier(program::TC_OUT)?;
    let to = |port| {
        let client = (Ipv4Addr::new(10, 0, 0, 2), 50_000);
        Segment::new(client, (Ipv4Addr::new(8, 8, 8, 8), port))
    };
    let crossing = to(445);
    for flags in [flag::SYN, flag::ACK] {
        Runnable::Tc(own).run(&crossing.flags(flags).frame(), 1)?;
    }

    let mut subjects = vec![];
    let mut add = |name, program, segment: Segment, expected: u32| {
        let (program, frame, packets) = (Runnable::Tc(program), segment.frame(), effort.packets);
        subjects.push(Subject::new(name, move || program.cost(&frame, packets, &[expected])));
    };
    add(OK, baseline.classifier("bench_tc_ok")?, to(443), TC_ACT_OK);
    add("parse", baseline.classifier("bench_tc_parse")?, to(443), TC_ACT_OK);
    add("443", own, to(443), TC_ACT_UNSPEC);
    add("445", own, crossing, TC_ACT_UNSPEC);
    let measured = Interleaved::measure(subjects, WARM_UP, effort.rounds)?;

    let of = |name| measured.of(name).with_context(|| format!("{name} was not measured"));
    let row = |what, name| {
        Ok::<_, anyhow::Error>(Row::new(GROUP, what, Unit::Nanoseconds, of(name)?.clone()).of_short_rounds())
    };
    let ok = of(OK)?;
    Ok(vec![
        row("return TC_ACT_OK", OK)?,
        row("parse to the ports", "parse")?.against(OK, ok),
        row("TCP/443, IPv4", "443")?.against(OK, ok).target(Target::AtMost(1.15)),
        row("445 → public, established", "445")?.added_to(OK, ok).target(Target::AtMost(15.0)),
    ])
}
