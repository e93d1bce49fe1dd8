//! NTLMSSP messages (MS-NLMP 2.2.1), raw or from SPNEGO.
//!
//! A message may be cut short: a name whose bytes are missing is `None`. Responses and keys are returned as slices of the
//! message, only for a fingerprint.

use std::fmt;

use thiserror::Error;
use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32},
};

use super::{
    text,
    wire::{Truncated, available, layout, slice},
};

/// The beginning of every message.
pub const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Most attributes of a target information that are read.
const MAX_ATTRIBUTES: usize = 32;

/// NTLMSSP_NEGOTIATE_UNICODE and its fellows, 2.2.2.5.
mod flag {
    pub(super) const UNICODE: u32 = 0x0000_0001;
    pub(super) const ANONYMOUS: u32 = 0x0000_0800;
    pub(super) const VERSION: u32 = 0x0200_0000;
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// NEGOTIATE_MESSAGE, 2.2.1.1.
    Negotiate(Negotiate),
    /// CHALLENGE_MESSAGE, 2.2.1.2.
    Challenge(Challenge),
    /// AUTHENTICATE_MESSAGE, 2.2.1.3.
    Authenticate(Authenticate<'a>),
}

/// The client's first message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiate {
    /// Domain that it names, usually none.
    pub domain: Option<String>,
    /// Workstation that it names, usually none.
    pub workstation: Option<String>,
    /// Version of its system.
    pub version: Option<Version>,
}

/// The server's answer, which describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Realm of the authentication.
    pub target: Option<String>,
    /// Its names.
    pub names: TargetInformation,
    /// Version of its system.
    pub version: Option<Version>,
}

/// The client's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate<'a> {
    /// Domain of the user.
    pub domain: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Workstation name that the client claims.
    pub workstation: Option<String>,
    /// Version of its system.
    pub version: Option<Version>,
    /// Protocol of the response.
    pub kind: ResponseKind,
    /// The response, if it is complete: only for a fingerprint, never kept.
    pub response: Option<&'a [u8]>,
    /// Service that an NTLMv2 client believes to talk to (MsvAvTargetName), such as `cifs/files.example`.
    pub target: Option<String>,
}

/// Protocol of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseKind {
    /// NTLM version 1, with or without extended session security, or LM alone (2.2.2.3, 2.2.2.6).
    V1,
    /// NTLM version 2 (2.2.2.8).
    V2,
    /// No response: an anonymous session (3.2.5.1.2).
    Anonymous,
    /// There is a response, of which the message does not show what it is: its length or offset reaches outside the message.
    Unknown,
}

/// Names in AV pairs, 2.2.2.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetInformation {
    /// NetBIOS name of the computer.
    pub netbios_computer: Option<String>,
    /// NetBIOS name of the domain.
    pub netbios_domain: Option<String>,
    /// DNS name of the computer.
    pub dns_computer: Option<String>,
    /// DNS name of the domain.
    pub dns_domain: Option<String>,
    /// DNS name of the forest.
    pub dns_forest: Option<String>,
    /// Service name that the client adds.
    pub target: Option<String>,
}

/// VERSION, 2.2.2.10: of the operating system, if its maker sends the true one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Build.
    pub build: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)
    }
}

/// Why bytes are not a valid message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NtlmError {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// It does not begin with the signature.
    #[error("not an NTLMSSP message")]
    Signature,
    /// A message type that is not in MS-NLMP.
    #[error("NTLMSSP message type {0} is unknown")]
    Kind(u32),
}

/// Length and offset of a field in the payload, 2.2.1.1.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Field {
    length: U16,
    maximum: U16,
    offset: U32,
}

impl Field {
    fn start(self) -> usize {
        self.offset.get() as usize
    }

    fn is_empty(self) -> bool {
        self.length.get() == 0
    }

    /// The whole field.
    fn of(self, message: &[u8]) -> Option<&[u8]> {
        slice(message, self.start(), usize::from(self.length.get()), "field").ok()
    }

    /// The field, as far as it is there.
    fn head(self, message: &[u8]) -> &[u8] {
        available(message, self.start(), usize::from(self.length.get()))
    }
}

/// Reads a message.
///
/// # Errors
/// [`NtlmError`] for other bytes, or if the message is cut within its fixed part.
pub fn read(message: &[u8]) -> Result<Message<'_>, NtlmError> {
    if slice(message, 0, SIGNATURE.len(), "NTLMSSP signature")? != SIGNATURE {
        return Err(NtlmError::Signature);
    }
    match layout::<U32>(message, 8, "NTLMSSP message type")?.get() {
        1 => negotiate(message).map(Message::Negotiate),
        2 => challenge(message).map(Message::Challenge),
        3 => authenticate(message).map(Message::Authenticate),
        kind => Err(NtlmError::Kind(kind)),
    }
}

fn negotiate(message: &[u8]) -> Result<Negotiate, NtlmError> {
    let flags = layout::<U32>(message, 12, "NEGOTIATE flags")?.get();
    // Both fields were added later; their text is in the OEM code page, whatever the flags say.
    let name = |at| {
        let field = layout::<Field>(message, at, "NEGOTIATE field").ok()?;
        present(text::oem(field.of(message)?))
    };
    Ok(Negotiate { domain: name(16), workstation: name(24), version: version(message, 32, flags) })
}

