//! Prefix sets that change under load: every packet is classified by the old set or the new one, never by a mixture.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use sensor_common::{counter::Counter, prefix::PrefixFlags};
use sensor_core::networks::PrefixSet;
use sensor_lab::{End, Namespace, RawSocket, Veth, poll, require_lab};
use sensor_tests::{Frame, PATIENCE};
use sensor_user::{
    config::Config,
    kernel::{
        attach::{Attached, IngressChoice, TcChoice},
        counters::KernelCounters,
        interface::Interface,
        object::KernelProgram,
        prefixes::PrefixMaps,
        ticks::KernelClock,
    },
    plan,
};

/// Prefixes in which the two sets differ.
const OTHERS: usize = 100_000;
/// Switches wanted, if the time allows; without optimisation each takes seconds.
const SWITCHES: usize = 8;
const MIN_SWITCHES: usize = 2;
const SWITCHING: Duration = Duration::from_secs(8);
/// Frames in transit at a time; the receive queue of the cable has 256 places.
const BATCH: u64 = 64;

/// Internal in both sets: by a wide prefix in a uniform range, by one that others divide, by one of its own among them.
const LATERAL: [&str; 5] = ["10.9.9.9", "20.20.7.7", "20.21.7.7", "fd00:9::9", "2a00:1::1"];
/// On the Internet in both sets: in a range without other prefixes, and among others.
const KEPT: [&str; 4] = ["8.8.4.4", "20.22.7.7", "2001:4860::8844", "2a00:2::1"];
/// Internal in both sets beside the defaults.
const OURS: [&str; 3] = ["20.20.0.0/16", "20.21.7.7/32", "2a00:1::/32"];

#[test]
fn reload_under_load_classifies_every_packet_by_one_set() {
    require_lab!(Network);
    let (here, peer) = (Namespace::new("sensor").unwrap(), Namespace::new("peer").unwrap());
    Veth::between(End::new(&here, "lan0"), End::new(&peer, "eth0")).create().unwrap();
    let sets = [random_set(0x5EED_0001, "0.0.0.0/32"), random_set(0x5EED_0002, "16.0.0.0/7")];

    let mut config = Config::default();
    config.kernel.max_prefixes = 1 << 17;
    let mut plan = plan::load_plan(&config, KernelClock::of_this_kernel().unwrap().ticks());
    plan.prefixes = sets[0].clone();
    let mut program = KernelProgram::load(&plan).unwrap();
    let attach = || {
        let interface = Interface::named("lan0").unwrap();
        Attached::new(&mut program, interface, IngressChoice::Auto, TcChoice::Auto)
    };
    let attached = here.run(attach).unwrap().unwrap();

    let socket = RawSocket::open(&peer, "eth0").unwrap();
    let KernelProgram { prefixes, counters, .. } = &mut program;
    let switched = AtomicUsize::new(0);
    let rounds = thread::scope(|scope| {
        let reload = scope.spawn(|| switch(prefixes, &sets, &switched));
        let sent = send_until(&socket, counters, || reload.is_finished(), &switched);
        reload.join().unwrap().unwrap();
        sent.unwrap()
    });
    drop(attached);

    // Every frame was received, so the counters show the outcome of each.
    let counted = program.counters.read().unwrap();
    let outcomes = Counter::OUTCOMES.iter().map(|outcome| (*outcome, counted.get(*outcome)));
    let outcomes: Vec<_> = outcomes.filter(|(_, packets)| *packets != 0).collect();
    let (kept, lateral) = (rounds * KEPT.len() as u64, rounds * LATERAL.len() as u64);
    assert_eq!(outcomes, [(Counter::Kept, kept), (Counter::Lateral, lateral)]);
    assert_eq!(counted.get(Counter::Seen), kept + lateral);

    // Each flow in the slots is one of the kept ones, with all its packets.
    let mut flows = Vec::new();
    for cpu in 0..program.slots.cpus() {
        program.slots.sweep(cpu, |_, slot| flows.push((slot.line.remote_low, slot.line.packets)));
    }
    for address in KEPT {
        let of = flows.iter().filter(|(low, _)| low.to_ne_bytes() == low_bytes(address));
        assert_eq!(of.map(|(_, [local, _])| u64::from(*local)).sum::<u64>(), rounds, "{address}");
    }
    assert_eq!(flows.iter().map(|(_, [_, remote])| *remote).sum::<u32>(), 0, "the peer sends from inside");
}

