//! Download from outside: an internal client reads content from a disk share on the Internet.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{address::Direction, attack::INGRESS_TOOL_TRANSFER, level::Severity, view::FlowView};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "smb-download-from-internet",
    name: "File content fetched from an SMB server on the Internet",
    description: "An internal client read content from a disk share of a server on the Internet. Tools and malware are brought in this way: \
                  Windows runs a program from such a share without writing it to the disk.",
    false_positives: &[
        "a file service that you rent at a provider: exempt the server with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&INGRESS_TOOL_TRANSFER],
    scope: Scope {
        direction: Some(Direction::Outbound),
        services: SMB,
        new_term: None,
        evidence: Some("the client reads content from a disk share"),
    },
};

/// Fires once content arrived from a disk share.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        if view.direction != Direction::Outbound || !view.content.came {
            return None;
        }
        // Without a disk share it could come from a pipe.
        let share = sentence::disk_share(view)?;
        let (client, amount) = (view.client.ip(), sentence::bytes(view.bytes_came()));
        let fact = format!("{client} read content from {}; {amount} came in", share.path);
        Some(Finding::of(&META, vec![&INGRESS_TOOL_TRANSFER], fact))
    }
}

#[cfg(test)]
mod tests {
    use sensor_dissect::smb2::ShareKind;

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, shown},
    };

    fn fetched(flow: FlowFixture, kind: ShareKind) -> FlowFixture {
        flow.reached(EvidenceLevel::Data)
            .share(r"\\8.8.4.4\tools", kind)
            .content(false, true)
            .payload(3_000, 5 << 20)
    }

    #[test]
    fn content_from_an_external_disk_share_is_a_download() {
        let finding =
            found(&META, &fetched(FlowFixture::outbound(), ShareKind::Disk), &HistoryFixture::known())
                .unwrap();
        assert_eq!(shown(&finding), ["T1105"]);
        assert_eq!(finding.fact, r"10.0.0.2 read content from \\8.8.4.4\tools; 5.0 MiB came in");
    }

    #[test]
    fn pipes_uploads_volume_and_inbound_are_no_download() {
        let outbound = || fetched(FlowFixture::outbound(), ShareKind::Disk);
        let silent = [
            fetched(FlowFixture::outbound(), ShareKind::Pipe),
            outbound().content(true, false),
            outbound().content(false, false),
            fetched(FlowFixture::inbound(), ShareKind::Disk),
        ];
        for flow in silent {
            assert!(found(&META, &flow, &HistoryFixture::known()).is_none(), "{flow:?}");
        }
    }

    #[test]
    fn exemption_avoids_rented_file_service_false_positive() {
        let case = (&fetched(FlowFixture::outbound(), ShareKind::Disk), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "rent at a provider", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&fetched(FlowFixture::outbound(), ShareKind::Disk), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
