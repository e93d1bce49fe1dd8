//! Security blobs: NTLMSSP or Kerberos, alone, inside SPNEGO, or inside NEGOEX in SPNEGO.

use super::{
    kerberos::KerberosToken,
    negoex,
    ntlmssp::{self, NtlmError},
    spnego::{self, Mechanism, SpnegoError, Token},
};
use thiserror::Error;

/// The content of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob<'a> {
    /// An NTLMSSP message.
    Ntlm(ntlmssp::Message<'a>),
    /// A Kerberos message.
    Kerberos(KerberosToken<'a>),
    /// SPNEGO without a message of either: the offered or chosen mechanisms.
    Mechanisms(Vec<Mechanism>),
    /// Nothing.
    Empty,
}

/// Why bytes are not a valid blob.
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
/// [`BlobError`] if it is none of these.
pub fn read(bytes: &[u8]) -> Result<Blob<'_>, BlobError> {
    if bytes.is_empty() {
        return Ok(Blob::Empty);
    }
    if bytes.starts_with(ntlmssp::SIGNATURE) {
        return Ok(Blob::Ntlm(ntlmssp::read(bytes)?));
    }
    match spnego::read(bytes)? {
        Token::Kerberos(kerberos) => Ok(Blob::Kerberos(kerberos)),
        Token::Negotiation(negotiation) => {
            let said = match negotiation.token {
                Some(token) if token.starts_with(negoex::SIGNATURE) => {
                    negoex::exchanges(token).find_map(|exchange| mechanism(exchange).transpose())
                }
                Some(token) => mechanism(token).transpose(),
                None => None,
            };
            said.unwrap_or(Ok(Blob::Mechanisms(negotiation.mechanisms)))
        }
    }
}

/// What a mechanism says, if it is one of those that are read.
fn mechanism(token: &[u8]) -> Result<Option<Blob<'_>>, BlobError> {
    if token.starts_with(ntlmssp::SIGNATURE) {
        return Ok(Some(Blob::Ntlm(ntlmssp::read(token)?)));
    }
    Ok(match spnego::read(token) {
        Ok(Token::Kerberos(kerberos)) => Some(Blob::Kerberos(kerberos)),
        _ => None,
    })
}
