//! One packet through the XDP program, by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use sensor_user::config::Config;

use crate::{
    baseline::Baseline,
    effort::Effort,
    frames::{Segment, WRITE_HEAD, flag},
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
const MARKED: &str = "TCP/443, IPv4, after a forged SMB segment";
/// `enum xdp_action`.
const XDP_PASS: u32 = 2;
/// Rounds before those that count.
const WARM_UP: usize = 5;
/// Payload of an ordinary packet full of data, and of a segment full of the content of a file.
const FULL_PAYLOAD: usize = 1024;
const FILE_CONTENT: usize = 1448;
/// Sequence number of a request to write, behind the SYN; of the content in it; and of the measured segment of that.
const WRITE_AT: u32 = 2;
const CONTENT_AT: u32 = WRITE_AT + WRITE_HEAD as u32;
const MEASURED_AT: u32 = CONTENT_AT + 3 * FILE_CONTENT as u32;

const CLIENT: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 50_000);
const CLIENT_V6: (IpAddr, u16) = (IpAddr::V6(Ipv6Addr::new(0xFD00, 1, 0, 0, 0, 0, 0, 2)), 50_000);
const INTERNAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 2));
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
/// Public, but 192.0.0.0/24 and 192.0.2.0/24 beside it are not.
const PUBLIC_AMONG_RESERVED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 1, 1));
const PUBLIC_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844));

/// What the time of a packet is compared with.
#[derive(Clone, Copy)]
enum Reference {
    /// The time of `return XDP_PASS`.
    Pass,
    /// The time of xdp-filter.
    Filter,
    /// The cost added to `return XDP_PASS`, nanoseconds.
    Added,
    /// That cost, divided by what xdp-filter adds.
    AddedByFilter,
    /// The time of the case before.
    CaseBefore,
}

/// A named packet for the sensor, its comparisons, and their targets.
struct Case {
    name: &'static str,
    segment: Segment,
    targets: &'static [(Reference, Target)],
    /// The flow is opened by a handshake first.
    established: bool,
}

const fn case(name: &'static str, segment: Segment, targets: &'static [(Reference, Target)]) -> Case {
    Case { name, segment, targets, established: false }
}

fn cases() -> Vec<Case> {
    let from_v4 = |to, port| Segment::new(CLIENT, (to, port));
    let from_v6 = |port| Segment::new(CLIENT_V6, (PUBLIC_V6, port));
    const ORDINARY: &[(Reference, Target)] =
        &[(Reference::Pass, Target::AtMost(1.08)), (Reference::Filter, Target::AtMost(0.75))];
    const CROSSING: &[(Reference, Target)] =
        &[(Reference::AddedByFilter, Target::AtMost(0.5)), (Reference::Added, Target::AtMost(12.0))];
    const CROSSING_V6: &[(Reference, Target)] =
        &[(Reference::AddedByFilter, Target::AtMost(0.75)), (Reference::Added, Target::AtMost(18.0))];
    const CONTENT: &[(Reference, Target)] = &[(Reference::CaseBefore, Target::AtMost(1.2))];
    let established = |name, segment, targets| Case { established: true, ..case(name, segment, targets) };
    let content = |segment: Segment| segment.payload(FILE_CONTENT).sequence(MEASURED_AT);
    vec![
        case("TCP/443, IPv4", from_v4(PUBLIC, 443), ORDINARY),
        case("TCP/443, IPv6", from_v6(443), ORDINARY),
        case(
            "TCP/443 with 1 kB of payload",
            from_v4(PUBLIC, 443).payload(FULL_PAYLOAD),
            &[(Reference::Pass, Target::AtMost(1.35))],
        ),
        case("445 internal → internal", from_v4(INTERNAL, 445), &[(Reference::Added, Target::AtMost(5.0))]),
        established("445 → public, established", from_v4(PUBLIC, 445), CROSSING),
        established("… with 1,448 bytes of a file", content(from_v4(PUBLIC, 445)), CONTENT),
        established("445 → public, established, mixed /16", from_v4(PUBLIC_AMONG_RESERVED, 445), CROSSING),
        established("445 → public, established, IPv6", from_v6(445), CROSSING_V6),
        established("… IPv6 with 1,448 bytes of a file", content(from_v6(445)), CONTENT),
    ]
}

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    processor::on(cpu, || measure_here(effort))
}

