//! Data leaving over SMB: an internal host sends a lot to an external server, or serves it to an external client.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB_ON_TCP_AND_QUIC, Scope},
    outbound_volume::{Cause, RATE_WINDOW},
    sentence, techniques,
};
use crate::{
    attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
    level::{EvidenceLevel, Severity},
    service::Service,
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "data-leaving-over-smb",
    name: "Data leaving over SMB",
    description: "More bytes left the internal networks over SMB, or left faster, than a session set-up and a look around take. \
                  They left over one connection with the Internet, or over many between the same two hosts.",
    false_positives: &[
        "a backup or copy to file storage that you rent at a provider: exempt the pair with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::Critical,
    risk_score: 99,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    scope: Scope {
        direction: None,
        services: SMB_ON_TCP_AND_QUIC,
        new_term: None,
        evidence: Some(
            "more payload leaves than detection.data_leaving_bytes, or faster than detection.data_leaving_rate, between the two hosts",
        ),
    },
};

/// Fires if too much left between the two hosts, or too fast.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        let (amount, when) = amount_left(view, history)?;
        let (internal, external) = (view.internal(), view.external());
        let over_quic = view.service == Service::SmbOverQuic;
        let is_shown = over_quic || techniques::content_left(view).is_some();
        let shown = is_shown.then_some(&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL);
        // What is behind the offer is encrypted, and the first packets are not counted.
        let (at_least, over) = if over_quic { ("at least ", "QUIC, with SMB offered,") } else { ("", "SMB") };
        let fact = format!("{at_least}{amount} left {internal} for {external} over {over} {when}");
        Some(Finding::of(&META, shown.into_iter().collect(), fact))
    }
}

/// Whether too much left, as the rule counts.
pub(super) fn is_too_much(view: &FlowView<'_>, history: &History<'_>) -> bool {
    amount_left(view, history).is_some()
}

/// Volume on a connection with another protocol is no file sharing, and an attempt carries nothing.
fn may_carry_files(view: &FlowView<'_>) -> bool {
    match view.service {
        Service::Smb => view.level >= EvidenceLevel::Smb,
        Service::SmbOverQuic => view.level >= EvidenceLevel::Answered,
        Service::WebDav => view.level >= EvidenceLevel::Connected,
        Service::Rpc | Service::Netbios => false,
    }
}

/// How much left, and when, if it is too much: between the two hosts recently, or over this connection alone, at any
/// speed.
fn amount_left(view: &FlowView<'_>, history: &History<'_>) -> Option<(String, String)> {
    if !may_carry_files(view) {
        return None;
    }
    let limits = &history.limits.volume;
    if let Some(excess_volume) = history.excess_volume {
        return Some(match excess_volume.cause {
            Cause::Bytes => (
                sentence::bytes(excess_volume.bytes),
                format!("within {}", sentence::duration(limits.window)),
            ),
            Cause::Rate => {
                let rate = format!("{} a second", sentence::bytes(excess_volume.rate));
                (rate, format!("over {}", sentence::duration(RATE_WINDOW)))
            }
        });
    }
    let carries = view.level >= EvidenceLevel::Data || view.service == Service::SmbOverQuic;
    let alone = carries && view.bytes_left() >= limits.bytes;
    alone.then(|| {
        let taken = sentence::duration(view.last.since(view.first));
        (sentence::bytes(view.bytes_left()), format!("in {taken}, over one connection"))
    })
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::TCP;
    use sensor_dissect::smb2::ShareKind;

    use super::*;
    use crate::{
        rules::{
            fixtures::{FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, shown},
            outbound_volume::ExcessVolume,
        },
        view::OtherProtocol,
    };

    const MEBIBYTE: u64 = 1 << 20;

    fn carrying(flow: FlowFixture, left: u64) -> FlowFixture {
        flow.reached(EvidenceLevel::Data).payload(left, 2_000)
    }

    #[test]
    fn volume_between_two_hosts_fires_in_either_direction() {
        let past = HistoryFixture::known().departed(12 * MEBIBYTE);
        let finding = found(&META, &carrying(FlowFixture::outbound(), 900), &past).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::Critical, 99));
        assert_eq!(finding.fact, "12.0 MiB left 10.0.0.2 for 8.8.4.4 over SMB within 60 min");
        assert!(shown(&finding).is_empty(), "no content was seen to leave");
        assert!(
            found(&META, &carrying(FlowFixture::inbound(), 900), &past).is_some(),
            "what is fetched leaves"
        );
    }

    #[test]
    fn high_rate_fires_and_names_the_rate() {
        let excess_volume = ExcessVolume { cause: Cause::Rate, bytes: MEBIBYTE, rate: MEBIBYTE };
        let past = HistoryFixture { excess_volume: Some(excess_volume), ..HistoryFixture::known() };
        let finding = found(&META, &carrying(FlowFixture::outbound(), 900), &past).unwrap();
        assert_eq!(finding.fact, "1.0 MiB a second left 10.0.0.2 for 8.8.4.4 over SMB over 10 s");
    }

    #[test]
    fn one_connection_over_the_limit_fires_at_any_speed() {
        let limit = HistoryFixture::known().limits.volume.bytes;
        let flow = carrying(FlowFixture::outbound(), limit);
        assert!(found(&META, &flow, &HistoryFixture::known()).is_some());
        assert!(found(&META, &flow.payload(limit - 1, 0), &HistoryFixture::known()).is_none());
    }

    #[test]
    fn content_written_to_a_disk_share_shows_exfiltration() {
        let flow = carrying(FlowFixture::outbound(), 11 * MEBIBYTE)
            .share(r"\\8.8.4.4\drop", ShareKind::Disk)
            .content(true, false);
        assert_eq!(shown(&found(&META, &flow, &HistoryFixture::known()).unwrap()), ["T1048"]);
    }

    #[test]
    fn other_services_other_protocols_and_attempts_carry_no_files() {
        let past = HistoryFixture::known().departed(12 * MEBIBYTE);
        let tls = FlowFixture::outbound()
            .reached(EvidenceLevel::Connected)
            .seen(|view| view.other_protocol = Some(OtherProtocol::Tls));
        let silent = [
            carrying(FlowFixture::inbound().on(TCP, 135), 11 * MEBIBYTE),
            tls.payload(50 * MEBIBYTE, 0),
            FlowFixture::outbound(),
        ];
        for flow in silent {
            assert!(found(&META, &flow, &past).is_none(), "{flow:?}");
        }
    }

    #[test]
    fn exempt_pair_avoids_backup_false_positive() {
        let case = (&carrying(FlowFixture::outbound(), 11 * MEBIBYTE), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("10.0.0.2/32"), server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "backup or copy", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&carrying(FlowFixture::outbound(), 11 * MEBIBYTE), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
