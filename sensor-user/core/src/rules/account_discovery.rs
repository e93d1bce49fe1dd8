//! Account discovery: a client lists the accounts of a server at the other side of the border.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{attack::ACCOUNT_DISCOVERY, level::Severity, view::FlowView};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "account-discovery-over-smb",
    name: "Accounts listed over SMB across the border",
    description: "A client called operations that list users, groups or their members on a server at the other side of the border. \
                  The names are what password guessing and spraying start from.",
    false_positives: &[
        "an inventory or audit tool of yours that reads a host at a provider: exempt the pair with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&ACCOUNT_DISCOVERY],
    scope: Scope {
        direction: None,
        services: SMB,
        new_term: None,
        evidence: Some("the client calls operations that list accounts"),
    },
};

/// MS-SAMR 3.1.5: SamrEnumerateGroupsInDomain, SamrEnumerateUsersInDomain, SamrEnumerateAliasesInDomain,
/// SamrGetMembersInGroup, SamrGetMembersInAlias, SamrQueryDisplayInformation and its successors 2 and 3.
const SAMR: [u16; 8] = [11, 13, 15, 25, 33, 40, 48, 51];

/// MS-LSAD 3.1.4.5: LsarEnumerateAccounts, LsarEnumerateAccountsWithUserRight. Single names and SIDs are looked up by every
/// client that shows the permissions of a file, so that look-ups show nothing.
const LSARPC: [u16; 2] = [11, 35];

/// Fires once such an operation was called, whatever the server made of it.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let called = [("samr", &SAMR[..]), ("lsarpc", &LSARPC[..])];
        let called: Vec<String> = called
            .iter()
            .flat_map(|(interface, numbers)| {
                let names = sentence::called(view, interface, numbers);
                names.into_iter().map(move |name| format!("{name} ({interface})"))
            })
            .collect();
        (!called.is_empty()).then(|| {
            let (client, server) = (view.client.ip(), view.server.ip());
            let fact = format!("{client} called {} on {server}", sentence::list(&called));
            Finding::of(&META, vec![&ACCOUNT_DISCOVERY], fact)
        })
    }
}
