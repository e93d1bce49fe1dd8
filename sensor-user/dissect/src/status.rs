//! The status of a response: NT_STATUS (MS-ERREF 2.3), the error classes of DOS (MS-CIFS 2.2.2.4), or the status code of HTTP
//! (RFC 9110 15).

use std::fmt;

/// The status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// NT_STATUS.
    Nt(u32),
    /// Error class and code of DOS, older than NT_STATUS.
    Dos {
        /// Class: 1 ERRDOS, 2 ERRSRV, 3 ERRHRD.
        class: u8,
        /// Code within the class.
        code: u16,
    },
    /// Status code of HTTP (RFC 9110 15).
    Http(u16),
}

/// The exchange continues (MS-SMB2 3.3.5.5): neither accepted nor refused.
const MORE_PROCESSING_REQUIRED: u32 = 0xC000_0016;

/// The answer follows in another message (MS-SMB2 3.3.4.4).
const PENDING: u32 = 0x0000_0103;

impl Status {
    /// Success, informational or warning: severities 0 and 1 (MS-ERREF 2.3).
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            Self::Nt(value) => value >> 30 < 2,
            Self::Dos { class, .. } => class == 0,
            Self::Http(code) => matches!(code, 200..300),
        }
    }

    /// Whether it is no final answer.
    #[must_use]
    pub const fn is_interim(self) -> bool {
        matches!(self, Self::Nt(MORE_PROCESSING_REQUIRED | PENDING))
    }

    /// Whether another response to the same request will follow.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Nt(PENDING))
    }

    /// Its name, for the usual answers to sessions and shares.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Nt(value) => NT.iter().find(|(known, _)| *known == value).map(|(_, name)| *name),
            Self::Dos { class, code } => DOS
                .iter()
                .find(|(known_class, known_code, _)| (*known_class, *known_code) == (class, code))
                .map(|(_, _, name)| *name),
            Self::Http(_) => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Self::Nt(value)) => write!(f, "0x{value:08x}"),
            (None, Self::Http(code)) => write!(f, "HTTP {code}"),
            (None, Self::Dos { class, code }) => write!(f, "DOS error {class}/{code}"),
        }
    }
}

const NT: &[(u32, &str)] = &[
    (0x0000_0000, "STATUS_SUCCESS"),
    (0x0000_0103, "STATUS_PENDING"),
    (0x8000_0005, "STATUS_BUFFER_OVERFLOW"),
    (0xC000_0001, "STATUS_UNSUCCESSFUL"),
    (0xC000_0002, "STATUS_NOT_IMPLEMENTED"),
    (0xC000_000D, "STATUS_INVALID_PARAMETER"),
    (0xC000_000F, "STATUS_NO_SUCH_FILE"),
    (0xC000_0016, "STATUS_MORE_PROCESSING_REQUIRED"),
    (0xC000_0022, "STATUS_ACCESS_DENIED"),
    (0xC000_0034, "STATUS_OBJECT_NAME_NOT_FOUND"),
    (0xC000_005E, "STATUS_NO_LOGON_SERVERS"),
    (0xC000_0061, "STATUS_PRIVILEGE_NOT_HELD"),
    (0xC000_0064, "STATUS_NO_SUCH_USER"),
    (0xC000_006A, "STATUS_WRONG_PASSWORD"),
    (0xC000_006D, "STATUS_LOGON_FAILURE"),
    (0xC000_006E, "STATUS_ACCOUNT_RESTRICTION"),
    (0xC000_006F, "STATUS_INVALID_LOGON_HOURS"),
    (0xC000_0070, "STATUS_INVALID_WORKSTATION"),
    (0xC000_0071, "STATUS_PASSWORD_EXPIRED"),
    (0xC000_0072, "STATUS_ACCOUNT_DISABLED"),
    (0xC000_009A, "STATUS_INSUFFICIENT_RESOURCES"),
    (0xC000_00BB, "STATUS_NOT_SUPPORTED"),
    (0xC000_00BE, "STATUS_BAD_NETWORK_PATH"),
    (0xC000_00C9, "STATUS_NETWORK_NAME_DELETED"),
    (0xC000_00CA, "STATUS_NETWORK_ACCESS_DENIED"),
    (0xC000_00CB, "STATUS_BAD_DEVICE_TYPE"),
    (0xC000_00CC, "STATUS_BAD_NETWORK_NAME"),
    (0xC000_00D0, "STATUS_REQUEST_NOT_ACCEPTED"),
    (0xC000_0133, "STATUS_TIME_DIFFERENCE_AT_DC"),
    (0xC000_015B, "STATUS_LOGON_TYPE_NOT_GRANTED"),
    (0xC000_018B, "STATUS_NO_TRUST_SAM_ACCOUNT"),
    (0xC000_018C, "STATUS_TRUSTED_DOMAIN_FAILURE"),
    (0xC000_018D, "STATUS_TRUSTED_RELATIONSHIP_FAILURE"),
    (0xC000_0192, "STATUS_NETLOGON_NOT_STARTED"),
    (0xC000_0193, "STATUS_ACCOUNT_EXPIRED"),
    (0xC000_0203, "STATUS_USER_SESSION_DELETED"),
    (0xC000_0205, "STATUS_INSUFF_SERVER_RESOURCES"),
    (0xC000_0224, "STATUS_PASSWORD_MUST_CHANGE"),
    (0xC000_0233, "STATUS_DOMAIN_CONTROLLER_NOT_FOUND"),
    (0xC000_0234, "STATUS_ACCOUNT_LOCKED_OUT"),
    (0xC000_0257, "STATUS_PATH_NOT_COVERED"),
    (0xC000_035C, "STATUS_NETWORK_SESSION_EXPIRED"),
    (0xC000_0388, "STATUS_DOWNGRADE_DETECTED"),
    (0xC000_0413, "STATUS_AUTHENTICATION_FIREWALL_FAILED"),
    (0xC000_0418, "STATUS_NTLM_BLOCKED"),
    (0xC05D_0000, "STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP"),
    (0xC05D_0001, "STATUS_SMB_BAD_CLUSTER_DIALECT"),
];

const DOS: &[(u8, u16, &str)] = &[
    (0, 0, "SUCCESS"),
    (1, 5, "ERRDOS/ERRnoaccess"),
    (1, 67, "ERRDOS/ERRnosuchshare"),
    (2, 1, "ERRSRV/ERRerror"),
    (2, 2, "ERRSRV/ERRbadpw"),
    (2, 4, "ERRSRV/ERRaccess"),
    (2, 5, "ERRSRV/ERRinvtid"),
    (2, 6, "ERRSRV/ERRinvnetname"),
    (2, 7, "ERRSRV/ERRinvdevice"),
    (2, 91, "ERRSRV/ERRbaduid"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_processing_is_neither_success_nor_final() {
        let more = Status::Nt(0xC000_0016);
        assert!(more.is_interim() && !more.is_success());
        assert!(Status::Nt(0).is_success() && !Status::Nt(0).is_interim());
    }

    #[test]
    fn unknown_status_is_shown_as_its_number() {
        assert_eq!(Status::Nt(0xC000_006D).to_string(), "STATUS_LOGON_FAILURE");
        assert_eq!(Status::Nt(0xC123_4567).to_string(), "0xc1234567");
        assert_eq!(Status::Dos { class: 9, code: 3 }.to_string(), "DOS error 9/3");
    }
}
