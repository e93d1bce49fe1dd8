//! Random prefix sets in the kernel against longest-prefix match on the host.
//!
//! Each set replaces the one before; then packets between an internal peer and random addresses,
//! and addresses at the edges of prefixes, show by their counters how the kernel classifies each address.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Instant,
};

use anyhow::{Result, ensure};
use ipnet::IpNet;
use sensor_common::{counter::Counter, prefix::PrefixFlags, slot::Hook};
use sensor_core::networks::PrefixSet;
use sensor_user::kernel::counters::CounterValues;

use super::{address, oracle::embedded};
use crate::{
    Frame,
    kernel::{Kernel, Setup},
    random::Xorshift,
    twin::difference,
};

/// The other end of every packet; internal in every set.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2));

/// Addresses to test in each set.
const ADDRESSES: usize = 2_000;

/// The options of a run.
#[derive(Clone, Copy, Debug)]
pub struct PrefixPlan {
    /// Where to begin.
    pub seed: u64,
    /// Sets, at most.
    pub sets: u64,
    /// When to stop.
    pub until: Option<Instant>,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Applied sets.
    pub sets: u64,
    /// Prefixes in them.
    pub prefixes: u64,
    /// Tested addresses, each as client and as server.
    pub addresses: u64,
}

/// One prefix as given, before flattening.
type Given = (IpNet, PrefixFlags);

/// Runs sets.
///
/// # Errors
/// The first address that the kernel classifies differently, with the prefixes around it and the seed of its set; or
/// the kernel's error.
pub fn run(plan: &PrefixPlan) -> Result<Asked> {
    let mut kernel = Setup::default().load()?;
    let mut asked = Asked::default();
    for number in 0..plan.sets {
        if plan.until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let seed = plan.seed.wrapping_add(number);
        let mut random = Xorshift::seeded(seed);
        let prefixes = random_prefixes(&mut random);
        kernel.put(&PrefixSet::new(prefixes.iter().copied()))?;
        for _ in 0..ADDRESSES {
            let address = asked_of(&mut random, &prefixes);
            let (wanted, got) = (expected(flags(&prefixes, address)), counted(&mut kernel, address)?);
            ensure!(
                wanted == got,
                "{address} is to be counted {wanted:?} as client and server, and the kernel counts {got:?}. Around it are \
                 {:?}. Again: cargo xtask fuzz --prefixes --seed {seed}",
                around(&prefixes, address)
            );
        }
        asked.sets += 1;
        asked.prefixes += prefixes.len() as u64;
        asked.addresses += ADDRESSES as u64;
    }
    Ok(asked)
}

/// A set with many prefixes inside others. The peers' networks are the narrowest there are, and internal.
fn random_prefixes(random: &mut Xorshift) -> Vec<Given> {
    let count = [3, 30, 300, 3_000][random.below(4)];
    let mut all: Vec<Given> = [PEER, PEER_V6].map(|peer| (peer.into(), PrefixFlags::INTERNAL)).to_vec();
    for _ in 0..count {
        // Half of them are inside, around or beside an existing one.
        let near = if random.one_in(2) { Some(all[random.below(all.len())].0) } else { None };
        let wide = random.one_in(2);
        let address = match near {
            Some(network) => address::in_or_beside(random, network),
            None => address::any(random, wide),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match near {
            Some(network) => {
                (usize::from(network.prefix_len()) + random.below(12)).saturating_sub(3).min(most)
            }
            None if random.one_in(20) => random.below(most + 1),
            None => most / 4 + random.below(most - most / 4 + 1),
        };
        // Without the peers in them: these stay internal, and nothing else.
        if let Ok(network) = IpNet::new(address, length as u8)
            && !network.contains(&PEER)
            && !network.contains(&PEER_V6)
        {
            let flags = PrefixFlags(1 << random.below(4) | (random.next() & random.next() & 0xC));
            all.push((network.trunc(), flags));
        }
    }
    all
}

fn asked_of(random: &mut Xorshift, prefixes: &[Given]) -> IpAddr {
    if random.one_in(4) {
        let wide = random.one_in(2);
        return address::any(random, wide);
    }
    let (network, _) = random.pick(prefixes);
    let inside = address::in_or_beside(random, network);
    match inside {
        IpAddr::V4(inside) if random.one_in(8) => address::embedding(random, inside).into(),
        inside => inside,
    }
}

/// Flags of all prefixes around an address, or around the IPv4 address inside it, one by one.
fn flags(prefixes: &[Given], address: IpAddr) -> PrefixFlags {
    // An address that embeds an IPv4 address is reserved if that one is, whatever covers the outer address.
    let embeds = embedded(address).is_some();
    let counts = |net: &IpNet, flags: PrefixFlags| {
        let is_outer = embeds && matches!(net, IpNet::V6(_));
        if is_outer { PrefixFlags(flags.0 & !PrefixFlags::RESERVED.0) } else { flags }
    };
    let all = around(prefixes, address).into_iter();
    all.fold(PrefixFlags::NONE, |flags, (net, more)| flags.union(counts(&net, more)))
}

fn around(prefixes: &[Given], address: IpAddr) -> Vec<Given> {
    let both = [Some(address), embedded(address).map(IpAddr::V4)];
    let holds = |network: &IpNet| both.iter().flatten().any(|address| network.contains(address));
    prefixes.iter().filter(|(network, _)| holds(network)).copied().collect()
}

/// The expected counter of packets from and to an address, with an internal peer.
fn expected(flags: PrefixFlags) -> [Counter; 2] {
    let unless = |exempt, counter| if flags.contains(exempt) { counter } else { Counter::Kept };
    if flags.contains(PrefixFlags::INTERNAL) {
        [Counter::Lateral; 2]
    } else if flags.contains(PrefixFlags::RESERVED) {
        [Counter::Reserved; 2]
    } else {
        [
            unless(PrefixFlags::EXEMPT_SOURCE, Counter::ExemptSource),
            unless(PrefixFlags::EXEMPT_DESTINATION, Counter::ExemptDestination),
        ]
    }
}

/// The kernel's counter of packets from and to an address.
fn counted(kernel: &mut Kernel, address: IpAddr) -> Result<[Counter; 2]> {
    let peer = if address.is_ipv4() { PEER } else { PEER_V6 };
    let from = outcome(kernel, address, peer)?;
    Ok([from, outcome(kernel, peer, address)?])
}

fn outcome(kernel: &mut Kernel, client: IpAddr, server: IpAddr) -> Result<Counter> {
    let end = SocketAddr::new;
    let frame = Frame::between(sensor_common::slot::TCP, end(client, 50_000), end(server, 445)).build();
    let before = kernel.counters()?;
    kernel.inject(Hook::XdpIngress, &frame, 1)?;
    let _ = kernel.take_records();
    let counted: CounterValues = difference(&kernel.counters()?, &before);
    let mut outcomes = Counter::OUTCOMES.iter().filter(|one| counted.get(**one) != 0);
    match (outcomes.next(), outcomes.next()) {
        (Some(only), None) if counted.get(*only) == 1 => Ok(*only),
        _ => anyhow::bail!("a packet from {client} to {server} has no single outcome: {counted:?}"),
    }
}
