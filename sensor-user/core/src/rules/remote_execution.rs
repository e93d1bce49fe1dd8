//! Remote execution over a session: remote calls change or start services, tasks or registry keys of the server.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::{MODIFY_REGISTRY, SCHEDULED_TASK, SERVICE_EXECUTION, SMB_ADMIN_SHARES, Technique},
    level::{EvidenceLevel, Severity},
    service::Service,
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "remote-execution-over-smb",
    name: "Remote execution over SMB across the border",
    description: "A client called operations that create, change or start services or scheduled tasks on a server at the other \
                  side of the border, or that change or save its registry. Intruders run programs and read password hashes in this way.",
    false_positives: &[
        "remote administration of a host that you rent at a provider, or by a service company: exempt the pair with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::Critical,
    risk_score: 99,
    techniques: &[&SERVICE_EXECUTION, &SCHEDULED_TASK, &MODIFY_REGISTRY, &SMB_ADMIN_SHARES],
    scope: Scope {
        direction: None,
        services: SMB,
        new_term: None,
        evidence: Some(
            "the client calls operations that create, change or start services or tasks, or change or save the registry",
        ),
    },
};

/// Operations of one interface that show a technique, beside [`SMB_ADMIN_SHARES`].
struct Operations {
    interface: &'static str,
    numbers: &'static [u16],
    shows: Option<&'static Technique>,
}

static OPERATIONS: [Operations; 5] = [
    // MS-SCMR 3.1.4: RChangeServiceConfigW, RCreateServiceW, RStartServiceW, RChangeServiceConfigA, RCreateServiceA,
    // RStartServiceA, RChangeServiceConfig2A, RChangeServiceConfig2W, RCreateServiceWOW64A, RCreateServiceWOW64W,
    // RCreateWowService.
    Operations {
        interface: "svcctl",
        numbers: &[11, 12, 19, 23, 24, 31, 36, 37, 44, 45, 60],
        shows: Some(&SERVICE_EXECUTION),
    },
    // MS-TSCH 3.2.5.2: NetrJobAdd.
    Operations { interface: "atsvc", numbers: &[0], shows: Some(&SCHEDULED_TASK) },
    // MS-TSCH 3.2.5.4: SchRpcRegisterTask, SchRpcRun.
    Operations { interface: "ITaskSchedulerService", numbers: &[1, 12], shows: Some(&SCHEDULED_TASK) },
    // MS-RRP 3.1.5: BaseRegCreateKey, BaseRegReplaceKey, BaseRegRestoreKey, BaseRegSetValue.
    Operations { interface: "winreg", numbers: &[6, 18, 19, 22], shows: Some(&MODIFY_REGISTRY) },
    // MS-RRP 3.1.5: BaseRegSaveKey, BaseRegSaveKeyEx. They write a file on the server and change no key.
    Operations { interface: "winreg", numbers: &[20, 31], shows: None },
];

/// Fires once such an operation was called, accepted or not.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        // Without a session there is no pipe for the call; if the sensor joined late, the session was before.
        let in_session = view.level >= EvidenceLevel::Session || view.joined_late;
        if view.service != Service::Smb || !in_session {
            return None;
        }
        let (mut calls, mut techniques) = (Vec::new(), Vec::new());
        for operations in &OPERATIONS {
            let called = sentence::called(view, operations.interface, operations.numbers);
            if called.is_empty() {
                continue;
            }
            calls.extend(called.iter().map(|name| format!("{name} ({})", operations.interface)));
            techniques.extend(operations.shows.filter(|technique| !techniques.contains(technique)));
        }
        if calls.is_empty() {
            return None;
        }
        techniques.push(&SMB_ADMIN_SHARES);
        let (client, server) = (view.client.ip(), view.server.ip());
        let fact = format!("{client} called {} on {server}", sentence::list(&calls));
        let mut finding = Finding::of(&META, techniques, fact);
        if view.direction == Direction::Outbound {
            (finding.severity, finding.risk_score) = (Severity::High, 73);
        }
        Some(finding)
    }
}

#[cfg(test)]
mod tests {
    use sensor_dissect::interfaces;

    use super::*;
    use crate::rules::fixtures::{
        FlowFixture, HistoryFixture, Remedy, assert_false_positive, found,
        interface::{ATSVC, SVCCTL, TASKS, WINREG},
        shown,
    };

    fn called(interface: u128, operations: &[u16]) -> FlowFixture {
        FlowFixture::inbound().reached(EvidenceLevel::Share).called(interface, operations)
    }

    fn techniques(flow: &FlowFixture) -> Vec<&'static str> {
        found(&META, flow, &HistoryFixture::known()).map_or_else(Vec::new, |finding| shown(&finding))
    }

    #[test]
    fn create_change_and_start_are_execution() {
        let finding = found(&META, &called(SVCCTL, &[15, 12, 19]), &HistoryFixture::known()).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::Critical, 99));
        assert_eq!(shown(&finding), ["T1569.002", "T1021.002"]);
        assert_eq!(
            finding.fact,
            "8.8.4.4 called RCreateServiceW (svcctl) and RStartServiceW (svcctl) on 10.0.1.2"
        );
        assert_eq!(techniques(&called(ATSVC, &[0])), ["T1053.005", "T1021.002"]);
        assert_eq!(techniques(&called(TASKS, &[1, 12])), ["T1053.005", "T1021.002"]);
        assert_eq!(techniques(&called(WINREG, &[22])), ["T1112", "T1021.002"]);
        assert_eq!(techniques(&called(WINREG, &[31])), ["T1021.002"], "saving a key changes none");
        let both = called(SVCCTL, &[19]).called(WINREG, &[20, 6]);
        assert_eq!(techniques(&both), ["T1569.002", "T1112", "T1021.002"]);
    }

    #[test]
    fn every_number_is_an_execution_operation() {
        let does =
            ["Create", "Start", "Change", "JobAdd", "Register", "Run", "Set", "Save", "Replace", "Restore"];
        for (operations, uuid) in OPERATIONS.iter().zip([SVCCTL, ATSVC, TASKS, WINREG, WINREG]) {
            let known = interfaces::known(&uuid::Uuid::from_u128(uuid)).unwrap();
            assert_eq!(known.name, operations.interface);
            for number in operations.numbers {
                let name = known.operation(*number).unwrap();
                assert!(does.iter().any(|word| name.contains(word)), "{number} is {name}");
            }
        }
    }

    #[test]
    fn internal_client_administering_an_external_server_is_high() {
        let flow = FlowFixture::outbound().reached(EvidenceLevel::Share).called(SVCCTL, &[19]);
        let finding = found(&META, &flow, &HistoryFixture::known()).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::High, 73));
    }

    #[test]
    fn queries_and_calls_without_a_session_are_silent() {
        assert!(techniques(&called(SVCCTL, &[15, 16, 17, 42])).is_empty());
        assert!(techniques(&called(WINREG, &[2, 15, 17])).is_empty());
        let no_session = called(SVCCTL, &[12]).reached(EvidenceLevel::Smb);
        assert!(techniques(&no_session).is_empty());
        assert!(!techniques(&no_session.seen(|view| view.joined_late = true)).is_empty());
    }

    #[test]
    fn exempt_pair_avoids_administration_false_positive() {
        let case = (&called(SVCCTL, &[19]), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: Some("10.0.1.2/32") };
        assert_false_positive(&META, "remote administration", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&called(SVCCTL, &[19]), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
