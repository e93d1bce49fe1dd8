//! Makes the input for loading the kernel program from the configuration.

use sensor_core::service::ServicePorts;
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

use ipnet::IpNet;
use sensor_common::{
    prefix::{EXEMPTION_COUNTERS, PAIRS, PrefixFlags},
    settings::{Settings, feature},
};

use crate::{
    config::Config,
    kernel::{interface::Interface, object::LoadPlan},
};
use sensor_core::exempt::{End, Exemption};
use sensor_core::networks::PrefixSet;
use sensor_core::profile::networks::entries;
use sensor_core::time::TickClock;

/// The flattened prefixes of a configuration, with all of its exemptions.
#[must_use]
pub fn prefixes(config: &Config) -> PrefixSet {
    prefixes_with(config, &[])
}

/// The same with networks that blocks concern.
#[must_use]
pub fn prefixes_with(config: &Config, blocked: &[IpNet]) -> PrefixSet {
    // Traffic that the profile would match must not be filtered out in the kernel, so the profile's networks count.
    let networks = entries(config.profile.profile(), &config.profile_settings())
        .into_iter()
        .map(|entry| (entry.net, entry.flags));
    let mut pairs = 0..;
    let exempt = config.exemptions.iter().flat_map(|exemption| {
        let pair = if exemption.is_pair() { pairs.next() } else { None };
        exemption.prefixes(pair.unwrap_or_default())
    });
    let threats = config.threats.prefixes().map(|net| (net, PrefixFlags::THREAT));
    let sources = CounterNumbers::new(config, |one| one.source.as_ref());
    let destinations = CounterNumbers::new(config, |one| one.destination.as_ref());
    let blocked = blocked.iter().map(|net| (*net, PrefixFlags::BLOCKED));
    PrefixSet::new(networks.chain(exempt).chain(threats).chain(blocked)).map(|net, flags| {
        let mut flags = flags;
        if flags.0 & PrefixFlags::INTERNAL.union(PrefixFlags::RESERVED).0 != 0 {
            // A list may contain private space, or more than half of the Internet. It is about external addresses, and internal ones
            // keep their two-bit answer.
            flags.0 &= !PrefixFlags::THREAT.0;
        }
        if flags.contains(PrefixFlags::EXEMPT_SOURCE) {
            flags = flags.counted_as_source(sources.of(net));
        }
        if flags.contains(PrefixFlags::EXEMPT_DESTINATION) {
            flags = flags.counted_as_destination(destinations.of(net));
        }
        flags
    })
}

/// The exemptions with a counter in the kernel, in the order of their numbers, which begin with 1. Exemptions beyond the last
/// number share number 0.
pub fn counted(config: &Config) -> impl Iterator<Item = &Exemption> {
    config
        .exemptions
        .iter()
        .filter(|exemption| exemption.is_for_kernel())
        .take(EXEMPTION_COUNTERS as usize - 1)
}

/// Networks of one end, each with the number of the first exemption that names it.
struct CounterNumbers(HashMap<IpNet, u32>);

impl CounterNumbers {
    fn new(config: &Config, end: impl Fn(&Exemption) -> Option<&End>) -> Self {
        let mut numbers = HashMap::new();
        for (exemption, number) in counted(config).zip(1..) {
            for net in end(exemption).map_or(&[][..], End::networks) {
                numbers.entry(*net).or_insert(number);
            }
        }
        Self(numbers)
    }

    /// The number of the first exemption that covers `net`; a flattened prefix is either inside a network or outside. 0 is none.
    fn of(&self, net: IpNet) -> u32 {
        let around = std::iter::successors(Some(net), IpNet::supernet);
        around.filter_map(|net| self.0.get(&net).copied()).min().unwrap_or_default()
    }
}

