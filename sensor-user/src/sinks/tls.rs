//! TLS towards a destination: its certificate is verified against the authorities of this machine, or those of a file.

use std::{path::Path, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use thiserror::Error;

use super::secret::{SecretError, turn_off_core_dumps, warn_if_open};

/// Options of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates of authorities (PEM) that replace those of this machine.
    pub ca_file: Option<PathBuf>,
    /// Own certificate and private key (PEM), for destinations that ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Why TLS cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file has no usable certificate or key.
    #[error("{}: {reason}", path.display())]
    File {
        /// File.
        path: PathBuf,
        /// Reason.
        reason: String,
    },
    /// This machine has no certificates of authorities.
    #[error(
        "this machine has no certificates of authorities; install them (ca-certificates), or name a file with `ca_file`"
    )]
    NoAuthorities,
    /// A private key could be in a core dump.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The settings do not fit together.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The configuration of a client.
///
/// # Errors
/// [`TlsError`]
pub(super) fn client(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    trusting(authorities(options.ca_file.as_deref())?, options)
}

/// That of a client that needs no TLS: it trusts nobody.
///
/// # Errors
/// [`TlsError`]
pub(super) fn unused() -> Result<ClientConfig, TlsError> {
    trusting(RootCertStore::empty(), &TlsOptions::default())
}

fn trusting(authorities: RootCertStore, options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities);
    Ok(match &options.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, private_key(key)?)?
        }
    })
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    if let Some(path) = file {
        return authorities_of(path);
    }
    let mut store = RootCertStore::empty();
    // A machine may have some that cannot be read.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(store) }
}

/// The authorities in a file.
///
/// # Errors
/// [`TlsError::File`]
pub fn authorities_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| of(path, error))?;
    }
    Ok(store)
}

/// The private key in a file. From then on this process leaves no core dump.
///
/// # Errors
/// [`TlsError::File`], [`TlsError::Secret`]
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    turn_off_core_dumps()?;
    warn_if_open(path);
    PrivateKeyDer::from_pem_file(path).map_err(|error| of(path, error))
}

/// The certificates in a file; at least one.
///
/// # Errors
/// [`TlsError::File`]
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|error| of(path, error))?
        .collect::<Result<_, _>>()
        .map_err(|error| of(path, error))?;
    if all.is_empty() { Err(of(path, "it has no certificate in PEM form")) } else { Ok(all) }
}

fn of(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
pub(super) mod server;
