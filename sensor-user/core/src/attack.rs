//! MITRE ATT&CK techniques and tactics that alerts name, in one table.

/// Version of ATT&CK (Enterprise) from which the names and identifiers are taken.
pub const ATTACK_VERSION: &str = "19";

/// A tactic.
#[derive(Debug, PartialEq, Eq)]
pub struct Tactic {
    /// Identifier.
    pub id: &'static str,
    /// Name.
    pub name: &'static str,
}

/// A technique with the tactics it serves.
#[derive(Debug, PartialEq, Eq)]
pub struct Technique {
    /// Identifier.
    pub id: &'static str,
    /// Name, without that of its parent.
    pub name: &'static str,
    /// The technique that a sub-technique belongs to.
    pub parent: Option<&'static Technique>,
    /// Tactics.
    pub tactics: &'static [&'static Tactic],
}

impl Tactic {
    /// Its page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://attack.mitre.org/tactics/{}/", self.id)
    }
}

impl Technique {
    /// Its page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://attack.mitre.org/techniques/{}/", self.id.replace('.', "/"))
    }
}

/// TA0001
pub static INITIAL_ACCESS: Tactic = Tactic { id: "TA0001", name: "Initial Access" };
/// TA0002
pub static EXECUTION: Tactic = Tactic { id: "TA0002", name: "Execution" };
/// TA0003
pub static PERSISTENCE: Tactic = Tactic { id: "TA0003", name: "Persistence" };
/// TA0004
pub static PRIVILEGE_ESCALATION: Tactic = Tactic { id: "TA0004", name: "Privilege Escalation" };
/// TA0005
pub static STEALTH: Tactic = Tactic { id: "TA0005", name: "Stealth" };
/// TA0006
pub static CREDENTIAL_ACCESS: Tactic = Tactic { id: "TA0006", name: "Credential Access" };
/// TA0007
pub static DISCOVERY: Tactic = Tactic { id: "TA0007", name: "Discovery" };
/// TA0008
pub static LATERAL_MOVEMENT: Tactic = Tactic { id: "TA0008", name: "Lateral Movement" };
/// TA0009
pub static COLLECTION: Tactic = Tactic { id: "TA0009", name: "Collection" };
/// TA0010
pub static EXFILTRATION: Tactic = Tactic { id: "TA0010", name: "Exfiltration" };
/// TA0011
pub static COMMAND_AND_CONTROL: Tactic = Tactic { id: "TA0011", name: "Command and Control" };
/// TA0112
pub static DEFENSE_IMPAIRMENT: Tactic = Tactic { id: "TA0112", name: "Defense Impairment" };

/// T1021
pub static REMOTE_SERVICES: Technique =
    Technique { id: "T1021", name: "Remote Services", parent: None, tactics: &[&LATERAL_MOVEMENT] };
/// T1021.002
pub static SMB_ADMIN_SHARES: Technique = Technique {
    id: "T1021.002",
    name: "SMB/Windows Admin Shares",
    parent: Some(&REMOTE_SERVICES),
    tactics: &[&LATERAL_MOVEMENT],
};
/// T1046
pub static NETWORK_SERVICE_DISCOVERY: Technique =
    Technique { id: "T1046", name: "Network Service Discovery", parent: None, tactics: &[&DISCOVERY] };
/// T1048
pub static EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL: Technique = Technique {
    id: "T1048",
    name: "Exfiltration Over Alternative Protocol",
    parent: None,
    tactics: &[&EXFILTRATION],
};
/// T1053
pub static SCHEDULED_TASK_OR_JOB: Technique = Technique {
    id: "T1053",
    name: "Scheduled Task/Job",
    parent: None,
    tactics: &[&EXECUTION, &PERSISTENCE, &PRIVILEGE_ESCALATION],
};
/// T1053.005
pub static SCHEDULED_TASK: Technique = Technique {
    id: "T1053.005",
    name: "Scheduled Task",
    parent: Some(&SCHEDULED_TASK_OR_JOB),
    tactics: &[&EXECUTION, &PERSISTENCE, &PRIVILEGE_ESCALATION],
};
/// T1071
pub static APPLICATION_LAYER_PROTOCOL: Technique = Technique {
    id: "T1071",
    name: "Application Layer Protocol",
    parent: None,
    tactics: &[&COMMAND_AND_CONTROL],
};
/// T1071.001
pub static WEB_PROTOCOLS: Technique = Technique {
    id: "T1071.001",
    name: "Web Protocols",
    parent: Some(&APPLICATION_LAYER_PROTOCOL),
    tactics: &[&COMMAND_AND_CONTROL],
};
/// T1078
pub static VALID_ACCOUNTS: Technique = Technique {
    id: "T1078",
    name: "Valid Accounts",
    parent: None,
    tactics: &[&INITIAL_ACCESS, &PERSISTENCE, &PRIVILEGE_ESCALATION, &STEALTH],
};
/// T1087
pub static ACCOUNT_DISCOVERY: Technique =
    Technique { id: "T1087", name: "Account Discovery", parent: None, tactics: &[&DISCOVERY] };
/// T1105
pub static INGRESS_TOOL_TRANSFER: Technique =
    Technique { id: "T1105", name: "Ingress Tool Transfer", parent: None, tactics: &[&COMMAND_AND_CONTROL] };