/// The input for loading the kernel program. The hash seed is new each time.
#[must_use]
pub fn load_plan(config: &Config, clock: TickClock) -> LoadPlan {
    // RandomState takes its keys from the system's randomness.
    let random = || RandomState::new().build_hasher().finish();
    let prefixes = prefixes(config);
    // Twice the present number fits in any case: lists grow.
    let wanted = (2 * prefixes.iter().count()).next_power_of_two();
    LoadPlan {
        settings: Settings {
            seed: [random(), random()],
            slots_per_cpu: config.kernel.flow_slots,
            idle_ticks: clock.ticks_in(config.kernel.flow_idle),
            blocks_v6: 64,
            features: features(config),
            second: clock.ticks_in(1),
            reserved: 0,
        },
        services: config.watched().tables(),
        prefixes,
        max_prefixes: config.kernel.max_prefixes.max(u32::try_from(wanted).unwrap_or(u32::MAX)),
        ring_bytes: config.kernel.ring_bytes,
        debug: config.kernel.debug,
    }
}

fn features(config: &Config) -> u32 {
    let mut features = 0;
    if config.watched().smb_any_port {
        features |= feature::SMB_ON_ANY_PORT;
    }
    if config.kernel.tunnels {
        features |= feature::TUNNELS;
    }
    if config.kernel.debug {
        features |= feature::LOG;
    }
    features
}

/// Networks of interfaces that are not internal: one warning each.
#[must_use]
pub fn interface_warnings(prefixes: &PrefixSet, interfaces: &[Interface]) -> Vec<String> {
    let mut warnings = Vec::new();
    for interface in interfaces {
        for network in &interface.networks {
            if !prefixes.lookup(network.network()).contains(PrefixFlags::INTERNAL) {
                warnings.push(format!(
                    "interface {} is on {network}, which is not internal: traffic of its machines looks like traffic of the Internet. \
                     If it is yours, add it: --internal {network}, or networks.internal in the configuration",
                    interface.name
                ));
            }
        }
    }
    warnings
}

/// Suspicious network settings, which may be intended: one warning each.
#[must_use]
pub fn network_warnings(config: &Config, interfaces: &[Interface]) -> Vec<String> {
    let prefixes = prefixes(config);
    let mut warnings = Vec::new();
    warnings.extend(set_aside(config));
    warnings.extend(interface_warnings(&prefixes, interfaces));
    let pairs = config.exemptions.iter().filter(|exemption| exemption.is_pair()).count();
    if pairs > PAIRS as usize {
        warnings.push(format!(
            "{pairs} exemptions name both a source and a destination, but enforcement distinguishes only {PAIRS}: it may let connections pass that \
             none of them covers. Alerts are exact"
        ));
    }
    for exemption in config.exemptions.iter().filter(|exemption| exemption.may_be_any_tcp()) {
        warnings.push(format!(
            "exemption {} names neither a source nor a destination: only the agent can decide whether it applies, so with enforcement \
             on nothing is dropped. Add a source or a destination",
            exemption.id
        ));
    }
    if config.lacks_networks() {
        warnings.push(
            "no internal networks are configured beyond the private ranges: if your organisation has public addresses, \
             traffic between them raises false alarms until they are listed under networks.internal"
                .to_owned(),
        );
    }
    if prefixes.iter().all(|(_, flags)| !flags.contains(PrefixFlags::INTERNAL)) {
        warnings.push(
            "nothing is internal, so nothing can cross the border: no alert will ever be raised".to_owned(),
        );
    }
    warnings
}

