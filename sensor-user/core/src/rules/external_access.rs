//! External access of Windows networking: a stranger reaches an internal machine's SMB, NetBIOS or DCE-RPC.

use super::{Direction, Rule, Severity, Sight};
use crate::attack::{
    EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXTERNAL_REMOTE_SERVICES, NETWORK_SERVICE_DISCOVERY,
    NETWORK_SHARE_DISCOVERY,
};

pub(crate) static RULE: Rule = Rule {
    id: "external-access-windows-networking",
    name: "External access of Windows networking",
    description: "An address on the Internet reached SMB, NetBIOS or the DCE-RPC endpoint mapper of an internal machine. \
                  These services are meant for the local network; open to the Internet they are scanned, guessed at and \
                  exploited within minutes.",
    false_positives: &[
        "public addresses of your own organisation that are not listed as internal networks",
        "a remote site or partner that reaches you without a tunnel: exempt it with a reason",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[
        &NETWORK_SERVICE_DISCOVERY,
        &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
        &EXTERNAL_REMOTE_SERVICES,
        &NETWORK_SHARE_DISCOVERY,
    ],
    check: "Find the firewall rule or port forwarding that lets the packets in, and whether the server answered: from \
            `established` on it did.",
    contain: "Close the service at the border; if data was exchanged, look at the server's logons and shares for this \
              address before putting it back into use.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    // Every service of the set counts, so there is nothing else to ask.
    sight.direction == Direction::Inbound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        detect::fixtures::{assert_known_false_positive, exempt, flow, inbound, ours, outbound, rules},
        flow::Evidence,
    };
    use sensor_common::slot::{Side, TCP, UDP, mark};

    #[test]
    fn it_fires_on_the_whole_service_set() {
        for (transport, port) in [(TCP, 135), (TCP, 139), (TCP, 445), (UDP, 137), (UDP, 138)] {
            let flow = inbound(transport, port, Evidence::Established);
            assert_eq!(rules(&flow, true), [RULE.id], "{port}");
        }
        let mut elsewhere = inbound(TCP, 4445, Evidence::Smb);
        elsewhere.marks |= mark::SERVER_IS_LOCAL;
        assert!(rules(&elsewhere, true).contains(&RULE.id));
    }

    #[test]
    fn it_is_silent_on_other_ports_and_on_what_goes_out() {
        assert!(rules(&inbound(TCP, 443, Evidence::Data), true).is_empty());
        assert!(rules(&inbound(UDP, 445, Evidence::Established), true).is_empty());
        for port in [135, 139, 445] {
            assert!(!rules(&outbound(port, Evidence::Data), true).contains(&RULE.id), "{port}");
        }
    }

    #[test]
    fn a_conversation_that_only_comes_from_a_service_port_is_none_of_it() {
        let flow = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Remote, Evidence::Attempt);
        assert!(rules(&flow, true).is_empty());
    }

    #[test]
    fn a_site_of_ones_own_is_a_false_positive_until_its_addresses_are_listed() {
        let configs = [&Config::default(), &ours("8.8.4.0/24")];
        let flow = inbound(TCP, 445, Evidence::Data);
        assert_known_false_positive(&RULE, "public addresses of your own", &[flow], configs);
    }

    #[test]
    fn a_partner_without_a_tunnel_is_a_false_positive_until_it_is_exempt() {
        let configs = [&Config::default(), &exempt(Some("8.8.4.4/32"), None)];
        let flow = inbound(TCP, 445, Evidence::Data);
        assert_known_false_positive(&RULE, "partner", &[flow], configs);
    }
}
