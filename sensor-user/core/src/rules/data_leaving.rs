//! Data leaving over SMB: an internal host sends a lot to an external server, or serves it to an external client.

use super::{
    departure::{Cause, RATE_WINDOW},
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence, techniques,
};
use crate::{
    attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
    level::{EvidenceLevel, Severity},
    service::Service,
    view::FlowView,
};

/// What the rule says of itself.
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
        services: SMB,
        new_term: None,
        evidence: Some(
            "more payload leaves than detection.data_leaving_bytes, or faster than detection.data_leaving_rate, between the two hosts",
        ),
    },
};

/// Fires where too much or too fast left between the two hosts.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        // Volume on a connection that spoke another protocol is no file sharing, and an attempt carries nothing.
        if view.service != Service::Smb || view.level < EvidenceLevel::Smb {
            return None;
        }
        let (amount, when) = amount_left(view, history)?;
        let (internal, external) = (view.internal(), view.external());
        let shown = techniques::content_left(view).map(|_| &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL);
        let fact = format!("{amount} left {internal} for {external} over SMB {when}");
        Some(Finding::of(&META, shown.into_iter().collect(), fact))
    }
}

/// How much left and when, if that is too much: between the two hosts lately, or over this connection alone, however long it
/// took.
fn amount_left(view: &FlowView<'_>, history: &History<'_>) -> Option<(String, String)> {
    let limits = &history.limits.departures;
    if let Some(departure) = history.departure {
        return Some(match departure.cause {
            Cause::Bytes => {
                (sentence::bytes(departure.bytes), format!("within {}", sentence::duration(limits.window)))
            }
            Cause::Rate => {
                let rate = format!("{} a second", sentence::bytes(departure.rate));
                (rate, format!("over {}", sentence::duration(RATE_WINDOW)))
            }
        });
    }
    let alone = view.level >= EvidenceLevel::Data && view.bytes_left() >= limits.bytes;
    alone.then(|| {
        let taken = sentence::duration(view.last.since(view.first));
        (sentence::bytes(view.bytes_left()), format!("in {taken}, over one connection"))
    })
}