/// T1110
pub static BRUTE_FORCE: Technique =
    Technique { id: "T1110", name: "Brute Force", parent: None, tactics: &[&CREDENTIAL_ACCESS] };
/// T1110.001
pub static PASSWORD_GUESSING: Technique = Technique {
    id: "T1110.001",
    name: "Password Guessing",
    parent: Some(&BRUTE_FORCE),
    tactics: &[&CREDENTIAL_ACCESS],
};
/// T1110.003
pub static PASSWORD_SPRAYING: Technique = Technique {
    id: "T1110.003",
    name: "Password Spraying",
    parent: Some(&BRUTE_FORCE),
    tactics: &[&CREDENTIAL_ACCESS],
};
/// T1112
pub static MODIFY_REGISTRY: Technique = Technique {
    id: "T1112",
    name: "Modify Registry",
    parent: None,
    tactics: &[&PERSISTENCE, &DEFENSE_IMPAIRMENT],
};
/// T1133
pub static EXTERNAL_REMOTE_SERVICES: Technique = Technique {
    id: "T1133",
    name: "External Remote Services",
    parent: None,
    tactics: &[&INITIAL_ACCESS, &PERSISTENCE],
};
/// T1135
pub static NETWORK_SHARE_DISCOVERY: Technique =
    Technique { id: "T1135", name: "Network Share Discovery", parent: None, tactics: &[&DISCOVERY] };
/// T1187
pub static FORCED_AUTHENTICATION: Technique =
    Technique { id: "T1187", name: "Forced Authentication", parent: None, tactics: &[&CREDENTIAL_ACCESS] };
/// T1190
pub static EXPLOIT_PUBLIC_FACING_APPLICATION: Technique = Technique {
    id: "T1190",
    name: "Exploit Public-Facing Application",
    parent: None,
    tactics: &[&INITIAL_ACCESS],
};
/// T1557
pub static ADVERSARY_IN_THE_MIDDLE: Technique = Technique {
    id: "T1557",
    name: "Adversary-in-the-Middle",
    parent: None,
    tactics: &[&CREDENTIAL_ACCESS, &COLLECTION],
};
/// T1557.001
pub static SMB_RELAY: Technique = Technique {
    id: "T1557.001",
    name: "Name Resolution Poisoning and SMB Relay",
    parent: Some(&ADVERSARY_IN_THE_MIDDLE),
    tactics: &[&CREDENTIAL_ACCESS, &COLLECTION],
};
/// T1569
pub static SYSTEM_SERVICES: Technique =
    Technique { id: "T1569", name: "System Services", parent: None, tactics: &[&EXECUTION] };
/// T1569.002
pub static SERVICE_EXECUTION: Technique = Technique {
    id: "T1569.002",
    name: "Service Execution",
    parent: Some(&SYSTEM_SERVICES),
    tactics: &[&EXECUTION],
};
/// T1571
pub static NON_STANDARD_PORT: Technique =
    Technique { id: "T1571", name: "Non-Standard Port", parent: None, tactics: &[&COMMAND_AND_CONTROL] };

/// The techniques that findings name, without the parents of sub-techniques.
pub static TECHNIQUES: [&Technique; 18] = [
    &SMB_ADMIN_SHARES,
    &NETWORK_SERVICE_DISCOVERY,
    &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
    &SCHEDULED_TASK,
    &WEB_PROTOCOLS,
    &VALID_ACCOUNTS,
    &ACCOUNT_DISCOVERY,
    &INGRESS_TOOL_TRANSFER,
    &PASSWORD_GUESSING,
    &PASSWORD_SPRAYING,
    &MODIFY_REGISTRY,
    &EXTERNAL_REMOTE_SERVICES,
    &NETWORK_SHARE_DISCOVERY,
    &FORCED_AUTHENTICATION,
    &EXPLOIT_PUBLIC_FACING_APPLICATION,
    &SMB_RELAY,
    &SERVICE_EXECUTION,
    &NON_STANDARD_PORT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_well_formed_and_unique() {
        let digits =
            |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |id: &str, prefix| id.strip_prefix(prefix).is_some_and(|number| digits(number, 4));
        for (position, technique) in TECHNIQUES.iter().enumerate() {
            let (id, sub) = technique.id.split_once('.').unwrap_or((technique.id, "000"));
            assert!(number(id, "T") && digits(sub, 3) && !technique.name.is_empty(), "{technique:?}");
            let parent = technique.id.contains('.').then_some(id);
            assert_eq!(technique.parent.map(|parent| parent.id), parent, "{technique:?}");
            assert!(TECHNIQUES[..position].iter().all(|other| other.id != technique.id), "{technique:?}");
            assert!(!technique.tactics.is_empty(), "{technique:?}");
            assert!(technique.tactics.iter().all(|tactic| number(tactic.id, "TA")), "{technique:?}");
        }
    }

    #[test]
    fn sub_technique_page_is_below_its_technique() {
        assert_eq!(PASSWORD_SPRAYING.url(), "https://attack.mitre.org/techniques/T1110/003/");
        assert_eq!(NON_STANDARD_PORT.url(), "https://attack.mitre.org/techniques/T1571/");
    }
}
