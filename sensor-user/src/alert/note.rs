//! The triage note: what was seen, what to check, how to contain.

use serde_json::{Value, json};

use crate::{
    config::Service,
    detect::{Direction, Rule, Sight},
    flow::Evidence,
};
use sensor_common::slot::{Side, UDP};

/// One sentence on what happened.
pub(super) fn seen(sight: &Sight<'_>) -> String {
    let (who, whom) = match sight.direction {
        Direction::Outbound => ("Internal", "external"),
        Direction::Inbound => ("External", "internal"),
    };
    let service = match sight.service {
        Service::Smb => "SMB",
        Service::Rpc => "the DCE-RPC endpoint mapper",
        Service::Netbios => "NetBIOS",
    };
    let transport = if sight.flow.ends.transport == UDP { "UDP" } else { "TCP" };
    let counts = sight.flow.counts();
    let (up, down) =
        (counts.payload[sight.flow.client as usize], counts.payload[sight.flow.server() as usize]);
    let got = match sight.flow.evidence {
        Evidence::Attempt => "; nothing shows that a connection came about".to_owned(),
        Evidence::Refused => "; the server refused".to_owned(),
        Evidence::Established if transport == "UDP" => "; the server answered".to_owned(),
        Evidence::Established => "; the connection was established".to_owned(),
        Evidence::Data => format!(" and exchanged data: {up} bytes sent, {down} bytes received"),
    };
    format!(
        "{who} {} contacted {service} of {whom} {} on {transport}/{}{got}.",
        sight.client.ip(),
        sight.server.ip(),
        sight.server.port(),
    )
}

/// The note as it stands in the document. `networks_defined` tells whether the operator named networks of their own.
pub(super) fn note(rule: &Rule, sight: &Sight<'_>, networks_defined: bool) -> Value {
    let mut check = rule.check.to_owned();
    if !networks_defined {
        check.push_str(
            " No internal networks are configured beyond the private ranges: if the external address is your own, list \
             it under networks.internal.",
        );
    }
    json!({ "seen": seen(sight), "check": check, "contain": rule.contain })
}

/// Bytes of payload that left the internal networks.
pub(super) fn bytes_left(sight: &Sight<'_>) -> u64 {
    sight.flow.counts().payload[Side::Local as usize]
}
