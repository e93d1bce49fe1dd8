//! SPNEGO tokens (RFC 4178, MS-SPNG) and bare Kerberos tokens.
//!
//! A token may be cut short, so the content of an element is returned up to the cut.

use der::asn1::ObjectIdentifier;
use thiserror::Error;

use super::{
    element::{Element, ElementError, element, elements, identifier, tag, wanted},
    kerberos::{self, KerberosToken},
};

/// Most mechanisms of a list that are kept.
pub const MAX_MECHANISMS: usize = 8;

/// A mechanism (RFC 4178 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// NTLMSSP.
    Ntlm,
    /// Kerberos 5, under its own identifier or the one of Windows 2000.
    Kerberos,
    /// Kerberos 5 by way of the server, for a client that does not reach a KDC (draft-ietf-kitten-iakerb).
    Iakerb,
    /// NEGOEX (MS-NEGOEX).
    Negoex,
    /// Another.
    Other(ObjectIdentifier),
}

const SPNEGO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.2");
const NTLM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.2.10");
const KERBEROS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113554.1.2.2");
const KERBEROS_WINDOWS_2000: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.48018.1.2.2");
const KERBEROS_USER_TO_USER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113554.1.2.2.3");
const IAKERB: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.2.5");
const NEGOEX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.2.30");

impl From<ObjectIdentifier> for Mechanism {
    fn from(identifier: ObjectIdentifier) -> Self {
        match identifier {
            NTLM => Self::Ntlm,
            KERBEROS | KERBEROS_WINDOWS_2000 | KERBEROS_USER_TO_USER => Self::Kerberos,
            IAKERB => Self::Iakerb,
            NEGOEX => Self::Negoex,
            other => Self::Other(other),
        }
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// SPNEGO, with the token of its mechanism.
    Negotiation(Negotiation<'a>),
    /// Bare Kerberos.
    Kerberos(KerberosToken<'a>),
}

/// NegTokenInit or NegTokenResp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiation<'a> {
    /// Mechanisms offered, or the one chosen.
    pub mechanisms: Vec<Mechanism>,
    /// negState of a response: 0 completed, 1 incomplete, 2 rejected, 3 MIC wanted.
    pub state: Option<u8>,
    /// The token of the mechanism.
    pub token: Option<&'a [u8]>,
}

/// Why bytes are not a valid token.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SpnegoError {
    /// An invalid element.
    #[error(transparent)]
    Element(#[from] ElementError),
    /// Neither SPNEGO nor Kerberos.
    #[error("the token is of another mechanism")]
    Mechanism,
}

/// Reads a token.
///
/// # Errors
/// [`SpnegoError`] if it is neither SPNEGO nor Kerberos.
pub fn read(bytes: &[u8]) -> Result<Token<'_>, SpnegoError> {
    let outer = element(bytes)?;
    match outer.tag {
        // RFC 2743 3.1: mechanism, then its token.
        tag::APPLICATION => {
            let mechanism = wanted(outer.content, tag::OID, "mechanism")?;
            match identifier(&mechanism)? {
                SPNEGO => {
                    let choice = element(mechanism.after)?;
                    negotiation(&choice).map(Token::Negotiation)
                }
                KERBEROS | KERBEROS_WINDOWS_2000 | KERBEROS_USER_TO_USER | IAKERB => {
                    Ok(Token::Kerberos(kerberos::read(mechanism.after)))
                }
                _ => Err(SpnegoError::Mechanism),
            }
        }
        // AP-REQ without GSS-API around it, which MS-KILE 3.3.5.2 allows in DCE style.
        0x6E => Ok(Token::Kerberos(kerberos::request(bytes))),
        0x6F => Ok(Token::Kerberos(KerberosToken::Reply)),
        _ => negotiation(&outer).map(Token::Negotiation),
    }
}

fn negotiation<'a>(choice: &Element<'a>) -> Result<Negotiation<'a>, SpnegoError> {
    let initial = match choice.tag.checked_sub(tag::CONTEXT) {
        Some(0) => true,
        Some(1) => false,
        _ => return Err(ElementError::Tag { wanted: "NegotiationToken", found: choice.tag }.into()),
    };
    let sequence = wanted(choice.content, tag::SEQUENCE, "sequence")?;
    let mut seen = Negotiation::default();
    for field in elements(sequence.content) {
        match (field.tag.wrapping_sub(tag::CONTEXT), initial) {
            (0, true) => seen.mechanisms = mechanism_list(field.content),
            (0, false) => {
                seen.state = wanted(field.content, tag::ENUMERATED, "negState")?.content.first().copied();
            }
            (1, false) => {
                let chosen = wanted(field.content, tag::OID, "supportedMech")?;
                seen.mechanisms = vec![identifier(&chosen)?.into()];
            }
            (2, _) => seen.token = Some(wanted(field.content, tag::OCTETS, "token")?.content),
            _ => {}
        }
    }
    Ok(seen)
}

fn mechanism_list(bytes: &[u8]) -> Vec<Mechanism> {
    let Ok(list) = wanted(bytes, tag::SEQUENCE, "mechTypes") else { return Vec::new() };
    let identifiers = elements(list.content).filter(|element| element.tag == tag::OID);
    identifiers.filter_map(|element| Some(identifier(&element).ok()?.into())).take(MAX_MECHANISMS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NegTokenInit that offers NTLM, with the token `hi`.
    const INIT: &[u8] = &[
        0x60, 0x20, 0x06, 0x06, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x02, 0xA0, 0x16, 0x30, 0x14, 0xA0, 0x0C, 0x30,
        0x0A, 0x06, 0x08, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0xA2, 0x04, 0x04, 0x02, b'h', b'i',
    ];

    #[test]
    fn initial_token_offers_mechanisms_and_carries_a_token() {
        let Ok(Token::Negotiation(seen)) = read(INIT) else { panic!("no negotiation") };
        assert_eq!(seen.token, Some(b"hi".as_slice()));
        assert_eq!(seen.mechanisms.len(), 1);
    }

    #[test]
    fn cut_token_never_reaches_beyond_its_bytes() {
        for length in 0..INIT.len() {
            if let Ok(Token::Negotiation(seen)) = read(&INIT[..length]) {
                assert!(seen.token.is_none_or(|token| b"hi".starts_with(token)));
            }
        }
    }

    #[test]
    fn response_has_its_state() {
        let bytes = [0xA1, 0x07, 0x30, 0x05, 0xA0, 0x03, 0x0A, 0x01, 0x02];
        let Ok(Token::Negotiation(seen)) = read(&bytes) else { panic!("no negotiation") };
        assert_eq!(seen.state, Some(2));
    }

    #[test]
    fn deep_nesting_and_false_lengths_are_errors() {
        assert!(read(&[0x60; 4096]).is_err());
        assert!(read(&[0x60, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x06]).is_err());
        assert!(read(&[0xA0, 0x80, 0x30, 0x00, 0x00]).is_err());
        assert!(read(&[]).is_err());
    }
}
