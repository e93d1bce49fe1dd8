//! Exemptions: traffic that somebody declared safe, with a reason.

use std::net::IpAddr;

use ipnet::IpNet;
use sensor_common::prefix::PrefixFlags;

/// Known safe traffic. With both ends given it exempts that pair alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// Clients.
    pub source: Option<IpNet>,
    /// Servers.
    pub destination: Option<IpNet>,
    /// Why.
    pub reason: String,
}

impl Exemption {
    /// Whether a conversation from `client` to `server` is exempt by this entry.
    #[must_use]
    pub fn covers(&self, client: IpAddr, server: IpAddr) -> bool {
        let within = |net: Option<IpNet>, address: IpAddr| net.is_none_or(|net| net.contains(&address));
        (self.source.is_some() || self.destination.is_some())
            && within(self.source, client)
            && within(self.destination, server)
    }

    /// Whether it exempts a pair.
    #[must_use]
    pub const fn is_pair(&self) -> bool {
        self.source.is_some() && self.destination.is_some()
    }

    /// What the kernel's tries are told of it; `pair` is its number among the pairs. A pair's packets are kept all the same,
    /// and judged by the agent; the kernel has to know it so as not to drop them.
    pub fn prefixes(&self, pair: u32) -> impl Iterator<Item = (IpNet, PrefixFlags)> + use<> {
        let (source, destination) = match (self.source, self.destination) {
            (Some(source), Some(destination)) => (
                Some((source, PrefixFlags::pair_client(pair))),
                Some((destination, PrefixFlags::pair_server(pair))),
            ),
            (source, destination) => (
                source.map(|net| (net, PrefixFlags::EXEMPT_SOURCE)),
                destination.map(|net| (net, PrefixFlags::EXEMPT_DESTINATION)),
            ),
        };
        source.into_iter().chain(destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemption(source: Option<&str>, destination: Option<&str>) -> Exemption {
        let net = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Exemption { source: net(source), destination: net(destination), reason: "test".into() }
    }

    fn covers(exemption: &Exemption, client: &str, server: &str) -> bool {
        exemption.covers(client.parse().unwrap(), server.parse().unwrap())
    }

    #[test]
    fn one_end_exempts_whatever_the_other_is() {
        let by_source = exemption(Some("10.1.0.0/16"), None);
        assert!(covers(&by_source, "10.1.2.3", "8.8.8.8"));
        assert!(!covers(&by_source, "10.2.2.3", "8.8.8.8"));
        assert!(!covers(&by_source, "8.8.8.8", "10.1.2.3"), "the other way round it is the server");
    }

    #[test]
    fn a_pair_exempts_only_both_together() {
        let pair = exemption(Some("10.1.0.0/16"), Some("8.8.4.4/32"));
        assert!(covers(&pair, "10.1.2.3", "8.8.4.4"));
        assert!(!covers(&pair, "10.1.2.3", "8.8.8.8"));
        let flags: Vec<_> = pair.prefixes(4).map(|(_, flags)| flags).collect();
        assert_eq!(flags, [PrefixFlags::pair_client(4), PrefixFlags::pair_server(4)]);
    }

    #[test]
    fn an_entry_without_ends_exempts_nothing() {
        assert!(!covers(&exemption(None, None), "10.0.0.1", "8.8.8.8"));
    }
}
