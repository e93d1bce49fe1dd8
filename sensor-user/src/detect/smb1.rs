//! SMB 1 across the border: the dialect that worms spread by, with a stranger at one end.

use super::{Rule, Severity, Sight};
use crate::{
    attack::{EXPLOIT_PUBLIC_FACING_APPLICATION, EXTERNAL_REMOTE_SERVICES},
    dissect::facts::Dialect,
};

pub(crate) static RULE: Rule = Rule {
    id: "smb1-across-border",
    name: "SMB 1 spoken across the border",
    description: "Two machines, one of them on the Internet, agreed on SMB 1. It knows no encryption and hardly any protection \
                  of what it carries, its servers have been taken over from afar by the thousands, and Windows has not installed it \
                  for years.",
    false_positives: &[
        "old devices (copiers, storage, controllers) that your own sites reach over public addresses: list those as internal \
         networks",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXTERNAL_REMOTE_SERVICES],
    check: "Find out what the internal machine is and why it still speaks SMB 1, and whether it was patched against MS17-010.",
    contain: "Cut the connection at the border, and turn SMB 1 off at the internal end.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    // What a client merely offers is no dialect: the server has to have chosen it.
    sight.flow.facts.as_deref().is_some_and(|facts| matches!(facts.dialect, Some(Dialect::Smb1(_))))
}
