//! Whether the client is the SMB client in the kernel of Windows, as far as the wire lets it be inferred.
//!
//! On Windows file shares are opened by the kernel (the redirector, process 4), whoever asked for it; other machines only see
//! what it sends. Takes what the client said of itself, gives the grounds of the inference, or nothing. It is a likelihood: each
//! ground can be imitated, so one alone does not do, and no process is ever named by it.

use crate::dissect::{Facts, ntlmssp::Version};

/// Capabilities that Windows names since SMB 3 (MS-SMB2 2.2.3): all there were.
const ALL_CAPABILITIES: u32 = 0x7F;

/// Dialects in the order in which Windows offers them; older ones stop earlier.
const DIALECTS: [u16; 5] = [0x0202, 0x0210, 0x0300, 0x0302, 0x0311];

/// Negotiate contexts (MS-SMB2 2.2.3.1): compression, and the name by which the server is called.
const COMPRESSION: u16 = 3;
const NETNAME: u16 = 5;

/// A dialect of SMB 1 that Windows still offers and others do not (MS-SMB 2.2.4.5.1).
const WORKGROUPS: &str = "Windows for Workgroups 3.1a";

/// What speaks for the SMB client of the Windows kernel; `None` unless two independent grounds do.
#[must_use]
pub fn grounds(facts: &Facts) -> Option<Vec<String>> {
    let client = &facts.client;
    let version = client.ntlm_version.filter(|version| is_release(*version))?;
    let offer = if client.smb1_dialects.iter().any(|name| name == WORKGROUPS) {
        format!("it opened with SMB 1 and offered {WORKGROUPS}")
    } else if client.dialects == DIALECTS[..4] && client.capabilities == ALL_CAPABILITIES {
        "it offered the dialects and capabilities that Windows offers up to SMB 3.0.2".to_owned()
    } else if client.dialects == DIALECTS
        && client.capabilities == ALL_CAPABILITIES
        && [COMPRESSION, NETNAME].iter().all(|kind| client.contexts.kinds.contains(kind))
    {
        "it offered the dialects, capabilities, compression and server name that Windows offers with SMB 3.1.1"
            .to_owned()
    } else {
        return None;
    };
    Some(vec![format!("its NTLM messages carry {version}, the number of a Windows release"), offer])
}

/// Whether Windows was released with this number. Other programs send none, or one without a build.
fn is_release(version: Version) -> bool {
    match (version.major, version.minor) {
        (5, 1) => version.build == 2_600,
        (5, 2) => version.build == 3_790,
        (6, 0) => (6_000..=6_003).contains(&version.build),
        (6, 1) => matches!(version.build, 7_600 | 7_601),
        (6, 2) => version.build == 9_200,
        (6, 3) => version.build == 9_600,
        (10, 0) => version.build >= 10_240,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows_11() -> Facts {
        let mut facts = Facts::default();
        facts.client.ntlm_version = Some(Version { major: 10, minor: 0, build: 22_631 });
        facts.client.dialects = DIALECTS.to_vec();
        facts.client.capabilities = ALL_CAPABILITIES;
        facts.client.contexts.kinds = vec![1, 2, COMPRESSION, NETNAME, 8];
        facts
    }

    #[test]
    fn two_grounds_make_an_inference() {
        assert_eq!(grounds(&windows_11()).unwrap().len(), 2);
        let mut old = windows_11();
        old.client.ntlm_version = Some(Version { major: 6, minor: 1, build: 7_601 });
        old.client.dialects = vec![0x0202, 0x0210];
        old.client.smb1_dialects = vec!["NT LM 0.12".into(), WORKGROUPS.into()];
        assert!(grounds(&old).unwrap()[0].contains("6.1.7601"));
    }

    #[test]
    fn one_ground_makes_none() {
        let mut no_build = windows_11();
        no_build.client.ntlm_version = Some(Version { major: 6, minor: 1, build: 0 });
        assert_eq!(grounds(&no_build), None, "as Samba sends it");
        let mut no_version = windows_11();
        no_version.client.ntlm_version = None;
        assert_eq!(grounds(&no_version), None, "as with Kerberos");
        let mut another_offer = windows_11();
        another_offer.client.dialects = vec![0x0202, 0x0210, 0x0300];
        assert_eq!(grounds(&another_offer), None);
    }
}