/// Applies the two sets in turn.
fn switch(prefixes: &mut PrefixMaps, sets: &[PrefixSet; 2], switched: &AtomicUsize) -> Result<()> {
    let start = Instant::now();
    for number in 1..=SWITCHES {
        prefixes.put(&sets[number % 2]).context("put a set into force")?;
        switched.fetch_add(1, Ordering::Relaxed);
        if number >= MIN_SWITCHES && start.elapsed() > SWITCHING {
            break;
        }
    }
    Ok(())
}

/// Sends a frame to each address in turn until `over`, and checks that none is dropped on the way. Returns the rounds.
fn send_until(
    socket: &RawSocket,
    counters: &KernelCounters,
    over: impl Fn() -> bool,
    switched: &AtomicUsize,
) -> Result<u64> {
    let frames: Vec<_> = LATERAL.iter().chain(&KEPT).map(|address| frame_to(address)).collect();
    let (mut sent, mut rounds, mut rounds_before) = (0, 0, 0);
    let mut met = 0;
    loop {
        let last = over();
        for frame in &frames {
            socket.send(frame)?;
        }
        rounds += 1;
        sent += frames.len() as u64;
        let waits = last || sent % BATCH < frames.len() as u64;
        if waits {
            let seen = || counters.read().ok().map(|now| now.get(Counter::Seen));
            let arrived = poll(PATIENCE, || seen().filter(|seen| *seen == sent));
            ensure!(arrived.is_some(), "{sent} frames were sent and {:?} seen", seen());
        }
        // A switch without packets would prove nothing.
        let now = switched.load(Ordering::Relaxed);
        if now > met {
            ensure!(rounds > rounds_before + 10 * (now - met) as u64, "{rounds} rounds at switch {now}");
            (met, rounds_before) = (now, rounds);
        }
        if last {
            ensure!(met >= MIN_SWITCHES, "only {met} switches");
            return Ok(rounds);
        }
    }
}

fn frame_to(address: &str) -> Vec<u8> {
    if address.contains(':') {
        Frame::tcp("[fd00:1::2]:50000", &format!("[{address}]:445")).build()
    } else {
        Frame::tcp("10.0.0.2:50000", &format!("{address}:445")).build()
    }
}

/// The last 32 bits of an address.
fn low_bytes(address: &str) -> [u8; 4] {
    match address.parse().unwrap() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => ((u128::from(address) & 0xFFFF_FFFF) as u32).to_be_bytes(),
    }
}

/// The defaults, [`OURS`], and other prefixes that cover nothing of [`KEPT`]. Their order differs by `empty`, and so do
/// the numbers of the later blocks.
fn random_set(seed: u64, empty: &str) -> PrefixSet {
    let empty: IpNet = empty.parse().unwrap();
    let mut state = seed;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let external = KEPT.map(|address| address.parse::<IpAddr>().unwrap());
    let other = || {
        let (bits, low, length) = (random(), random(), random());
        let net = if bits % 4 == 0 {
            // 2a00::/16, the second group small so that the others surround the addresses that are sent to.
            let address = 0x2A00 << 112 | u128::from(low & 0x00FF_FFFF_FFFF) << 72;
            IpNet::new(Ipv6Addr::from(address).into(), 28 + (length % 37) as u8)
        } else {
            // 16.0.0.0/4.
            IpNet::new(
                Ipv4Addr::from(0x1000_0000 | low as u32 & 0x0FFF_FFFF).into(),
                16 + (length % 17) as u8,
            )
        };
        let flags = if bits & 0x100 == 0 { PrefixFlags::INTERNAL } else { PrefixFlags::RESERVED };
        (net.unwrap().trunc(), flags)
    };
    let others = std::iter::repeat_with(other)
        .filter(|(net, _)| !empty.contains(net) && !external.iter().any(|address| net.contains(address)))
        .take(OTHERS);
    let ours = OURS.map(|net| (net.parse().unwrap(), PrefixFlags::INTERNAL));
    PrefixSet::new(plan::prefixes(&Config::default()).iter().chain(ours).chain(others))
}
