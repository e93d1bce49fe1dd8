//! SMB 1 across the border: the dialect that worms spread by, with a stranger at one end.

use super::{Rule, Severity, Sight};
use crate::{
    attack::{EXPLOIT_PUBLIC_FACING_APPLICATION, EXTERNAL_REMOTE_SERVICES},
    dissect::facts::{Dialect, Facts},
};

pub(crate) static RULE: Rule = Rule {
    id: "smb1-across-border",
    name: "SMB 1 spoken across the border",
    description: "Two machines, one of them on the Internet, agreed on SMB 1. It knows no encryption and hardly any protection \
                  of what it carries, its servers have been taken over from afar by the thousands, and Windows has not installed it \
                  for years.",
    false_positives: &[
        "old devices (copiers, storage, controllers) that your own sites reach over public addresses: list those as internal \
         networks",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXTERNAL_REMOTE_SERVICES],
    check: "Find out what the internal machine is and why it still speaks SMB 1, and whether it was patched against MS17-010.",
    contain: "Cut the connection at the border, and turn SMB 1 off at the internal end.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    // What a client merely offers is no dialect: the server has to have chosen it, or what only follows that has to be there.
    sight.flow.facts.as_deref().is_some_and(|facts| {
        let agreed = matches!(facts.dialect, Some(Dialect::Smb1(_)));
        agreed || facts.smb1 && !facts.smb2 && (was_answered(facts) || is_one_sided(sight) && went_on(facts))
    })
}

/// The server's packets would have come by now, if they came this way.
fn is_one_sided(sight: &Sight<'_>) -> bool {
    sight.flow.settled && sight.flow.one_sided()
}

/// The server answered what follows a negotiation.
fn was_answered(facts: &Facts) -> bool {
    let credential = facts.credentials.iter().any(|credential| credential.outcome.is_some());
    let share = facts.shares.iter().any(|share| share.outcome.is_some());
    credential || share || facts.trees > 0 || !facts.session_statuses.is_empty()
}

/// The client went on as if it had agreed. It can do so whatever the server says, so this speaks where the server cannot be seen.
const fn went_on(facts: &Facts) -> bool {
    !facts.credentials.is_empty() || !facts.shares.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        detect::fixtures::{
            assert_known_false_positive, inbound, inbound_of_one_side, knowing, ours, outbound, rules,
        },
        dissect::{
            facts::{Outcome, Share},
            status::Status,
        },
        flow::{Evidence, Flow},
    };
    use sensor_common::slot::TCP;

    fn agreed(flow: Flow) -> Flow {
        let dialect = Some(Dialect::Smb1("NT LM 0.12".into()));
        knowing(flow, Evidence::Smb, Facts { smb1: true, dialect, ..Facts::default() })
    }

    #[test]
    fn it_fires_once_the_server_chose_it_either_way_across_the_border() {
        for flow in [inbound(TCP, 445, Evidence::Smb), outbound(139, Evidence::Smb)] {
            assert!(rules(&agreed(flow), false).contains(&RULE.id));
        }
    }

    #[test]
    fn it_is_silent_while_it_is_merely_offered_and_on_later_dialects() {
        let offered = Facts { smb1: true, ..Facts::default() };
        let later = Facts { smb2: true, dialect: Some(Dialect::Smb2(0x0311)), ..offered.clone() };
        for facts in [offered, later] {
            let flow = knowing(inbound(TCP, 445, Evidence::Smb), Evidence::Smb, facts);
            assert_eq!(rules(&flow, false), ["external-access-windows-networking"]);
        }
    }

    #[test]
    fn it_fires_where_the_negotiation_was_missed_on_what_follows_it() {
        let share = |outcome| Share { path: r"\\h\s".to_owned(), kind: None, outcome };
        let fires = |facts: &Facts, (smb1, smb2), one_sided| {
            let facts = Facts { smb1, smb2, ..facts.clone() };
            let flow = if one_sided { inbound_of_one_side() } else { inbound(TCP, 445, Evidence::Smb) };
            rules(&knowing(flow, Evidence::Smb, facts), false).contains(&RULE.id)
        };
        let status = Status::Nt(0xC000_006D);
        let asked = Facts { shares: vec![share(None)], ..Facts::default() };
        for facts in [
            Facts { session_statuses: vec![status], ..Facts::default() },
            Facts { shares: vec![share(Some(Outcome::Refused(status)))], ..Facts::default() },
        ] {
            assert!(fires(&facts, (true, false), false));
            assert!(!fires(&facts, (false, true), false) && !fires(&facts, (true, true), false));
        }
        assert!(
            !fires(&asked, (true, false), false),
            "whoever asks without an answer has agreed with nobody"
        );
        assert!(fires(&asked, (true, false), true), "where no answer can be seen");
    }

    #[test]
    fn an_old_device_behind_a_public_address_is_a_false_positive_until_that_is_listed() {
        let flow = agreed(outbound(139, Evidence::Smb));
        let configs = [&Config::default(), &ours("8.8.4.0/24")];
        assert_known_false_positive(&RULE, "old devices", &[flow], configs);
    }
}
