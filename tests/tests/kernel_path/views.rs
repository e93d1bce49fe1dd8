//! Prefix sets that change while the program is loaded: the last set is active, complete and alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use sensor_common::{classify::embedded_ipv4, counter::Counter, prefix::PrefixFlags, slot::Hook};
use sensor_core::networks::PrefixSet;
use sensor_tests::{Frame, Kernel, Setup, Xorshift};
use sensor_user::kernel::prefixes::PrefixError;
use zerocopy::FromBytes as _;

const INTERNAL: PrefixFlags = PrefixFlags::INTERNAL;
const RESERVED: PrefixFlags = PrefixFlags::RESERVED;

/// The other end of every packet; internal in every set.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2);

fn with_peers(prefixes: impl IntoIterator<Item = (IpNet, PrefixFlags)>) -> PrefixSet {
    let peers = [IpNet::from(IpAddr::from(PEER)), IpNet::from(IpAddr::from(PEER_V6))];
    PrefixSet::new(prefixes.into_iter().chain(peers.map(|net| (net, INTERNAL))))
}

fn set(prefixes: &[(&str, PrefixFlags)]) -> PrefixSet {
    with_peers(prefixes.iter().map(|(net, flags)| (net.parse().unwrap(), *flags)))
}

/// The expected counter of packets from and to an address, with an internal peer, by the flags of the address.
fn expected(flags: PrefixFlags) -> [Counter; 2] {
    let unless = |exempt, counter| if flags.contains(exempt) { counter } else { Counter::Kept };
    if flags.contains(INTERNAL) {
        [Counter::Lateral; 2]
    } else if flags.contains(RESERVED) {
        [Counter::Reserved; 2]
    } else {
        [
            unless(PrefixFlags::EXEMPT_SOURCE, Counter::ExemptSource),
            unless(PrefixFlags::EXEMPT_DESTINATION, Counter::ExemptDestination),
        ]
    }
}

/// Flags of an address with those of the IPv4 address inside it.
fn looked_up(set: &PrefixSet, address: IpAddr) -> PrefixFlags {
    let flags = set.lookup(address);
    let IpAddr::V6(wide) = address else { return flags };
    match embedded_ipv4(&<[u32; 4]>::read_from_bytes(&wide.octets()).unwrap()) {
        Some(inner) => flags.union(set.lookup(Ipv4Addr::from(inner.to_ne_bytes()).into())),
        None => flags,
    }
}

/// The kernel's counter of packets from and to `address`.
fn counted(kernel: &mut Kernel, address: IpAddr) -> [Counter; 2] {
    let peer = if address.is_ipv4() { IpAddr::from(PEER) } else { PEER_V6.into() };
    [(address, peer), (peer, address)].map(|(client, server)| {
        let end = |address, port| SocketAddr::new(address, port).to_string();
        let frame = Frame::tcp(&end(client, 50_000), &end(server, 445)).build();
        let before = kernel.counters().unwrap();
        kernel.inject(Hook::XdpIngress, &frame, 1).unwrap();
        let _ = kernel.take_records();
        let after = kernel.counters().unwrap();
        assert_eq!(after.get(Counter::Seen), before.get(Counter::Seen) + 1);
        let mut outcomes = Counter::OUTCOMES.iter().filter(|one| after.get(**one) != before.get(**one));
        let outcome = *outcomes.next().unwrap();
        assert_eq!(outcomes.next(), None);
        outcome
    })
}

/// Compares the kernel with `set` at each address.
fn agrees(kernel: &mut Kernel, set: &PrefixSet, addresses: impl IntoIterator<Item = IpAddr>) -> [usize; 5] {
    let mut met = [0; 5];
    for address in addresses {
        let flags = looked_up(set, address);
        let (wanted, got) = (expected(flags), counted(kernel, address));
        assert_eq!(got, wanted, "{address}, whose flags are {:#x}", flags.0);
        let known = [
            Counter::Kept,
            Counter::Lateral,
            Counter::Reserved,
            Counter::ExemptSource,
            Counter::ExemptDestination,
        ];
        for (times, counter) in met.iter_mut().zip(known) {
            *times += usize::from(wanted.contains(&counter));
        }
    }
    met
}

#[test]
fn each_switch_applies_the_new_set_everywhere() {
    let test = "each_switch_applies_the_new_set_everywhere";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let exempt = PrefixFlags::EXEMPT_DESTINATION;
    let sets = [
        // A uniform /16, /24s in a mixed one, and hosts that only a trie can distinguish.
        set(&[("20.20.0.0/16", INTERNAL), ("20.21.7.0/24", INTERNAL), ("20.22.7.7/32", INTERNAL)]),
        set(&[("20.20.0.0/16", RESERVED), ("20.21.7.0/24", RESERVED), ("20.22.7.7/32", RESERVED)]),
        set(&[]),
        set(&[("20.20.7.7/32", INTERNAL), ("20.21.0.0/16", exempt), ("20.22.7.0/24", INTERNAL)]),
        set(&[("2a00:1::/32", INTERNAL), ("2a01::/16", RESERVED), ("2a02:1:2::/48", INTERNAL)]),
        set(&[("2a00:1:0:1::/64", RESERVED), ("2a01:1::1/128", INTERNAL), ("2a02::/16", exempt)]),
        set(&[("0.0.0.0/0", INTERNAL), ("::/0", RESERVED)]),
    ];
    let addresses = [
        "20.20.7.7",
        "20.20.255.255",
        "20.21.7.7",
        "20.21.8.7",
        "20.22.7.7",
        "20.22.7.8",
        "20.23.0.0",
        "8.8.4.4",
        "2a00:1::1",
        "2a00:1:0:1::1",
        "2a00:2::1",
        "2a01:1::1",
        "2a01:1::2",
        "2a02:1:2::1",
        "2a02:1:3::1",
        "2001:4860::1",
        "::ffff:20.20.7.7",
        "64:ff9b::20.22.7.7",
        "2002:1415:707::1",
    ]
    .map(|address| address.parse::<IpAddr>().unwrap());
    // Twice around, so that each view has had earlier sets.
    for (number, set) in sets.iter().chain(&sets).enumerate() {
        let left_to_tries = kernel.put(set).unwrap();
        assert_eq!(left_to_tries, 0, "set {number}");
        agrees(&mut kernel, set, addresses);
    }
}