fn measure_here(effort: &Effort) -> Result<Vec<Row>> {
    let mut baseline = Baseline::small()?;
    let stands = [(); 6].map(|()| Stand::new());
    let stands = stands.into_iter().collect::<Result<Vec<_>>>()?;
    for (stand, name) in stands.iter().zip(["bench_pass", "bench_counter", "bench_parse"]) {
        stand.attach(baseline.xdp_mut(name)?)?;
    }
    let mut kernel = sensor::load(&Config::default())?;
    let own = kernel.xdp()?;
    stands[3].attach(own)?;
    let own: &Xdp = own;
    let mut marked = sensor::load(&Config::default())?;
    let misled = marked.xdp()?;
    stands[5].attach(misled)?;
    let misled: &Xdp = misled;
    let filter = xdp_filter::attach(&stands[4]);

    let cases = cases();
    for case in cases.iter().filter(|case| case.established) {
        shake_hands(own, case.segment)?;
    }
    for case in cases.iter().filter(|case| case.segment.sequence == MEASURED_AT) {
        begin_to_write(own, case.segment)?;
    }
    mark_443(misled)?;

    let ordinary = cases.first().context("there are cases")?.segment;
    let mut subjects = vec![];
    let mut add = |name, program, segment: Segment| {
        let (program, packets) = (Runnable::Xdp(program), effort.packets);
        let is_content = segment.sequence == MEASURED_AT;
        let mut segment = segment;
        subjects.push(Subject::new(name, move || {
            let frame = segment.frame();
            if is_content {
                // The first of a round is new content, and the others repeat it, as BPF_PROG_TEST_RUN repeats one frame. Both
                // take the fast path. A slot whose counts were handed over takes it only after new content.
                segment.sequence += FILE_CONTENT as u32;
            }
            program.cost(&frame, packets, &[XDP_PASS])
        }));
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
    add(MARKED, misled, ordinary);
    let measured = Interleaved::measure(subjects, WARM_UP, effort.rounds)?;
    rows(&cases, &measured, filter.as_ref().err())
}

/// One forged segment with an SMB message, from a client's port 443 as it were, makes the sensor look at packets of that port.
fn mark_443(program: &Xdp) -> Result<()> {
    let forged = Segment::new((PUBLIC, 443), CLIENT).smb();
    Runnable::Xdp(program).run(&forged, 1)?;
    Ok(())
}

/// The name under which xdp-filter is measured on the same packet.
fn filter_subject(case: &Case) -> &'static str {
    if matches!(case.segment.to.0, IpAddr::V4(_)) { "xdp-filter, IPv4" } else { "xdp-filter, IPv6" }
}

fn shake_hands(program: &Xdp, flow: Segment) -> Result<()> {
    let there = flow.payload(0).sequence(1);
    for segment in [there.flags(flag::SYN), there.back().flags(flag::SYN | flag::ACK), there.flags(flag::ACK)]
    {
        Runnable::Xdp(program).run(&segment.frame(), 1)?;
    }
    Ok(())
}

/// Sends a request to write, and the content before the measured segment.
fn begin_to_write(program: &Xdp, measured: Segment) -> Result<()> {
    let program = Runnable::Xdp(program);
    program.run(&measured.sequence(WRITE_AT).smb_write(), 1)?;
    for sequence in (CONTENT_AT..MEASURED_AT).step_by(FILE_CONTENT) {
        program.run(&measured.sequence(sequence).frame(), 1)?;
    }
    Ok(())
}

fn rows(cases: &[Case], measured: &Interleaved, no_filter: Option<&anyhow::Error>) -> Result<Vec<Row>> {
    let of = |name| {
        let samples = measured.of(name);
        samples.with_context(|| format!("{name} was not measured"))
    };
    let pass = of(PASS)?;
    let row = |what, name| {
        Ok::<_, anyhow::Error>(Row::new(GROUP, what, Unit::Nanoseconds, of(name)?.clone()).of_short_rounds())
    };
    let mut rows = vec![
        row("return XDP_PASS", PASS)?,
        row("+ a counter", "counter")?.against(PASS, pass),
        row("parse to the ports", "parse")?.against(PASS, pass),
    ];
    if no_filter.is_none() {
        rows.push(
            row("xdp-filter, TCP ports and IPv4 addresses", filter_subject(&cases[0]))?.added_to(PASS, pass),
        );
        rows.push(
            row("xdp-filter, TCP ports and IPv6 addresses", filter_subject(&cases[1]))?.added_to(PASS, pass),
        );
    }
    for (number, case) in cases.iter().enumerate() {
        for (reference, target) in case.targets {
            let own = row(case.name, case.name)?;
            let by_filter = matches!(reference, Reference::Filter | Reference::AddedByFilter);
            let compared = match (reference, no_filter) {
                (_, Some(error)) if by_filter => Row::not_measured(
                    GROUP,
                    format!("{} by {FILTER}", case.name),
                    Unit::Nanoseconds,
                    format!("{error:#}"),
                ),
                (Reference::Pass, _) => own.against(PASS, pass),
                (Reference::Added, _) => own.added_to(PASS, pass),
                (Reference::Filter, _) => own.against(FILTER, of(filter_subject(case))?),
                (Reference::AddedByFilter, _) => own.added_against(FILTER, of(filter_subject(case))?, pass),
                (Reference::CaseBefore, _) => {
                    let before = cases[number - 1].name;
                    own.against("without", of(before)?)
                }
            };
            rows.push(compared.target(*target));
        }
    }
    rows.push(row(MARKED, MARKED)?.against("443 unmarked", of(cases[0].name)?).target(Target::AtMost(1.3)));
    Ok(rows)
}
