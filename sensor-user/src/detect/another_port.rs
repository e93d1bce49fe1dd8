//! SMB on another port: file sharing where nobody looks for it.

use super::{Rule, Severity, Sight};
use crate::attack::NON_STANDARD_PORT;

pub(crate) static RULE: Rule = Rule {
    id: "smb-on-another-port",
    name: "SMB on another port across the border",
    description: "Two machines, one of them on the Internet, spoke SMB on a TCP port that is not one of its own. Filters and rules by \
                  port do not see it, and a Windows client has to be told to do so.",
    false_positives: &[
        "a provider that offers file shares on a port of its own because networks on the way block TCP 445: add the port to \
         services.smb_tcp, or exempt the server with a reason",
        "a tunnel or a port forwarding of your own administrators",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&NON_STANDARD_PORT],
    check: "Find the program that opened the connection and who told it the port: a script, a mapped drive, a tool that nobody \
            installed. Look for other connections to the same server.",
    contain: "Block the server at the border on every port, and look at the internal machine before it is used again.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    !sight.usual_port
}
