//! SMB on another port: file sharing where nobody looks for it.

use super::{Rule, Severity, Sight};
use crate::attack::NON_STANDARD_PORT;

pub(crate) static RULE: Rule = Rule {
    id: "smb-on-another-port",
    name: "SMB on another port across the border",
    description: "Two machines, one of them on the Internet, spoke SMB on a TCP port that is not one of its own. Filters and rules by \
                  port do not see it, and a Windows client has to be told to do so.",
    false_positives: &[
        "a provider that offers file shares on a port of its own because networks on the way block TCP 445: add the port to \
         services.smb_tcp, or exempt the server with a reason",
        "a tunnel or a port forwarding of your own administrators",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&NON_STANDARD_PORT],
    check: "Find the program that opened the connection and who told it the port: a script, a mapped drive, a tool that nobody \
            installed. Look for other connections to the same server.",
    contain: "Block the server at the border on every port, and look at the internal machine before it is used again.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    !sight.usual_port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        config::ServicePorts,
        detect::{
            Sight,
            fixtures::{assert_known_false_positive, exempt, inbound, outbound, rules, techniques},
        },
        flow::{Evidence, Flow},
    };
    use sensor_common::slot::{TCP, mark};

    /// SMB that was recognised on a server's port 4445.
    fn elsewhere() -> Flow {
        let mut flow = outbound(4445, Evidence::Data);
        flow.marks |= mark::SERVER_IS_REMOTE;
        flow
    }

    #[test]
    fn it_fires_both_ways_on_smb_that_is_recognised_on_a_port_that_nobody_named() {
        assert_eq!(rules(&elsewhere(), true), ["smb-to-internet", "rare-smb-destination", RULE.id]);
        assert_eq!(techniques(&elsewhere()), ["T1048", "T1571"]);
        let mut inbound = inbound(TCP, 4445, Evidence::Smb);
        inbound.marks |= mark::SERVER_IS_LOCAL;
        assert_eq!(rules(&inbound, true), ["external-access-windows-networking", RULE.id]);
    }

    #[test]
    fn it_is_silent_on_the_usual_ports_and_where_no_smb_was_recognised() {
        for port in [139, 445] {
            assert!(!rules(&outbound(port, Evidence::Data), true).contains(&RULE.id), "{port}");
        }
        let other = outbound(4445, Evidence::Data);
        assert!(Sight::of(&other, &ServicePorts::default()).is_none(), "not recognised, not ours");
    }

    #[test]
    fn a_provider_with_a_port_of_its_own_is_a_false_positive_until_that_is_configured() {
        let mut configured = Config::default();
        configured.services.smb_tcp.push(4445);
        for remedied in [configured, exempt(None, Some("8.8.4.4/32"))] {
            let configs = [&Config::default(), &remedied];
            assert_known_false_positive(&RULE, "a port of its own", &[elsewhere()], configs);
        }
    }

    #[test]
    fn a_tunnel_of_ones_own_is_a_false_positive_until_its_ends_are_exempt() {
        let configs = [&Config::default(), &exempt(Some("10.0.0.2/32"), Some("8.8.4.4/32"))];
        assert_known_false_positive(&RULE, "tunnel", &[elsewhere()], configs);
    }
}
