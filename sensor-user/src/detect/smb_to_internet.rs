//! SMB to the Internet: an internal machine talks SMB to an external one.

use super::{Direction, Rule, Service, Severity, Sight};
use crate::attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXPLOIT_PUBLIC_FACING_APPLICATION};

pub(crate) static RULE: Rule = Rule {
    id: "smb-to-internet",
    name: "SMB to the Internet",
    description: "An internal machine opened an SMB connection, on whatever port, to an address on the Internet. File sharing is not meant to \
                  leave the organisation: such a connection can give away a user's NTLM response or carry files out.",
    false_positives: &[
        "public addresses of your own organisation that are not listed as internal networks",
        "file services that you rent at a provider: exempt the server with a reason",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    check: "Find the program or document on the client that names this server (a UNC path in a mail, shortcut, Office \
            file or script), and whether the server is one that your organisation uses.",
    contain: "Block outgoing TCP 139 and 445 at the border; if a session was set up, change the password of the user who \
              was logged on at the client.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    sight.direction == Direction::Outbound && sight.service == Service::Smb
}
