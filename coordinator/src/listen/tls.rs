use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::identity::TrustDomain;

/// What is spoken on a socket before HTTP.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Nothing: for loopback alone.
    Plain,
    /// TLS; the configuration may change at any time, for new connections.
    Tls(watch::Receiver<Arc<ServerConfig>>),
    /// The same, and client certificates name someone of this domain.
    MutualTls(watch::Receiver<Arc<ServerConfig>>, TrustDomain),
}

/// A certificate and key that cannot serve.
#[derive(Debug, thiserror::Error)]
#[error("the server certificate and its key cannot be used")]
pub struct TlsError(#[from] rustls::Error);

/// TLS 1.3 for gRPC, with client certificates as `verifier` says.
///
/// # Errors
///
/// If the key does not fit the certificate.
pub fn mutual_tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let config = builder()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok(finish(config, &[b"h2"]))
}

/// TLS 1.3 for HTTP, without client certificates.
///
/// # Errors
///
/// If the key does not fit the certificate.
pub fn server_tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let config = builder()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(finish(config, &[b"h2", b"http/1.1"]))
}

fn builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?)
}

/// Resumption is off: a resumed session would skip the check of the client's
/// certificate, and 4 KiB of memory a connection buy nothing here.
fn finish(mut config: ServerConfig, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}
