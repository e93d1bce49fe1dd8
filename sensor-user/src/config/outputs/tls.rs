//! Keys of TLS.

use std::path::Path;

use toml_span::{Span, de_helpers::TableHelper};

use crate::{
    config::{reader::Reader, value::non_empty},
    sinks::TlsOptions,
};

/// The keys.
const KEYS: [&str; 3] = ["ca_file", "certificate_file", "key_file"];

/// Notes keys of TLS of an output that does not use it.
pub(super) fn unused(reader: &mut Reader, table: &mut TableHelper<'_>, needs: &str) {
    reader.without_effect(table, &KEYS, needs);
}

pub(super) fn options(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> TlsOptions {
    let mut file = |name: &'static str| {
        let mut path = None;
        reader.value(table, name, &mut path, |path: String| {
            non_empty(&path, "a file path").map(|()| Some(folder.join(path)))
        });
        path
    };
    let [ca_file, certificate, key] = KEYS.map(&mut file);
    if certificate.is_some() != key.is_some() {
        reader.mistake(span, "`certificate_file` and `key_file` go together");
    }
    TlsOptions { ca_file, client: certificate.zip(key) }
}
