//! Whether the client is the SMB client in the Windows kernel, as far as its messages show.
//!
//! On Windows the kernel opens file shares for every program (the redirector, process 4). Other hosts see only its messages.
//! Takes the client's claims, gives the grounds of the inference, or nothing. The inference is only likely: each ground can be
//! imitated, so one alone is not enough. It never names a process.

use sensor_dissect::{Facts, facts::Client, ntlmssp::Version};

/// Capabilities that Windows sends since SMB 3 (MS-SMB2 2.2.3), as a mask and its value. The later bit for notifications
/// (0x80) says nothing.
const CAPABILITIES: u32 = 0x7F;

/// Dialects in the order in which Windows offers them; older releases stop earlier.
const DIALECTS: [u16; 5] = [0x0202, 0x0210, 0x0300, 0x0302, 0x0311];

/// Negotiate contexts (MS-SMB2 2.2.3.1): preauthentication integrity, encryption, compression, and the client's name for the
/// server.
const PREAUTHENTICATION: u16 = 1;
const ENCRYPTION: u16 = 2;
const COMPRESSION: u16 = 3;
const NETNAME: u16 = 5;

/// The first build that sends compression and server name: Windows 10 version 1903.
const FIRST_WITH_COMPRESSION: u16 = 18_362;

/// A dialect of SMB 1 that Windows still offers and others do not (MS-SMB 2.2.4.5.1).
const WORKGROUPS: &str = "Windows for Workgroups 3.1a";

/// SMB 2 dialect names in an SMB 1 negotiation (MS-SMB2 3.2.4.2.2.1), and the oldest dialect of clients that send them.
const SMB2_IN_SMB1: [(&str, u16); 2] = [("SMB 2.002", 0x0202), ("SMB 2.???", 0x0210)];

/// The grounds for the Windows client. `None` unless there are two independent ones, and the release that one
/// names speaks the dialect that the other offers.
#[must_use]
pub fn grounds(facts: &Facts) -> Option<Vec<String>> {
    let client = &facts.client;
    let version = client.ntlm_version?;
    let newest = newest_dialect(version)?;
    if newest_offered(client) > newest {
        return None;
    }
    let names_all = client.capabilities & CAPABILITIES == CAPABILITIES;
    let offer = if client.smb1_dialects.iter().any(|name| name == WORKGROUPS) {
        format!("it opened with SMB 1 and offered {WORKGROUPS}")
    } else if names_all && client.dialects == DIALECTS[..4] {
        "it offered the dialects and capabilities that Windows offers up to SMB 3.0.2".to_owned()
    } else if names_all && client.dialects == DIALECTS {
        contexts(version, &client.contexts.kinds)?.to_owned()
    } else {
        return None;
    };
    Some(vec![format!("its NTLM messages carry {version}, the number of a Windows release"), offer])
}

/// The ground from an offer of SMB 3.1.1, if its contexts are those of this build.
fn contexts(version: Version, kinds: &[u16]) -> Option<&'static str> {
    if version.build < FIRST_WITH_COMPRESSION {
        (kinds == [PREAUTHENTICATION, ENCRYPTION]).then_some(
            "it offered the dialects, capabilities and contexts that Windows offered with SMB 3.1.1 before version 1903",
        )
    } else {
        [COMPRESSION, NETNAME].iter().all(|kind| kinds.contains(kind)).then_some(
            "it offered the dialects, capabilities, compression and server name that Windows offers with SMB 3.1.1",
        )
    }
}

/// The newest SMB 2 dialect that a client claims, in either negotiation; 0 for none.
fn newest_offered(client: &Client) -> u16 {
    let in_smb1 =
        SMB2_IN_SMB1.iter().filter(|(name, _)| client.smb1_dialects.iter().any(|said| said == name));
    in_smb1.map(|(_, dialect)| *dialect).chain(client.dialects.iter().copied()).max().unwrap_or(0)
}