/// Settings that the profile ignores, as text.
fn set_aside(config: &Config) -> Option<String> {
    let profile = config.profile.profile();
    let mut keys = Vec::new();
    if profile.has_own_networks() && !(config.internal.is_empty() && config.default_networks) {
        keys.push("networks");
    }
    if config.watched() != config.services && config.services != ServicePorts::default() {
        keys.push("services");
    }
    if keys.is_empty() {
        return None;
    }
    Some(format!(
        "the profile {} uses networks and ports of its own: the settings under {} do not count. Leave \
         it out, or set `profile = \"sensor\"`",
        profile.name,
        keys.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use sensor_common::headers::Link;

    use super::*;
    use sensor_core::profile::ProfileName;

    fn interface(network: &str) -> Interface {
        Interface {
            name: "lan0".into(),
            index: 2,
            link: Link::Ethernet,
            networks: vec![network.parse().unwrap()],
        }
    }

    #[test]
    fn warns_about_an_interface_outside_the_internal_networks() {
        let config = Config { internal: vec!["198.51.100.0/24".parse().unwrap()], ..Config::default() };
        assert!(network_warnings(&config, &[interface("10.0.0.0/24")]).is_empty());
        assert!(network_warnings(&config, &[interface("198.51.100.0/25")]).is_empty());
        let warnings = network_warnings(&config, &[interface("8.8.4.0/24")]);
        assert!(
            warnings[0].contains("lan0") && warnings[0].contains("--internal 8.8.4.0/24"),
            "{warnings:?}"
        );
    }

    #[test]
    fn warns_about_undefined_networks() {
        assert!(network_warnings(&Config::default(), &[])[0].contains("networks.internal"));
        let nothing = Config { default_networks: false, ..Config::default() };
        assert!(
            network_warnings(&nothing, &[]).iter().any(|warning| warning.contains("nothing is internal"))
        );
    }

    #[test]
    fn warns_about_ignored_settings_of_a_profile() {
        let mut config = Config { profile: ProfileName::ElasticV105, ..Config::default() };
        assert!(network_warnings(&config, &[]).is_empty(), "nothing is missing and nothing set aside");
        config.internal = vec!["9.0.0.0/8".parse().unwrap()];
        config.services.smb_tcp = vec![4445];
        let warnings_of = |config: &Config| network_warnings(config, &[]).join("\n");
        assert!(
            warnings_of(&config).contains("elastic-v105")
                && warnings_of(&config).contains("networks and services")
        );
        config.profile = ProfileName::Netography;
        assert!(warnings_of(&config).contains("under services do not count"), "{}", warnings_of(&config));
        config.profile = ProfileName::Sensor;
        assert!(warnings_of(&config).is_empty());
    }

    #[test]
    fn private_addresses_are_reserved_unless_internal() {
        let config = Config { default_networks: false, ..Config::default() };
        let flags = prefixes(&config).lookup("10.0.0.1".parse().unwrap());
        assert_eq!(flags, PrefixFlags::RESERVED);
    }

    #[test]
    fn threat_list_flags_external_and_not_internal_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, "8.0.0.0/6\n10.0.0.0/8\n9.9.9.9\n").unwrap();
        let list =
            crate::threat::ThreatList { name: "list".into(), file, format: crate::threat::Format::Plain };
        let threats = crate::threat::ThreatLists::read(&[list]).unwrap().into();
        let set = prefixes(&Config { threats, ..Config::default() });
        let flags = |address: &str| set.lookup(address.parse().unwrap());
        assert_eq!(flags("9.9.9.9"), PrefixFlags::THREAT);
        assert_eq!(flags("8.8.8.8"), PrefixFlags::THREAT);
        assert!(!flags("10.0.0.1").contains(PrefixFlags::THREAT));
        assert!(flags("10.0.0.1").contains(PrefixFlags::INTERNAL));
    }

    #[test]
    fn counts_for_the_first_covering_exemption() {
        let one = |source: Option<&str>, destination: Option<&str>| {
            let net = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            Exemption::between(net(source), net(destination), "test")
        };
        let exemptions = vec![
            one(Some("10.1.0.0/16"), Some("8.8.4.4/32")),
            one(Some("10.1.2.0/24"), None),
            one(Some("10.0.0.0/8"), None),
            one(None, Some("8.8.4.0/24")),
        ];
        let config = Config { exemptions, ..Config::default() };
        assert_eq!(counted(&config).count(), 3, "the agent counts for the pair");
        let set = prefixes(&config);
        let flags = |address: &str| set.lookup(address.parse().unwrap());
        assert_eq!(flags("10.1.2.3").source_counter(), 1);
        assert_eq!(flags("10.1.3.3").source_counter(), 2);
        assert_eq!(flags("8.8.4.4").destination_counter(), 3);
    }

    #[test]
    fn own_network_inside_reserved_addresses_is_internal() {
        let config = Config { internal: vec!["100.64.0.0/10".parse().unwrap()], ..Config::default() };
        assert!(prefixes(&config).lookup("100.64.1.1".parse().unwrap()).contains(PrefixFlags::INTERNAL));
    }
}
