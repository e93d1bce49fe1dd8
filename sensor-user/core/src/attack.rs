//! MITRE ATT&CK techniques and tactics that alerts name, in one table.

/// Version of ATT&CK (Enterprise) that the names and identifiers are taken from.
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
    /// Name.
    pub name: &'static str,
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
        format!("https://attack.mitre.org/techniques/{}/", self.id)
    }
}

/// TA0001
pub static INITIAL_ACCESS: Tactic = Tactic { id: "TA0001", name: "Initial Access" };
/// TA0003
pub static PERSISTENCE: Tactic = Tactic { id: "TA0003", name: "Persistence" };
/// TA0007
pub static DISCOVERY: Tactic = Tactic { id: "TA0007", name: "Discovery" };
/// TA0011
pub static COMMAND_AND_CONTROL: Tactic = Tactic { id: "TA0011", name: "Command and Control" };
/// TA0010
pub static EXFILTRATION: Tactic = Tactic { id: "TA0010", name: "Exfiltration" };

/// TA0006
pub static CREDENTIAL_ACCESS: Tactic = Tactic { id: "TA0006", name: "Credential Access" };

/// T1187
pub static FORCED_AUTHENTICATION: Technique =
    Technique { id: "T1187", name: "Forced Authentication", tactics: &[&CREDENTIAL_ACCESS] };
/// T1046
pub static NETWORK_SERVICE_DISCOVERY: Technique =
    Technique { id: "T1046", name: "Network Service Discovery", tactics: &[&DISCOVERY] };
/// T1048
pub static EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL: Technique =
    Technique { id: "T1048", name: "Exfiltration Over Alternative Protocol", tactics: &[&EXFILTRATION] };
/// T1133
pub static EXTERNAL_REMOTE_SERVICES: Technique =
    Technique { id: "T1133", name: "External Remote Services", tactics: &[&INITIAL_ACCESS, &PERSISTENCE] };
/// T1135
pub static NETWORK_SHARE_DISCOVERY: Technique =
    Technique { id: "T1135", name: "Network Share Discovery", tactics: &[&DISCOVERY] };
/// T1190
pub static EXPLOIT_PUBLIC_FACING_APPLICATION: Technique =
    Technique { id: "T1190", name: "Exploit Public-Facing Application", tactics: &[&INITIAL_ACCESS] };
/// T1571
pub static NON_STANDARD_PORT: Technique =
    Technique { id: "T1571", name: "Non-Standard Port", tactics: &[&COMMAND_AND_CONTROL] };

/// The table.
pub static TECHNIQUES: [&Technique; 7] = [
    &NETWORK_SERVICE_DISCOVERY,
    &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
    &EXTERNAL_REMOTE_SERVICES,
    &NETWORK_SHARE_DISCOVERY,
    &FORCED_AUTHENTICATION,
    &EXPLOIT_PUBLIC_FACING_APPLICATION,
    &NON_STANDARD_PORT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_form_of_attack_and_belong_to_one_technique_each() {
        let number = |id: &str, prefix| {
            id.strip_prefix(prefix).is_some_and(|number: &str| {
                number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        for (position, technique) in TECHNIQUES.iter().enumerate() {
            assert!(number(technique.id, "T") && !technique.name.is_empty(), "{technique:?}");
            assert!(TECHNIQUES[..position].iter().all(|other| other.id != technique.id), "{technique:?}");
            assert!(!technique.tactics.is_empty(), "{technique:?}");
            assert!(technique.tactics.iter().all(|tactic| number(tactic.id, "TA")), "{technique:?}");
        }
    }
}
