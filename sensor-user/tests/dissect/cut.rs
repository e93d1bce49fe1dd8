//! Every message of real peers, cut at every byte.

use sensor_dissect::{
    Dissector, FingerprintKey, Framing, Sender,
    facts::{Credential, Method},
    netbios_datagram, netbios_name,
    ntlmssp::ResponseKind,
};

use crate::corpus::payloads;

/// Most bytes at which a payload is cut.
const MAX_LEN: usize = 2048;

#[test]
fn reads_or_refuses_a_message_cut_anywhere() {
    for (port, payload) in payloads() {
        for length in 0..payload.len().min(MAX_LEN) {
            let cut = &payload[..length];
            match port {
                137 => drop(netbios_name::read(cut)),
                138 => drop(netbios_datagram::read(cut)),
                _ => {
                    let framing = if port == 135 { Framing::DceRpc } else { Framing::NetBios };
                    for from in [Sender::Client, Sender::Server] {
                        let mut dissector = Dissector::new(FingerprintKey::new([0; 32]), framing);
                        dissector.message(from, cut);
                    }
                }
            }
        }
    }
}

#[test]
fn cut_message_never_contradicts_the_whole() {
    for (port, payload) in payloads().into_iter().filter(|(port, _)| *port != 137 && *port != 138) {
        let framing = if port == 135 { Framing::DceRpc } else { Framing::NetBios };
        let facts = |bytes: &[u8]| {
            let mut dissector = Dissector::new(FingerprintKey::new([0; 32]), framing);
            dissector.message(Sender::Client, bytes);
            dissector.facts().clone()
        };
        let whole = facts(&payload);
        for length in (0..payload.len().min(MAX_LEN)).step_by(3) {
            let cut = facts(&payload[..length]);
            for share in &cut.shares {
                assert!(whole.shares.iter().any(|known| known.path == share.path), "{share:?} at {length}");
            }
            for credential in &cut.credentials {
                // The method of a response that is cut off is unknown.
                let unknown = credential.method == Method::Ntlm(ResponseKind::Unknown);
                assert!(!unknown || credential.fingerprint.is_none(), "{credential:?} at {length}");
                let fits = |known: &&Credential| {
                    known.method == credential.method || unknown && matches!(known.method, Method::Ntlm(_))
                };
                let user = whole.credentials.iter().find(fits);
                assert!(
                    user.is_some_and(|known| credential.user.is_none() || known.user == credential.user),
                    "{credential:?} at {length}, whole {:?}",
                    whole.credentials
                );
            }
        }
    }
}
