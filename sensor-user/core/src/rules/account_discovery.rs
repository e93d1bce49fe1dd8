//! Account discovery: a client lists the accounts of a server at the other side of the border.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{attack::ACCOUNT_DISCOVERY, level::Severity, view::FlowView};

/// Metadata of the rule.
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

/// MS-LSAD 3.1.4.5: LsarEnumerateAccounts, LsarEnumerateAccountsWithUserRight. Every client that shows the permissions of a
/// file looks up single names and SIDs, so look-ups show nothing.
const LSARPC: [u16; 2] = [11, 35];

/// Fires once such an operation was called, accepted or not.
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

#[cfg(test)]
mod tests {
    use sensor_dissect::interfaces;

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, interface, shown,
        },
    };

    fn called(interface: u128, operations: &[u16]) -> FlowFixture {
        FlowFixture::inbound().reached(EvidenceLevel::Share).called(interface, operations)
    }

    #[test]
    fn listing_users_is_account_discovery() {
        let finding = found(&META, &called(interface::SAMR, &[64, 13]), &HistoryFixture::known()).unwrap();
        assert_eq!(shown(&finding), ["T1087"]);
        assert_eq!(finding.fact, "8.8.4.4 called SamrEnumerateUsersInDomain (samr) on 10.0.1.2");
        let flow = called(interface::LSARPC, &[11]);
        assert!(found(&META, &flow, &HistoryFixture::known()).is_some());
    }

    #[test]
    fn every_number_is_a_listing_operation() {
        for (uuid, numbers) in [(interface::SAMR, &SAMR[..]), (interface::LSARPC, &LSARPC[..])] {
            let known = interfaces::known(&uuid::Uuid::from_u128(uuid)).unwrap();
            for number in numbers {
                let name = known.operation(*number).unwrap();
                let lists =
                    ["Enumerate", "GetMembers", "QueryDisplay"].iter().any(|word| name.contains(word));
                assert!(lists, "{number} is {name}");
            }
        }
    }

    #[test]
    fn name_or_sid_lookup_is_no_discovery() {
        for flow in [called(interface::LSARPC, &[44, 57, 58, 0]), called(interface::SAMR, &[17, 18, 34, 36])]
        {
            assert!(found(&META, &flow, &HistoryFixture::known()).is_none(), "{flow:?}");
        }
    }

    #[test]
    fn exempt_pair_avoids_inventory_tool_false_positive() {
        let case = (&called(interface::SAMR, &[13]), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: Some("10.0.1.2/32") };
        assert_false_positive(&META, "inventory or audit tool", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&called(interface::SAMR, &[13]), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
