//! NTLM relay: a response that was made for one server is used on another.

use std::net::IpAddr;

use sensor_dissect::facts::{Credential, Outcome};

use super::{
    credential::given_away,
    meta::{EVERY_SERVICE, Finding, History, Relayed, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{address::Direction, attack::SMB_RELAY, level::Severity, networks::inner, view::FlowView};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "ntlm-relay",
    name: "NTLM relay across the border",
    description: "An NTLM response was used on another server than the one that it was made for. The same response crossed the border both ways, \
                  or the server that it names by address is not the one that got it. A relay logs on as the user without the password.",
    false_positives: &[
        "a file service that one of your hosts reaches through a port forwarding of its own: exempt that host and the server with a reason",
    ],
    severity: Severity::Critical,
    risk_score: 99,
    techniques: &[&SMB_RELAY],
    scope: Scope {
        direction: None,
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the same NTLM response is seen both ways, or it names another host by address"),
    },
};

/// Fires if the same response crossed the border both ways, or its target is certainly another host than the server.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        let fact = match history.relayed {
            Some(relayed) => seen_both_ways(view, history, &relayed),
            None => given_away(view).find_map(|credential| made_for_another(view, credential))?,
        };
        Some(Finding::of(&META, vec![&SMB_RELAY], fact))
    }
}

/// The response of this connection was seen in the other direction before.
fn seen_both_ways(view: &FlowView<'_>, history: &History<'_>, relayed: &Relayed) -> String {
    let (client, server) = (view.client.ip(), view.server.ip());
    // The outcome can be attributed only to a single response.
    let mut sent = given_away(view);
    let outcome = match (sent.next(), sent.next()) {
        (Some(only), None) => only.outcome,
        _ => None,
    };
    let ago = sentence::duration(history.now.since(relayed.at));
    let (from, to) = match view.direction {
        Direction::Inbound => (relayed.internal, relayed.external),
        Direction::Outbound => (relayed.external, relayed.internal),
    };
    if outcome == Some(Outcome::Accepted) {
        let to = if to == client { "it".to_owned() } else { to.to_string() };
        return format!(
            "{client} logged on to {server} with the response that {from} had given {to} {ago} before"
        );
    }
    let outcome = sentence::outcome(outcome).replacen(", which", "; the server", 1);
    format!("{client} sent to {server} the NTLM response that {from} had sent to {to} {ago} before{outcome}")
}

/// The fact that a response was made for another host than this server, if that is certain.
///
/// The client puts the intended service principal name into the response (MsvAvTargetName, MS-NLMP 2.2.2.1). Names are
/// not compared: a server has many (NetBIOS, DNS, aliases, clusters), and none of those on the wire is proven. An address is
/// certain except for address translation: external clients name the public address of an internal server. So an inbound
/// response belongs to another host only if it names the very client that sends it, as in a relay whose victim used the
/// client's address.
fn made_for_another(view: &FlowView<'_>, credential: &Credential) -> Option<String> {
    let named = sentence::address_of_principal(credential.target.as_deref()?)?;
    let (client, server) = (view.client.ip(), view.server.ip());
    let is = |address: IpAddr| same(named, address);
    let another = match view.direction {
        Direction::Inbound => is(client),
        Direction::Outbound => !is(server) && !named.is_loopback() && !named.is_unspecified(),
    };
    another.then(|| {
        let whose = sentence::account(credential).map_or_else(String::new, |who| format!(" of {who}"));
        let outcome = sentence::outcome(credential.outcome);
        format!("{client} sent an NTLM response{whose} that was made for {named} to {server}{outcome}")
    })
}

