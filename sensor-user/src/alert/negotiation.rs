//! How the two ends were to protect and compress what they say: signing, and the algorithms of SMB 3.1.1. What the client
//! offers and what the server answers stand side by side in `smb_sensor.smb`.

use serde_json::{Map, Value, json};

use crate::dissect::{
    Facts,
    facts::Signing,
    smb2::{AlgorithmKind, Contexts},
};

/// Adds what is known to `smb_sensor.smb`.
pub(super) fn add(smb: &mut Map<String, Value>, facts: &Facts) {
    for (end, said, contexts) in [
        ("client", facts.client.signing, &facts.client.contexts),
        ("server", facts.signing, &facts.server.contexts),
    ] {
        if let Some(said) = said {
            smb.insert(format!("{end}_signing"), json!(signing(said)));
        }
        algorithms(smb, end, contexts);
    }
    if facts.signed {
        smb.insert("signed".into(), json!(true));
    }
}

const fn signing(signing: Signing) -> &'static str {
    match signing {
        Signing::Off => "off",
        Signing::Enabled => "enabled",
        Signing::Required => "required",
    }
}

fn algorithms(smb: &mut Map<String, Value>, end: &str, contexts: &Contexts) {
    for (list, kind, numbers) in [
        ("ciphers", AlgorithmKind::Cipher, &contexts.ciphers),
        ("signing_algorithms", AlgorithmKind::Signing, &contexts.signing),
        ("compression_algorithms", AlgorithmKind::Compression, &contexts.compression),
    ] {
        if !numbers.is_empty() {
            let names: Vec<_> = numbers.iter().map(|number| kind.name(*number)).collect();
            smb.insert(format!("{end}_{list}"), json!(names));
        }
    }
}
