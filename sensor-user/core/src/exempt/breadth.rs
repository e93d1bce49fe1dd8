//! The breadth of an exemption: one that covers everything is refused, one that covers very much causes a warning.

use ipnet::IpNet;
use sensor_common::slot::{TCP, UDP};

use super::{End, Exemption, Spoken};
use crate::service::ServicePorts;

/// Prefixes shorter than these lengths are very broad.
const BROAD_V4: u8 = 8;
const BROAD_V6: u8 = 16;

impl End {
    /// Whether it contains all addresses of IPv4, or of IPv6.
    fn is_everywhere(&self) -> bool {
        self.networks().iter().any(|net| net.prefix_len() == 0)
    }

    /// Whether it contains a very broad network.
    fn is_very_broad(&self) -> bool {
        self.networks().iter().any(|net| match net {
            IpNet::V4(net) => net.prefix_len() < BROAD_V4,
            IpNet::V6(net) => net.prefix_len() < BROAD_V6,
        })
    }
}

impl Exemption {
    /// Whether nothing narrows it, so that no alert remains possible for at least one family of addresses.
    #[must_use]
    pub fn covers_everything(&self) -> bool {
        self.is_by_ends_alone() && self.every_end(End::is_everywhere)
    }

    /// Whether its ends have no address family in common.
    #[must_use]
    pub fn can_never_match(&self) -> bool {
        let (Some(source), Some(destination)) = (&self.source, &self.destination) else { return false };
        // An end without addresses is a name that is not resolved yet.
        let all = |end: &End, v4: bool| {
            !end.networks().is_empty() && end.networks().iter().all(|net| matches!(net, IpNet::V4(_)) == v4)
        };
        [true, false].into_iter().any(|v4| all(source, v4) && all(destination, !v4))
    }

    /// A description of what a very broad exemption hides: any process, any service, from or to a good part of all addresses.
    #[must_use]
    pub fn too_broad(&self, watched: &ServicePorts) -> Option<String> {
        let is_narrow = |spoken: &Spoken| match spoken {
            Spoken::Service(_) => false,
            Spoken::Port(port) => {
                [TCP, UDP].iter().all(|transport| watched.service(*transport, *port).is_none())
            }
        };
        let by_service = !self.services.is_empty() && self.services.iter().all(is_narrow);
        if by_service || self.process.is_some() || !self.every_end(End::is_very_broad) {
            return None;
        }
        Some(format!(
            "exemption {} ({self}) is very broad: its traffic is neither alerted on nor dropped. Name fewer addresses: networks \
             of /{BROAD_V4} or longer (IPv6: /{BROAD_V6})",
            self.id
        ))
    }

    fn every_end(&self, is: impl Fn(&End) -> bool) -> bool {
        [&self.source, &self.destination].into_iter().flatten().all(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn between(source: &str, destination: &str) -> Exemption {
        Exemption::between(source.parse().ok(), destination.parse().ok(), "test")
    }

    fn is_broad(one: &Exemption) -> bool {
        one.too_broad(&ServicePorts::default()).is_some()
    }

    #[test]
    fn ends_of_two_families_never_match() {
        assert!(between("10.0.0.0/8", "2001:db8::/32").can_never_match());
        assert!(between("fd00::/8", "8.8.4.4/32").can_never_match());
        assert!(!between("10.0.0.0/8", "8.8.4.4/32").can_never_match());
        assert!(!between("10.0.0.0/8", "").can_never_match());
    }

    #[test]
    fn unrestricted_exemption_covers_everything() {
        for everything in
            [between("0.0.0.0/0", ""), between("", "::/0"), between("0.0.0.0/0", "::/0"), between("", "")]
        {
            assert!(everything.covers_everything(), "{everything}");
        }
        let halves = ["0.0.0.0/1", "128.0.0.0/1"].map(|net| net.parse().unwrap()).to_vec();
        let halves =
            Exemption { source: Some(End::new(vec!["halves".into()], &halves)), ..Exemption::default() };
        assert!(halves.covers_everything());
        assert!(!between("0.0.0.0/0", "8.8.4.4/32").covers_everything());
        let smb = vec![Spoken::Service(Service::Smb)];
        assert!(!Exemption { services: smb, ..between("0.0.0.0/0", "") }.covers_everything());
        assert!(!Exemption { process: Some("x".into()), ..between("0.0.0.0/0", "") }.covers_everything());
    }

    #[test]
    fn large_share_of_all_addresses_is_broad_unless_narrowed() {
        assert!(is_broad(&between("10.0.0.0/7", "")) && is_broad(&between("", "2000::/3")));
        assert!(!is_broad(&between("10.0.0.0/8", "")) && !is_broad(&between("2001::/16", "")));
        assert!(!is_broad(&between("0.0.0.0/0", "8.8.4.4/32")));
        let only = |spoken| Exemption { services: vec![spoken], ..between("", "") };
        assert!(is_broad(&only(Spoken::Service(Service::Smb))) && is_broad(&only(Spoken::Port(445))));
        assert!(!is_broad(&only(Spoken::Port(4_445))));
        assert!(!is_broad(&Exemption { process: Some("x".into()), ..between("0.0.0.0/0", "") }));
    }
}