/// The newest SMB 2 dialect of the Windows release with this number (MS-SMB2 appendix A), 0 for none; `None` if no Windows
/// has it: other programs send no number, one without a build, or an old one beside new dialects.
fn newest_dialect(version: Version) -> Option<u16> {
    match (version.major, version.minor, version.build) {
        (5, 1, 2_600) | (5, 2, 3_790) => Some(0),
        (6, 0, 6_000..=6_003) => Some(0x0202),
        (6, 1, 7_600 | 7_601) => Some(0x0210),
        (6, 2, 9_200) => Some(0x0300),
        (6, 3, 9_600) => Some(0x0302),
        (10, 0, 10_240..) => Some(0x0311),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows_11() -> Facts {
        let mut facts = Facts::default();
        facts.client.ntlm_version = Some(Version { major: 10, minor: 0, build: 22_631 });
        facts.client.dialects = DIALECTS.to_vec();
        facts.client.capabilities = CAPABILITIES;
        facts.client.contexts.kinds = vec![PREAUTHENTICATION, ENCRYPTION, COMPRESSION, NETNAME, 8];
        facts
    }

    #[test]
    fn two_grounds_support_an_inference() {
        assert_eq!(grounds(&windows_11()).unwrap().len(), 2);
        let mut old = windows_11();
        old.client.ntlm_version = Some(Version { major: 6, minor: 1, build: 7_601 });
        old.client.dialects = vec![0x0202, 0x0210];
        old.client.smb1_dialects = vec!["NT LM 0.12".into(), WORKGROUPS.into()];
        assert!(grounds(&old).unwrap()[0].contains("6.1.7601"));
    }

    #[test]
    fn one_ground_supports_none() {
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
    fn with_version(major: u8, minor: u8, build: u16) -> Facts {
        let mut facts = windows_11();
        facts.client.ntlm_version = Some(Version { major, minor, build });
        facts
    }

    #[test]
    fn release_without_the_offered_dialect_is_no_ground() {
        let mut macos = with_version(6, 1, 7_600);
        macos.client.contexts.kinds = vec![PREAUTHENTICATION, ENCRYPTION, COMPRESSION, NETNAME];
        assert_eq!(grounds(&macos), None, "Windows 7 does not speak SMB 3.1.1");
        for (version, speaks) in [((6, 2, 9_200), false), ((6, 3, 9_600), true), ((10, 0, 14_393), true)] {
            let mut offer = with_version(version.0, version.1, version.2);
            offer.client.dialects = DIALECTS[..4].to_vec();
            assert_eq!(grounds(&offer).is_some(), speaks, "SMB 3.0.2 by {version:?}");
        }
        for (version, speaks) in [((5, 1, 2_600), false), ((6, 0, 6_002), false), ((6, 1, 7_601), true)] {
            let mut opened = with_version(version.0, version.1, version.2);
            opened.client.dialects.clear();
            opened.client.smb1_dialects = [WORKGROUPS, "SMB 2.002"].map(str::to_owned).to_vec();
            assert_eq!(grounds(&opened).is_some(), version.0 > 5, "SMB 2.0.2 by {version:?}");
            opened.client.smb1_dialects.push("SMB 2.???".into());
            assert_eq!(grounds(&opened).is_some(), speaks, "SMB 2.1 by {version:?}");
        }
    }

    #[test]
    fn contexts_match_the_build() {
        let mut server_2019 = with_version(10, 0, 17_763);
        assert_eq!(grounds(&server_2019), None, "it does not compress");
        server_2019.client.contexts.kinds = vec![PREAUTHENTICATION, ENCRYPTION];
        assert!(grounds(&server_2019).unwrap()[1].contains("before version 1903"));
        server_2019.client.contexts.kinds.push(8);
        assert_eq!(grounds(&server_2019), None, "nor does it negotiate how to sign");
        let mut later = with_version(10, 0, FIRST_WITH_COMPRESSION);
        assert!(grounds(&later).is_some());
        later.client.contexts.kinds = vec![PREAUTHENTICATION, ENCRYPTION];
        assert_eq!(grounds(&later), None);
    }

    #[test]
    fn ignores_unknown_capabilities() {
        let mut notified = windows_11();
        notified.client.capabilities |= 0x80;
        assert!(grounds(&notified).is_some());
        notified.client.capabilities = 0x77;
        assert_eq!(grounds(&notified), None);
    }
}
