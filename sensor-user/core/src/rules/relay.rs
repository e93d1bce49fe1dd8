//! NTLM relay: a response that was made for one server is used on another.

use std::net::IpAddr;

use sensor_dissect::facts::Credential;

use super::{
    credential::given_away,
    meta::{EVERY_SERVICE, Finding, History, Relayed, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{address::Direction, attack::SMB_RELAY, level::Severity, networks::inner, view::FlowView};

/// What the rule says of itself.
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

/// Fires where the same response crossed the border both ways, or its target is certainly another host than the server.
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
    // Whose the outcome is, is certain only of a single response.
    let mut sent = given_away(view);
    let outcome = match (sent.next(), sent.next()) {
        (Some(only), None) => sentence::outcome(only.outcome).replacen(", which", "; the server", 1),
        _ => String::new(),
    };
    let ago = sentence::duration(history.now.since(relayed.at));
    let (from, to) = match view.direction {
        Direction::Inbound => (relayed.internal, relayed.external),
        Direction::Outbound => (relayed.external, relayed.internal),
    };
    format!("{client} sent to {server} the NTLM response that {from} had sent to {to} {ago} before{outcome}")
}

/// The fact that a response was made for another host than this server, where that is certain.
///
/// The client puts the service principal name that it meant into the response (MsvAvTargetName, MS-NLMP 2.2.2.1). Names are
/// not compared: a server has many (NetBIOS, DNS, aliases, clusters), and none of those on the wire is proven. An address is
/// certain but for address translation: clients outside name the public address of an internal server. So an inbound
/// response is another's only if it names the very client that sends it, as a relay does whose victim called it by its
/// address.
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

/// Whether two addresses are the same, or one holds the other (mapped, NAT64, 6to4).
fn same(one: IpAddr, other: IpAddr) -> bool {
    let plain = |address| inner(address).unwrap_or(address);
    plain(one) == plain(other)
}
