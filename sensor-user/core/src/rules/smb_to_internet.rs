//! SMB to the Internet: an internal machine talks SMB to an external one.

use super::{Direction, Rule, Service, Severity, Sight};
use crate::attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXPLOIT_PUBLIC_FACING_APPLICATION};

pub(crate) static RULE: Rule = Rule {
    id: "smb-to-internet",
    name: "SMB to the Internet",
    description: "An internal machine opened an SMB connection, on whatever port, to an address on the Internet. File sharing is not meant to \
                  leave the organisation: such a connection can give away a user's NTLM response or carry files out.",
    false_positives: &[
        "public addresses of your own organisation that are not listed as internal networks",
        "file services that you rent at a provider: exempt the server with a reason",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    check: "Find the program or document on the client that names this server (a UNC path in a mail, shortcut, Office \
            file or script), and whether the server is one that your organisation uses.",
    contain: "Block outgoing TCP 139 and 445 at the border; if a session was set up, change the password of the user who \
              was logged on at the client.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    sight.direction == Direction::Outbound && sight.service == Service::Smb
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        detect::fixtures::{assert_known_false_positive, exempt, inbound, knowing, ours, outbound, rules},
        dissect::Facts,
        flow::Evidence,
    };
    use sensor_common::slot::{TCP, mark};

    #[test]
    fn it_fires_on_both_smb_ports_and_on_smb_that_is_recognised_elsewhere() {
        for port in [139, 445] {
            assert_eq!(rules(&outbound(port, Evidence::Established), false), [RULE.id], "{port}");
        }
        let mut elsewhere = outbound(4445, Evidence::Data);
        elsewhere.marks |= mark::SERVER_IS_REMOTE;
        assert!(rules(&elsewhere, false).contains(&RULE.id));
    }

    #[test]
    fn it_is_silent_on_other_services_and_on_strangers_that_come_in() {
        assert!(rules(&outbound(135, Evidence::Data), true).is_empty(), "an endpoint mapper is no SMB");
        assert!(rules(&outbound(443, Evidence::Data), true).is_empty());
        assert!(!rules(&inbound(TCP, 445, Evidence::Data), true).contains(&RULE.id));
    }

    #[test]
    fn an_anonymous_look_around_is_told_as_well() {
        let flow = knowing(outbound(445, Evidence::Smb), Evidence::Session, Facts::default());
        assert_eq!(rules(&flow, false), [RULE.id]);
    }

    #[test]
    fn public_addresses_of_ones_own_are_a_false_positive_until_they_are_listed() {
        let configs = [&Config::default(), &ours("8.8.4.0/24")];
        let flow = outbound(445, Evidence::Data);
        assert_known_false_positive(&RULE, "public addresses of your own", &[flow], configs);
    }

    #[test]
    fn a_file_service_that_is_rented_is_a_false_positive_until_it_is_exempt() {
        let configs = [&Config::default(), &exempt(None, Some("8.8.4.4/32"))];
        let flow = outbound(445, Evidence::Data);
        assert_known_false_positive(&RULE, "rent at a provider", &[flow], configs);
    }
}
