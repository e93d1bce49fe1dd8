//! A security blob: NTLMSSP or Kerberos, on its own or inside SPNEGO.

use super::{
    kerberos::KerberosToken,
    ntlmssp::{self, NtlmError},
    spnego::{self, Mechanism, SpnegoError, Token},
};
use thiserror::Error;

/// What a blob says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob<'a> {
    /// An NTLMSSP message.
    Ntlm(ntlmssp::Message<'a>),
    /// A Kerberos message.
    Kerberos(KerberosToken<'a>),
    /// SPNEGO without a message of either: what is offered or chosen.
    Mechanisms(Vec<Mechanism>),
    /// Nothing.
    Empty,
}

/// A blob that is none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BlobError {
    /// Not NTLMSSP.
    #[error(transparent)]
    Ntlm(#[from] NtlmError),
    /// Not SPNEGO.
    #[error(transparent)]
    Spnego(#[from] SpnegoError),
}

/// Reads a blob.
///
/// # Errors
/// [`BlobError`] where it is of none of these.
pub fn read(bytes: &[u8]) -> Result<Blob<'_>, BlobError> {
    if bytes.is_empty() {
        return Ok(Blob::Empty);
    }
    if bytes.starts_with(ntlmssp::SIGNATURE) {
        return Ok(Blob::Ntlm(ntlmssp::read(bytes)?));
    }
    match spnego::read(bytes)? {
        Token::Kerberos(kerberos) => Ok(Blob::Kerberos(kerberos)),
        Token::Negotiation(negotiation) => match negotiation.token {
            Some(token) if token.starts_with(ntlmssp::SIGNATURE) => Ok(Blob::Ntlm(ntlmssp::read(token)?)),
            Some(token) => match spnego::read(token) {
                Ok(Token::Kerberos(kerberos)) => Ok(Blob::Kerberos(kerberos)),
                _ => Ok(Blob::Mechanisms(negotiation.mechanisms)),
            },
            None => Ok(Blob::Mechanisms(negotiation.mechanisms)),
        },
    }
}
