//! Which techniques the evidence shows, each with the fact that shows it.
//!
//! A rule is about techniques; an incident names the ones that happened. An attempt shows none.

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

/// Payload beyond which encrypted messages hold content: more than set-up, requests and answers take.
const ENCRYPTED_CONTENT: u64 = 64 << 10;

/// A read request and its share of the acknowledging messages are less than an eighth of the answer.
const REQUESTS: u64 = 8;

/// Techniques that a connection shows, each once, with the fact that shows it.
#[must_use]
pub fn techniques(view: &FlowView<'_>, history: &History<'_>) -> Vec<(&'static Technique, String)> {
    techniques_shown(view, &evaluate(view, history))
}

/// The same where the findings on the connection are at hand.
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

/// The fact that content left the internal networks: over a disk share, seen by command; or encrypted, by its amount.
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
    // An encrypted session that reads sends requests, and many of them are no content either.
    let enough = view.bytes_left() > ENCRYPTED_CONTENT && view.bytes_left() > view.bytes_came() / REQUESTS;
    let encrypted = view.direction == Direction::Outbound
        && view.encrypted
        && view.level == EvidenceLevel::Data
        && enough;
    encrypted.then(|| format!("{client} sent {amount} to {server} in encrypted SMB messages"))
}