fn random_address(random: &mut Xorshift, wide: bool) -> IpAddr {
    let (high, low) = (u128::from(random.next()), u128::from(random.next()));
    if !wide {
        // Only 64 /8s, so that prefixes and addresses overlap.
        return Ipv4Addr::from(low as u32 & 0x3FFF_FFFF).into();
    }
    let rest = high << 64 | low;
    let (mask, base): (u128, u128) = match random.below(8) {
        // 6to4, NAT64, Teredo and mapped: the IPv4 address inside counts too.
        0 => (u128::MAX >> 18, 0x2002 << 112),
        1 => (0x3FFF_FFFF, 0x0064_FF9B << 96),
        2 => (u128::MAX >> 32, 0x2001_0000 << 96),
        3 => (0x3FFF_FFFF, 0xFFFF << 32),
        // 128 /16s, twice as many as there are blocks, and few low bits so that prefixes and addresses overlap.
        _ => (0x007F_00FF_00FF_0000_0000_0000_0000_00FF, 0x2600 << 112),
    };
    Ipv6Addr::from(base | rest & mask).into()
}

fn random_set(random: &mut Xorshift, prefixes: usize) -> PrefixSet {
    let mut one = || {
        let wide = random.below(2) == 0;
        // Few wide ones: they cover much.
        let length = match (random.below(100), wide) {
            (0, false) => 9 + random.below(16),
            (_, false) => 17 + random.below(16),
            (0, true) => 13 + random.below(20),
            (_, true) => 25 + random.below(104),
        };
        let flags = PrefixFlags(1 << random.below(5) | (random.next() & random.next() & 0x1C));
        let address = random_address(random, wide);
        (IpNet::new(address, length as u8).unwrap().trunc(), flags)
    };
    let all: Vec<_> = std::iter::repeat_with(&mut one).take(prefixes).collect();
    with_peers(all)
}

#[test]
fn random_sets_of_20_000_prefixes_match_longest_prefix_match() {
    let test = "random_sets_of_20_000_prefixes_match_longest_prefix_match";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let mut random = Xorshift(0x5EED_2000_0000_0001);
    for addresses in [2_000, 20_000] {
        let set = random_set(&mut random, 20_000);
        let left_to_tries = kernel.put(&set).unwrap();
        assert!(left_to_tries > 10, "only {left_to_tries} entries are left to the tries for want of blocks");
        for wide in [false, true] {
            let all: Vec<_> = (0..addresses / 2).map(|_| random_address(&mut random, wide)).collect();
            // Also the edges of prefixes, where mistakes would be.
            let edges = set.iter().filter(|(net, _)| net.addr().is_ipv4() != wide).step_by(20);
            let edges: Vec<_> = edges.flat_map(|(net, _)| [net.network(), net.broadcast()]).collect();
            let met = agrees(&mut kernel, &set, all.into_iter().chain(edges));
            assert!(met.iter().all(|times| *times > 50), "too few of one kind: {met:?}");
        }
    }
}

#[test]
fn oversized_set_is_refused_by_its_numbers_and_the_old_one_stays() {
    let test = "oversized_set_is_refused_by_its_numbers_and_the_old_one_stays";
    let mut setup = Setup::default();
    setup.config.kernel.max_prefixes = 1_024;
    let Some(mut kernel) = setup.kernel(test).unwrap() else { return };
    let addresses = ["20.20.7.7", "20.21.7.7", "20.21.0.5", "2a00:1::1"].map(|text| text.parse().unwrap());
    let old = set(&[("20.20.0.0/16", INTERNAL), ("20.21.7.7/32", RESERVED), ("2a00:1::/32", INTERNAL)]);
    kernel.put(&old).unwrap();
    let many = |count: u32| {
        let host = |n: u32| IpNet::from(IpAddr::from(Ipv4Addr::from(0x1415_0000 + n)));
        with_peers((0..count - 2).map(|n| (host(n), INTERNAL)))
    };
    match kernel.put(&many(1_025)) {
        Err(error @ PrefixError::TooMany { count: 1_025, most: 1_024 }) => {
            let words = error.to_string();
            assert!(words.contains("1025") && words.contains("1024"), "{words}");
            assert!(words.contains("kernel.max_prefixes"), "{words}");
        }
        other => panic!("not refused as too many: {other:?}"),
    }
    agrees(&mut kernel, &old, addresses);
    // As many as fit, twice in a row: both views have them at once.
    for _ in 0..2 {
        let full = many(1_024);
        kernel.put(&full).unwrap();
        agrees(&mut kernel, &full, addresses);
    }
    kernel.put(&old).unwrap();
    agrees(&mut kernel, &old, addresses);
}
