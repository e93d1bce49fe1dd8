//! Data leaving over SMB: an internal machine sends a lot to a server on the Internet, or serves it to a stranger.

use super::{Limits, Rule, Service, Severity, Sight};
use crate::{attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, flow::Evidence};

pub(crate) static RULE: Rule = Rule {
    id: "data-leaving-over-smb",
    name: "Data leaving over SMB",
    description: "More bytes left the internal networks over SMB, or left faster, than a session set-up and a look around take: \
                  over one conversation with the Internet, or over many between the same two addresses. That is what carrying \
                  files out looks like.",
    false_positives: &[
        "a backup or copy to file storage that you rent at a provider: exempt the pair with a reason",
        "public addresses of your own organisation that are not listed as internal networks",
    ],
    severity: Severity::High,
    risk_score: 82,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    check: "Which share and user are named here, what the internal machine holds, and whether the amount goes on growing.",
    contain: "Block the external address, isolate the internal machine, and keep its disk: what left can be told from it.",
};

pub(super) fn fires(sight: &Sight<'_>, limits: &Limits) -> bool {
    sight.service == Service::Smb && (sight.flow.departure.is_some() || by_itself(sight, limits))
}

/// Whether this conversation alone carried enough.
fn by_itself(sight: &Sight<'_>, limits: &Limits) -> bool {
    sight.flow.evidence >= Evidence::Data && sight.flow.payload_from_inside() >= limits.departures.bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        detect::fixtures::{assert_known_false_positive, exempt, inbound, ours, outbound, sight},
        flow::{Cause, Departure, DepartureLimits, Flow},
    };
    use sensor_common::slot::TCP;

    fn fires_from(bytes: u64, flow: &Flow) -> bool {
        let departures = DepartureLimits { bytes, ..DepartureLimits::default() };
        fires(&sight(flow), &Limits { departures, ..Limits::default() })
    }

    #[test]
    fn it_fires_when_the_limit_went_from_the_inside_whoever_opened_the_conversation() {
        assert!(fires_from(700, &outbound(445, Evidence::Data)));
        assert!(
            fires_from(300, &inbound(TCP, 445, Evidence::Data)),
            "what a stranger fetches leaves as well"
        );
    }

    #[test]
    fn it_fires_on_the_sum_or_the_rate_of_many_conversations() {
        for cause in [Cause::Bytes, Cause::Rate] {
            let mut flow = outbound(445, Evidence::Data);
            flow.departure = Some(Departure { cause, bytes: 1, rate: 1 });
            assert!(fires_from(u64::MAX, &flow), "{cause:?}");
        }
    }

    #[test]
    fn it_is_silent_below_the_limit_and_on_other_services() {
        assert!(!fires_from(701, &outbound(445, Evidence::Data)));
        assert!(!fires_from(301, &inbound(TCP, 445, Evidence::Data)));
        assert!(!fires_from(1, &inbound(TCP, 135, Evidence::Data)));
        assert!(!fires_from(1, &outbound(445, Evidence::Established)), "nothing was carried");
    }

    /// A configuration by which little is a lot.
    fn strict(mut config: Config) -> Config {
        config.detection.limits.departures.bytes = 64;
        config
    }

    #[test]
    fn a_backup_to_a_provider_is_a_false_positive_until_the_pair_is_exempt() {
        let flow = outbound(445, Evidence::Data);
        let pair = strict(exempt(Some("10.0.0.2/32"), Some("8.8.4.4/32")));
        let configs = [&strict(Config::default()), &pair];
        assert_known_false_positive(&RULE, "backup or copy", &[flow], configs);
    }

    #[test]
    fn a_site_of_ones_own_is_a_false_positive_until_its_addresses_are_listed() {
        let flow = outbound(445, Evidence::Data);
        let configs = [&strict(Config::default()), &strict(ours("8.8.4.0/24"))];
        assert_known_false_positive(&RULE, "public addresses of your own", &[flow], configs);
    }
}
