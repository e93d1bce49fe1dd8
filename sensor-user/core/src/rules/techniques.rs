//! The techniques that the evidence shows, each with the fact that shows it.
//!
//! A rule is about techniques; an incident names the observed ones. An attempt shows none.

use super::{
    evaluate,
    meta::{Finding, History},
    sentence,
};
use crate::{
    address::Direction,
    attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, Technique},
    level::EvidenceLevel,
    service::Service,
    view::FlowView,
};

/// Payload beyond which encrypted messages contain content: more than set-up, requests and answers take.
const ENCRYPTED_CONTENT: u64 = 64 << 10;

/// A read request and its acknowledgments are less than an eighth of the answer.
const REQUESTS: u64 = 8;

/// Techniques that a connection shows, each once, with the fact that shows it.
#[must_use]
pub fn techniques(view: &FlowView<'_>, history: &History<'_>) -> Vec<(&'static Technique, String)> {
    techniques_shown(view, &evaluate(view, history))
}

/// The same, from existing findings on the connection.
#[must_use]
pub fn techniques_shown(view: &FlowView<'_>, findings: &[Finding]) -> Vec<(&'static Technique, String)> {
    let mut shown: Vec<(&'static Technique, String)> = Vec::new();
    let mut add = |technique: &'static Technique, fact: String| {
        if shown.iter().all(|(known, _)| *known != technique) {
            shown.push((technique, fact));
        }
    };
    for finding in findings {
        for technique in &finding.techniques {
            add(technique, finding.fact.clone());
        }
    }
    if let Some(fact) = content_left(view) {
        add(&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, fact);
    }
    shown
}

/// The fact that content left the internal networks: over a disk share, by command; or encrypted, by volume.
pub(super) fn content_left(view: &FlowView<'_>) -> Option<String> {
    if view.service != Service::Smb {
        return None;
    }
    let (client, server) = (view.client.ip(), view.server.ip());
    let amount = sentence::bytes(view.bytes_left());
    if let Some(share) = sentence::disk_share(view).filter(|_| view.content.left) {
        let did = match view.direction {
            Direction::Outbound => "wrote content to",
            Direction::Inbound => "read content from",
        };
        return Some(format!("{client} {did} {}; {amount} left", share.path));
    }
    // An encrypted session that reads also sends requests, and many of them are no content either.
    let enough = view.bytes_left() > ENCRYPTED_CONTENT && view.bytes_left() > view.bytes_came() / REQUESTS;
    let encrypted = view.direction == Direction::Outbound
        && view.encrypted
        && view.level == EvidenceLevel::Data
        && enough;
    encrypted.then(|| format!("{client} sent {amount} to {server} in encrypted SMB messages"))
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::TCP;
    use sensor_dissect::{facts::ExploitLike, smb2::ShareKind};

    use super::*;
    use crate::rules::fixtures::{
        Answered, FlowFixture, HistoryFixture, interface, ntlm_v2, shown_techniques,
    };

    const KIBIBYTE: u64 = 1 << 10;

    fn shown(flow: FlowFixture) -> Vec<&'static str> {
        shown_techniques(&flow, &HistoryFixture::new_destination())
    }

    fn disk(flow: FlowFixture) -> FlowFixture {
        flow.reached(EvidenceLevel::Data).share(r"\\h\files", ShareKind::Disk)
    }

    #[test]
    fn attempt_answer_and_plain_smb_show_no_technique() {
        for level in
            [EvidenceLevel::Attempt, EvidenceLevel::Refused, EvidenceLevel::Connected, EvidenceLevel::Smb]
        {
            assert!(shown(FlowFixture::outbound().reached(level)).is_empty(), "{level}");
            assert!(shown(FlowFixture::inbound().reached(level)).is_empty(), "{level}");
        }
    }

    #[test]
    fn each_row_of_the_table_shows_its_technique() {
        let session = |flow: FlowFixture| flow.reached(EvidenceLevel::Session);
        let rows = [
            (session(FlowFixture::inbound()).credential(ntlm_v2("bob").accepted()), vec!["T1133", "T1078"]),
            (session(FlowFixture::inbound()).credential(ntlm_v2("bob").let_in_as_guest()), vec![]),
            (session(FlowFixture::inbound()).called(interface::SRVSVC, &[15]), vec!["T1135"]),
            (session(FlowFixture::inbound()).called(interface::SAMR, &[13]), vec!["T1087"]),
            (session(FlowFixture::outbound()).credential(ntlm_v2("ann").refused()), vec!["T1187"]),
            (FlowFixture::outbound().on(TCP, 4_445).reached(EvidenceLevel::Smb), vec!["T1571"]),
            (disk(FlowFixture::outbound()).content(false, true), vec!["T1105"]),
            (disk(FlowFixture::outbound()).content(true, false), vec!["T1048"]),
            (
                session(FlowFixture::inbound())
                    .knowing(|facts| facts.exploit_like = vec![ExploitLike::CompressionOverflow]),
                vec!["T1190"],
            ),
        ];
        for (flow, expected) in rows {
            assert_eq!(shown(flow.clone()), expected, "{flow:?}");
        }
    }

    #[test]
    fn exfiltration_needs_content_written_to_a_disk_share() {
        let fact = |flow: FlowFixture| content_left(&flow.view());
        let written = disk(FlowFixture::outbound()).payload(2_000, 900).content(true, false);
        assert_eq!(fact(written.clone()).unwrap(), r"10.0.0.2 wrote content to \\h\files; 2.0 KiB left");
        let read = disk(FlowFixture::inbound()).payload(62_464, 900).content(true, false);
        assert_eq!(fact(read).unwrap(), r"8.8.4.4 read content from \\h\files; 61 KiB left");
        assert_eq!(fact(written.content(false, false).payload(1 << 30, 0)), None, "volume alone");
        let pipe = FlowFixture::outbound().reached(EvidenceLevel::Data).share(r"\\h\IPC$", ShareKind::Pipe);
        assert_eq!(fact(pipe.content(true, false)), None);
    }

    #[test]
    fn encrypted_outbound_volume_beyond_requests_is_exfiltration() {
        let encrypted = |flow: FlowFixture, left, came| {
            let flow =
                flow.reached(EvidenceLevel::Data).payload(left, came).seen(|view| view.encrypted = true);
            content_left(&flow.view()).is_some()
        };
        assert!(encrypted(FlowFixture::outbound(), 65 * KIBIBYTE, 9_000));
        assert!(!encrypted(FlowFixture::outbound(), 64 * KIBIBYTE, 0));
        assert!(
            !encrypted(FlowFixture::outbound(), 100 * KIBIBYTE, 800 * KIBIBYTE),
            "requests of a download"
        );
        assert!(!encrypted(FlowFixture::inbound(), 65 * KIBIBYTE, 9_000));
    }

    #[test]
    fn lists_a_technique_once_with_its_first_fact() {
        let flow = disk(FlowFixture::outbound()).payload(11 << 20, 0).content(true, false);
        let (view, past) = (flow.view(), HistoryFixture::known());
        let shown = techniques(&view, &past.history());
        assert_eq!(shown.len(), 1);
        assert!(shown[0].1.starts_with("11.0 MiB left 10.0.0.2"), "{shown:?}");
    }
}
