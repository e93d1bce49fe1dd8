//! One packet through the XDP program, by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use sensor_user::config::Config;

use crate::{
    baseline::Baseline,
    effort::Effort,
    frames::{Segment, flag},
    peers::xdp_filter,
    processor,
    row::{Row, Target, Unit},
    samples::{Interleaved, Subject},
    sensor,
    stand::Stand,
    test_run::Runnable,
};

const GROUP: &str = "one packet, XDP";
const PASS: &str = "XDP_PASS";
const FILTER: &str = "xdp-filter";
/// `enum xdp_action`.
const XDP_PASS: u32 = 2;
/// Rounds before those that count.
const WARM_UP: usize = 5;
/// Payload of the established flow, and of an ordinary packet full of data.
const PAYLOAD: usize = 100;
const FULL_PAYLOAD: usize = 1024;

const CLIENT: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 50_000);
const CLIENT_V6: (IpAddr, u16) = (IpAddr::V6(Ipv6Addr::new(0xFD00, 1, 0, 0, 0, 0, 0, 2)), 50_000);
const INTERNAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 2));
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
/// Public, but 192.0.0.0/24 and 192.0.2.0/24 beside it are not.
const PUBLIC_AMONG_RESERVED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 1, 1));
const PUBLIC_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844));

/// A named packet for the sensor, its comparison, and its target.
struct Case {
    name: &'static str,
    segment: Segment,
    targets: &'static [(&'static str, Target)],
    /// The flow is opened by a handshake first.
    established: bool,
}

const fn case(name: &'static str, segment: Segment, targets: &'static [(&'static str, Target)]) -> Case {
    Case { name, segment, targets, established: false }
}

fn cases() -> Vec<Case> {
    let from_v4 = |to, port| Segment::new(CLIENT, (to, port));
    let from_v6 = |port| Segment::new(CLIENT_V6, (PUBLIC_V6, port));
    const ORDINARY: &[(&str, Target)] = &[(PASS, Target::AtMost(1.08)), (FILTER, Target::AtMost(0.75))];
    const CROSSING: &[(&str, Target)] = &[(PASS, Target::AtMost(2.3))];
    let established = |name, segment: Segment, targets| Case {
        established: true,
        ..case(name, segment.payload(PAYLOAD), targets)
    };
    vec![
        case("TCP/443, IPv4", from_v4(PUBLIC, 443), ORDINARY),
        case("TCP/443, IPv6", from_v6(443), ORDINARY),
        case(
            "TCP/443 with 1 kB of payload",
            from_v4(PUBLIC, 443).payload(FULL_PAYLOAD),
            &[(PASS, Target::AtMost(1.35))],
        ),
        case(
            "445 internal → internal",
            from_v4(INTERNAL, 445).payload(PAYLOAD),
            &[(PASS, Target::AtMost(1.40))],
        ),
        established("445 → public, established", from_v4(PUBLIC, 445), CROSSING),
        established("445 → public, established, mixed /16", from_v4(PUBLIC_AMONG_RESERVED, 445), CROSSING),
        established("445 → public, established, IPv6", from_v6(445), &[(PASS, Target::AtMost(3.0))]),
    ]
}

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    processor::on(cpu, || measure_here(effort))
}

fn measure_here(effort: &Effort) -> Result<Vec<Row>> {
    let mut baseline = Baseline::small()?;
    let stands = [(); 5].map(|()| Stand::new());
    let stands = stands.into_iter().collect::<Result<Vec<_>>>()?;
    for (stand, name) in stands.iter().zip(["bench_pass", "bench_counter", "bench_parse"]) {
        stand.attach(baseline.xdp_mut(name)?)?;
    }
    let mut kernel = sensor::load(&Config::default())?;
    let own = kernel.xdp()?;
    stands[3].attach(own)?;
    let own: &Xdp = own;
    let filter = xdp_filter::attach(&stands[4]);

    let cases = cases();
    for case in cases.iter().filter(|case| case.established) {
        shake_hands(own, case.segment)?;
    }

    let ordinary = cases.first().context("there are cases")?.segment;
    let mut subjects = vec![];
    let mut add = |name, program, segment: Segment| {
        let (program, frame, packets) = (Runnable::Xdp(program), segment.frame(), effort.packets);
        subjects.push(Subject::new(name, move || program.cost(&frame, packets, &[XDP_PASS])));
    };
    add(PASS, baseline.xdp("bench_pass")?, ordinary);
    add("counter", baseline.xdp("bench_counter")?, ordinary);
    add("parse", baseline.xdp("bench_parse")?, ordinary);
    if let Ok(filter) = &filter {
        for case in &cases[..2] {
            add(filter_subject(case), filter, case.segment);
        }
    }
    for case in &cases {
        add(case.name, own, case.segment);
    }
    let measured = Interleaved::measure(subjects, WARM_UP, effort.rounds)?;
    rows(&cases, &measured, filter.as_ref().err())
}

/// The name under which xdp-filter is measured on the same packet.
fn filter_subject(case: &Case) -> &'static str {
    if matches!(case.segment.to.0, IpAddr::V4(_)) { "xdp-filter, IPv4" } else { "xdp-filter, IPv6" }
}

fn shake_hands(program: &Xdp, flow: Segment) -> Result<()> {
    let there = flow.payload(0);
    for segment in [there.flags(flag::SYN), there.back().flags(flag::SYN | flag::ACK), there.flags(flag::ACK)]
    {
        Runnable::Xdp(program).run(&segment.frame(), 1)?;
    }
    Ok(())
}

fn rows(cases: &[Case], measured: &Interleaved, no_filter: Option<&anyhow::Error>) -> Result<Vec<Row>> {
    let of = |name| {
        let samples = measured.of(name);
        samples.with_context(|| format!("{name} was not measured"))
    };
    let pass = of(PASS)?;
    let text =
        |what, name| Ok::<_, anyhow::Error>(Row::new(GROUP, what, Unit::Nanoseconds, of(name)?.clone()));
    let mut rows = vec![
        text("return XDP_PASS", PASS)?,
        text("+ a counter", "counter")?.against(PASS, pass),
        text("parse to the ports", "parse")?.against(PASS, pass),
    ];
    if no_filter.is_none() {
        // The upper bound: a program that does nothing.
        rows.push(text("return XDP_PASS", PASS)?.against(FILTER, of(filter_subject(&cases[0]))?));
    }
    for case in cases {
        for (against, target) in case.targets {
            let row = text(case.name, case.name)?;
            let row = match (*against, no_filter) {
                (PASS, _) => row.against(PASS, pass),
                (_, None) => row.against(FILTER, of(filter_subject(case))?),
                (_, Some(error)) => Row::not_measured(
                    GROUP,
                    format!("{} by {FILTER}", case.name),
                    Unit::Nanoseconds,
                    format!("{error:#}"),
                ),
            };
            rows.push(row.target(*target));
        }
    }
    Ok(rows)
}
