//! TLS of the listener: its certificate, and the clients that it accepts.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::ServerTlsOptions,
    sinks::{TlsError, authorities_of, certificates, private_key},
};

/// Accepts connections with the files of these options.
///
/// # Errors
/// [`TlsError`] with the file that cannot be used.
pub(super) fn acceptor(options: &ServerTlsOptions) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &options.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let authorities = Arc::new(authorities_of(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider).build();
            let reason = |error: rustls::server::VerifierBuilderError| TlsError::File {
                path: path.clone(),
                reason: error.to_string(),
            };
            builder.with_client_cert_verifier(verifier.map_err(reason)?)
        }
    };
    let config = builder
        .with_single_cert(certificates(&options.certificate)?, private_key(&options.key)?)
        .map_err(|error| {
            let reason = format!("it does not fit {}: {error}", options.key.display());
            TlsError::File { path: options.certificate.clone(), reason }
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
