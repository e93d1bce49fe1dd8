//! Remote execution over a session: services, tasks and the registry of the server are changed or started by remote calls.

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

/// What the rule says of itself.
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

/// Fires once such an operation was called, whatever the server made of it.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        // Without a session there is no pipe to call through; where the sensor came late, the session was before.
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
