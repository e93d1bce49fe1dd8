//! SMB over QUIC: a client offers SMB on a connection that looks like the web to a firewall.

use super::{
    data_leaving,
    meta::{Finding, History, Rule, RuleMeta, SMB_OVER_QUIC, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
    level::{EvidenceLevel, Severity},
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "smb-over-quic",
    name: "SMB over QUIC across the border",
    description: "A client offered SMB in the first packets of a QUIC connection with the Internet. Everything behind them is encrypted, and firewalls that block TCP 445 let UDP 443 pass. \
                  Windows uses SMB over QUIC for file servers that are reachable without a VPN; tools can use it to give away credentials and to carry files out.",
    false_positives: &[
        "a file server of your own organisation that is meant to be used over QUIC: list its address under networks.internal, or exempt it with a reason",
        "file storage that you rent at a provider: exempt the server with a reason",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    scope: Scope {
        direction: None,
        services: SMB_OVER_QUIC,
        new_term: None,
        evidence: Some("a ClientHello in QUIC offers the protocol `smb`"),
    },
};

/// Fires on every ClientHello that offers SMB. From outside anybody can send one: there the answer decides.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        let hello = view.quic?;
        let moved = view.bytes_left() + view.bytes_came() > sentence::QUIC_SET_UP;
        let (severity, risk_score) = match view.direction {
            Direction::Inbound if view.level < EvidenceLevel::Answered => (Severity::Low, 21),
            Direction::Inbound if !moved => (Severity::Medium, 47),
            _ => (META.severity, META.risk_score),
        };
        let left = data_leaving::is_too_much(view, history);
        let techniques = left.then_some(&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL);
        let (client, server, port) = (view.client.ip(), view.server.ip(), sentence::port(view));
        let name = sentence::server_name(hello);
        let version = hello.version.number();
        let outcome = sentence::quic_outcome(view);
        let fact =
            format!("{client} offered SMB over QUIC version {version} to {port} of {server}{name}{outcome}");
        Some(Finding { severity, risk_score, ..Finding::of(&META, techniques.into_iter().collect(), fact) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixtures::{
        FlowFixture, HistoryFixture, Remedy, assert_false_positive, fired, found, shown,
    };

    const MEBIBYTE: u64 = 1 << 20;

    fn finding(flow: &FlowFixture) -> Finding {
        found(&META, flow, &HistoryFixture::known()).unwrap()
    }

    #[test]
    fn offer_to_the_internet_is_high_even_if_nobody_answers() {
        let flow = FlowFixture::outbound().offering_smb_over_quic();
        let finding = finding(&flow);
        assert_eq!((finding.severity, finding.risk_score), (Severity::High, 73));
        assert_eq!(
            finding.fact,
            "10.0.0.2 offered SMB over QUIC version 1 to UDP 443 of 8.8.4.4 (files.example.com), and no answer was seen"
        );
        assert!(shown(&finding).is_empty());
        assert_eq!(fired(&flow, &HistoryFixture::new_destination()), [META.id], "no other rule is about it");
    }

    #[test]
    fn offer_from_the_internet_is_judged_by_the_answer() {
        let offer = || FlowFixture::inbound().offering_smb_over_quic();
        assert_eq!(finding(&offer()).severity, Severity::Low);
        let answered = offer().reached(EvidenceLevel::Answered).payload(3_000, 2_000);
        assert_eq!(finding(&answered).severity, Severity::Medium);
        assert!(finding(&answered).fact.ends_with(", which answered"), "{}", finding(&answered).fact);
        assert_eq!(fired(&answered, &HistoryFixture::known()), [META.id], "no other rule is about it");
        let moved = answered.payload(MEBIBYTE, 2_000);
        assert_eq!(finding(&moved).severity, Severity::High);
        assert!(finding(&moved).fact.ends_with("which answered; at least 1.0 MiB left and 2.0 KiB came in"));
    }

    #[test]
    fn exfiltration_takes_volume() {
        let flow = FlowFixture::outbound().offering_smb_over_quic().reached(EvidenceLevel::Answered);
        let limit = HistoryFixture::known().limits.volume.bytes;
        assert!(shown(&finding(&flow.clone().payload(limit - 1, 0))).is_empty());
        let much = flow.payload(limit, 0);
        assert_eq!(shown(&finding(&much)), ["T1048"]);
        assert_eq!(fired(&much, &HistoryFixture::known()), [data_leaving::META.id, META.id]);
    }

    #[test]
    fn other_connections_are_silent() {
        let flow = FlowFixture::outbound().reached(EvidenceLevel::Data);
        assert!(found(&META, &flow, &HistoryFixture::known()).is_none());
    }

    #[test]
    fn listed_address_or_exemption_avoids_own_server_false_positive() {
        let case = (&FlowFixture::outbound().offering_smb_over_quic(), &HistoryFixture::known());
        let exempt = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(
            &META,
            "your own organisation",
            case,
            &[Remedy::Internal("8.8.4.0/24"), exempt],
        );
    }

    #[test]
    fn exemption_avoids_rented_storage_false_positive() {
        let case = (&FlowFixture::outbound().offering_smb_over_quic(), &HistoryFixture::known());
        let exempt = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "rent at a provider", case, &[exempt]);
    }
}