fn challenge(message: &[u8]) -> Result<Challenge, NtlmError> {
    let target = *layout::<Field>(message, 12, "CHALLENGE target name")?;
    let flags = layout::<U32>(message, 20, "CHALLENGE flags")?.get();
    // Target information and version are there if the payload begins behind them.
    let holds = |end: usize| target.is_empty() || target.start() >= end;
    let information =
        holds(48).then(|| layout::<Field>(message, 40, "CHALLENGE target information").ok()).flatten();
    Ok(Challenge {
        target: string(message, target, flags),
        names: information.map(|field| attributes(field.head(message))).unwrap_or_default(),
        version: holds(56).then(|| version(message, 48, flags)).flatten(),
    })
}

/// The fixed part that every AUTHENTICATE_MESSAGE has.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct AuthenticateFields {
    signature: [u8; 8],
    kind: U32,
    lm_response: Field,
    nt_response: Field,
    domain: Field,
    user: Field,
    workstation: Field,
}

fn authenticate(message: &[u8]) -> Result<Authenticate<'_>, NtlmError> {
    let fields = layout::<AuthenticateFields>(message, 0, "AUTHENTICATE fields")?;
    let all = [fields.lm_response, fields.nt_response, fields.domain, fields.user, fields.workstation];
    // Session key, flags and version came later: they are there if the payload begins behind them.
    let payload = all.iter().filter(|field| !field.is_empty()).map(|field| field.start()).min();
    let payload = payload.unwrap_or(message.len());
    let flags = if payload >= 64 {
        layout::<U32>(message, 60, "AUTHENTICATE flags").map_or(0, |word| word.get())
    } else {
        0
    };
    let response = if fields.nt_response.is_empty() { fields.lm_response } else { fields.nt_response };
    let kind = response_kind(message, fields.lm_response, fields.nt_response, flags);
    let temporary = fields.nt_response.head(message).get(NTLMV2_ATTRIBUTES..);
    Ok(Authenticate {
        domain: string(message, fields.domain, flags),
        user: string(message, fields.user, flags),
        workstation: string(message, fields.workstation, flags),
        version: if payload >= 72 { version(message, 64, flags) } else { None },
        kind,
        response: response.of(message),
        target: temporary.filter(|_| kind == ResponseKind::V2).and_then(|pairs| attributes(pairs).target),
    })
}

/// Offset of the AV pairs in an NTLMv2 response: behind the proof (2.2.2.8) and the fixed part of the client challenge (2.2.2.7).
const NTLMV2_ATTRIBUTES: usize = 16 + 28;

/// Length of an NTLM or LM response of version 1.
const V1_LEN: u16 = 24;

/// Where the payload begins at the earliest, behind the fields of the first version (2.2.1.3).
const PAYLOAD_AT: usize = 52;

/// What proves the user, by lengths that the message bears out.
fn response_kind(message: &[u8], lm: Field, nt: Field, flags: u32) -> ResponseKind {
    let lies =
        |field: Field| !field.is_empty() && (field.start() < PAYLOAD_AT || field.of(message).is_none());
    match (lm.length.get(), nt.length.get()) {
        // An anonymous client sends no NT response and at most one byte of LM response, 3.2.5.1.2.
        (0..=1, 0) => ResponseKind::Anonymous,
        (_, 0) if flags & flag::ANONYMOUS != 0 => ResponseKind::Anonymous,
        (_, 0) if lies(lm) => ResponseKind::Unknown,
        (_, 1..) if lies(nt) => ResponseKind::Unknown,
        (_, 0..=V1_LEN) => ResponseKind::V1,
        // The proof, and the fixed part of what was proved, 2.2.2.8.
        (_, length) if usize::from(length) < NTLMV2_ATTRIBUTES => ResponseKind::Unknown,
        _ => ResponseKind::V2,
    }
}

fn string(message: &[u8], field: Field, flags: u32) -> Option<String> {
    let bytes = field.of(message)?;
    present(if flags & flag::UNICODE != 0 { text::utf16(bytes) } else { text::oem(bytes) })
}

fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn version(message: &[u8], at: usize, flags: u32) -> Option<Version> {
    let bytes = layout::<[u8; 8]>(message, at, "version").ok().filter(|_| flags & flag::VERSION != 0)?;
    let version =
        Version { major: bytes[0], minor: bytes[1], build: u16::from_le_bytes([bytes[2], bytes[3]]) };
    // Some send nothing but ones or zeros there.
    (version.major != 0 && version != Version { major: 0xFF, minor: 0xFF, build: 0xFFFF }).then_some(version)
}

/// Reads AV pairs to their end, or as far as they are there.
fn attributes(mut pairs: &[u8]) -> TargetInformation {
    let mut names = TargetInformation::default();
    for _ in 0..MAX_ATTRIBUTES {
        let Some(([id_low, id_high, low, high], rest)) = pairs.split_first_chunk::<4>() else { break };
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (Some(value), Some(next)) = (rest.get(..length), rest.get(length..)) else { break };
        let name = match u16::from_le_bytes([*id_low, *id_high]) {
            0 => break,
            1 => &mut names.netbios_computer,
            2 => &mut names.netbios_domain,
            3 => &mut names.dns_computer,
            4 => &mut names.dns_domain,
            5 => &mut names.dns_forest,
            9 => &mut names.target,
            _ => {
                pairs = next;
                continue;
            }
        };
        *name = present(text::utf16(value));
        pairs = next;
    }
    names
}

#[cfg(test)]
mod tests;
