//! Kerberos messages in GSS-API tokens (RFC 4121 4.1, RFC 4120 5.5.1), as far as they are not encrypted: a ticket's realm and
//! service. The client's name is encrypted, unless the server passes its request on to the KDC (IAKERB).

use super::{
    element::{element, elements, enter, field, tag},
    text,
};

/// Most parts of a service's name that are kept; two are usual.
const MAX_NAME_PARTS: usize = 4;

/// A Kerberos message in a GSS-API token, as far as it is not encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KerberosToken<'a> {
    /// AP-REQ: the client presents a ticket.
    Request {
        /// Realm of the ticket.
        realm: Option<String>,
        /// Service of the ticket, such as `cifs/files.example`.
        service: Option<String>,
        /// The message, if it is complete: only for a fingerprint, never kept.
        bytes: Option<&'a [u8]>,
    },
    /// AS-REQ that the server passes on to a KDC (IAKERB). It names the client.
    Proxied {
        /// User.
        user: Option<String>,
        /// Realm of the user.
        realm: Option<String>,
    },
    /// AP-REP: the server proves itself.
    Reply,
    /// KRB-ERROR.
    Error,
    /// Another message.
    Other,
}

/// RFC 4121 4.1: two bytes say which message follows.
pub(super) fn read(inner: &[u8]) -> KerberosToken<'_> {
    match inner {
        [1, 0, message @ ..] => request(message),
        [2, 0, ..] => KerberosToken::Reply,
        [3, 0, ..] => KerberosToken::Error,
        // IAKERB_PROXY: a header, then a message for the KDC (draft-ietf-kitten-iakerb 3.1).
        [5, 1, rest @ ..] => proxied(rest),
        _ => KerberosToken::Other,
    }
}

/// AP-REQ (RFC 4120 5.5.1): the ticket's realm and service are not encrypted, the client's name is.
pub(super) fn request(message: &[u8]) -> KerberosToken<'_> {
    let Some(fields) = enter(message, 0x6E).and_then(|body| enter(body, tag::SEQUENCE)) else {
        return KerberosToken::Other;
    };
    let ticket =
        field(fields, 3).and_then(|ticket| enter(ticket, 0x61)).and_then(|body| enter(body, tag::SEQUENCE));
    let realm = ticket.and_then(|fields| field(fields, 1)).and_then(general_string);
    let service = ticket.and_then(|fields| field(fields, 2)).and_then(principal);
    let bytes = element(message).ok().filter(|request| request.whole).map(|_| message);
    KerberosToken::Request { realm, service, bytes }
}

/// AS-REQ (RFC 4120 5.4.1) behind the header of IAKERB.
fn proxied(inner: &[u8]) -> KerberosToken<'_> {
    let request = element(inner).ok().and_then(|header| enter(header.after, 0x6A));
    let body = request
        .and_then(|body| enter(body, tag::SEQUENCE))
        .and_then(|fields| field(fields, 4))
        .and_then(|body| enter(body, tag::SEQUENCE));
    let Some(fields) = body else { return KerberosToken::Other };
    KerberosToken::Proxied {
        user: field(fields, 1).and_then(principal),
        realm: field(fields, 2).and_then(general_string),
    }
}

/// PrincipalName (RFC 4120 5.2.2), if it is complete.
fn principal(name: &[u8]) -> Option<String> {
    let names = field(enter(name, tag::SEQUENCE)?, 1).and_then(|names| element(names).ok())?;
    (names.whole && names.tag == tag::SEQUENCE).then(|| {
        let parts = elements(names.content).take(MAX_NAME_PARTS).map(|part| text::oem(part.content));
        parts.collect::<Vec<_>>().join("/")
    })
}

/// Realm (RFC 4120 5.2.2), if it is complete.
fn general_string(realm: &[u8]) -> Option<String> {
    let realm = element(realm).ok().filter(|realm| realm.whole && realm.tag == tag::GENERAL_STRING)?;
    Some(text::oem(realm.content))
}

#[cfg(test)]
pub(crate) mod tests;