/// Whether two addresses are the same, or one contains the other (mapped, NAT64, 6to4).
fn same(one: IpAddr, other: IpAddr) -> bool {
    let plain = |address| inner(address).unwrap_or(address);
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            Answered, FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, ntlm_v2, shown,
        },
    };

    fn sent(flow: FlowFixture, target: &str) -> FlowFixture {
        flow.reached(EvidenceLevel::Credential).credential(ntlm_v2(r"CORP\ann").for_target(target).accepted())
    }

    fn fact(flow: &FlowFixture, past: &HistoryFixture) -> Option<String> {
        found(&META, flow, past).map(|finding| finding.fact)
    }

    #[test]
    fn response_seen_both_ways_is_relayed() {
        let past = HistoryFixture::known().relayed("10.0.0.2", "8.8.4.4", Duration::from_secs(2));
        let flow = sent(FlowFixture::inbound(), "cifs/fs01");
        let finding = found(&META, &flow, &past).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::Critical, 99));
        assert_eq!(shown(&finding), ["T1557.001"]);
        let given = "8.8.4.4 logged on to 10.0.1.2 with the response that 10.0.0.2 had given";
        assert_eq!(finding.fact, format!("{given} it 2 s before"));
        let of_another = HistoryFixture::known().relayed("10.0.0.2", "9.9.9.9", Duration::from_secs(2));
        assert_eq!(fact(&flow, &of_another).unwrap(), format!("{given} 9.9.9.9 2 s before"));
    }

    #[test]
    fn log_on_is_claimed_only_of_the_one_response_that_was_accepted() {
        let past = HistoryFixture::known().relayed("10.0.0.2", "8.8.4.4", Duration::from_secs(2));
        let sent = || FlowFixture::inbound().reached(EvidenceLevel::Credential);
        let response = || ntlm_v2(r"CORP\ann");
        let unknown =
            "8.8.4.4 sent to 10.0.1.2 the NTLM response that 10.0.0.2 had sent to 8.8.4.4 2 s before";
        assert_eq!(fact(&sent().credential(response()), &past).unwrap(), unknown);
        let two = sent().credential(response()).credential(response().accepted());
        assert_eq!(fact(&two, &past).unwrap(), unknown, "it may have been the other one");
        let refused = fact(&sent().credential(response().refused()), &past).unwrap();
        assert!(refused.starts_with(&format!("{unknown}; the server refused it")), "{refused}");
    }

    #[test]
    fn reversed_order_shows_the_external_host_sent_first() {
        let past = HistoryFixture::known().relayed("10.0.1.2", "9.9.9.9", Duration::from_secs(150));
        let flow = FlowFixture::outbound().reached(EvidenceLevel::Credential);
        let expected =
            "10.0.0.2 sent to 8.8.4.4 the NTLM response that 9.9.9.9 had sent to 10.0.1.2 2 min before";
        assert_eq!(fact(&flow, &past).unwrap(), expected);
    }

    #[test]
    fn outbound_response_for_another_address_was_made_for_another_host() {
        let fires = |target| fact(&sent(FlowFixture::outbound(), target), &HistoryFixture::known()).is_some();
        for another in ["cifs/9.9.9.9", "cifs/9.9.9.9:445", "cifs/[2001:4860::1]:445", "cifs/10.0.0.9"] {
            assert!(fires(another), "{another}");
        }
        for server in ["cifs/8.8.4.4", "cifs/8.8.4.4:445", "cifs/::ffff:8.8.4.4", "cifs/127.0.0.1"] {
            assert!(!fires(server), "{server}");
        }
    }

    #[test]
    fn inbound_response_for_its_sender_shows_a_relay_but_nat_shows_nothing() {
        let fact = |target| fact(&sent(FlowFixture::inbound(), target), &HistoryFixture::known());
        let expected = r"8.8.4.4 sent an NTLM response of CORP\ann that was made for 8.8.4.4 to 10.0.1.2, which accepted it";
        assert_eq!(fact("cifs/8.8.4.4").unwrap(), expected);
        for target in ["cifs/203.0.112.9", "cifs/10.0.1.2"] {
            assert_eq!(fact(target), None, "{target}: clients outside name the address that they dial");
        }
    }

    #[test]
    fn does_not_compare_names() {
        for target in ["cifs/fs01", "cifs/fs01.corp.example", "cifs/", "8.8.8.8", ""] {
            for flow in [FlowFixture::outbound(), FlowFixture::inbound()] {
                assert_eq!(fact(&sent(flow, target), &HistoryFixture::known()), None, "{target}");
            }
        }
    }

    #[test]
    fn exempt_pair_avoids_port_forwarding_false_positive() {
        let case = (&sent(FlowFixture::outbound(), "cifs/10.0.0.2"), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("10.0.0.2/32"), server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "port forwarding", case, &[remedy]);
    }
}
