//! Differences that are accepted, each with its reason.

use crate::fact::Fact;

/// Capture (a part of its file name), fact, and why the two need not agree.
const ACCEPTED: &[(&str, Fact, &str)] = &[(
    "cifs_negotiate_lanman",
    Fact::ServerName,
    "LAN Manager's response has its domain in the OEM code page whatever the header's flag says (MS-CIFS 2.2.4.52.2); \
     tshark reads it as Unicode",
)];

/// Why a difference is accepted.
pub(crate) fn reason(capture: &str, fact: Fact) -> Option<&'static str> {
    ACCEPTED.iter().find(|(part, of, _)| *of == fact && capture.contains(part)).map(|(_, _, reason)| *reason)
}
