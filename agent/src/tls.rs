//! Connections to the coordinator: TLS 1.3 alone, HTTP/2 alone, names checked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::identity::{Identity, IdentityError};

/// From the first packet to a finished handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a coordinator may think about one question.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often a silent peer is asked whether it lives.
const KEEPALIVE_PERIOD: Duration = Duration::from_secs(10);
/// How long it may take to answer that.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(20);
/// Flow control: at most this much is in flight towards us.
const WINDOW: u32 = 512 * 1024;
/// Bytes of one response's headers.
const HEADERS: u32 = 8 * 1024;

/// Why there is no connection to one address.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is no `host:port`.
    #[error("{0:?} is no host:port")]
    Address(String),
    /// Nobody answered there.
    #[error("cannot reach {address}")]
    Reach {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody answered, and not in time.
    #[error("{address} did not finish the TLS handshake within {} s", CONNECT_LIMIT.as_secs())]
    Slow {
        /// `host:port`.
        address: String,
    },
    /// The server is another one than the token names.
    #[error(
        "{address} is not the coordinator that this token was made by: none of its certificates has the token's digest. \
         Somebody may be in between; nothing was sent to it"
    )]
    OtherAuthority {
        /// `host:port`.
        address: String,
    },
    /// The handshake failed.
    #[error("TLS with {address} failed")]
    Tls {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// HTTP/2 did not start.
    #[error("HTTP/2 with {address} failed")]
    Http {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// What this machine holds is of no use.
    #[error("this machine's own certificate cannot be used")]
    Own(#[source] rustls::Error),
    /// What this machine holds is of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// TLS with this machine's certificate, trusting its authorities alone.
///
/// # Errors
///
/// If key, certificate or authorities are of no use.
pub fn session_config(identity: &Identity) -> Result<Arc<ClientConfig>, ConnectError> {
    let mut roots = RootCertStore::empty();
    for authority in &identity.authorities {
        roots.add(authority.clone()).map_err(ConnectError::Own)?;
    }
    let builder = builder().with_root_certificates(roots);
    let own = builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.key()?);
    Ok(with_h2(own.map_err(ConnectError::Own)?))
}

/// TLS without a certificate of our own, trusting the one authority whose
/// certificate (DER) has this SHA-256 (64 hex digits).
#[must_use]
pub fn pinned_config(ca_sha256: &str) -> Arc<ClientConfig> {
    let verifier = PinnedAuthority {
        sha256: ca_sha256.to_ascii_lowercase(),
        provider: provider(),
    };
    let builder = builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    with_h2(builder.with_no_client_auth())
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn with_h2(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Connects to `host:port`. The channel is this one connection: when it
/// breaks, calls fail, and whoever holds it connects again.
///
/// # Errors
///
/// If there is nobody, or not the one who was expected.
pub async fn connect(address: &str, config: Arc<ClientConfig>) -> Result<Channel, ConnectError> {
    let slow = || ConnectError::Slow {
        address: address.to_owned(),
    };
    tokio::time::timeout(CONNECT_LIMIT, connect_unlimited(address, config))
        .await
        .map_err(|_| slow())?
}

/// The answer to one question. A coordinator that is alive and never answers
/// counts as one that was not reached: `DeadlineExceeded`.
///
/// # Errors
///
/// What the coordinator, or the wait for it, ended with.
pub async fn answer<T>(
    asked: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, tonic::Status> {
    let late = || {
        let words = format!("no answer within {} s", ANSWER_LIMIT.as_secs());
        tonic::Status::deadline_exceeded(words)
    };
    let answered = tokio::time::timeout(ANSWER_LIMIT, asked).await;
    Ok(answered.map_err(|_| late())??.into_inner())
}

async fn connect_unlimited(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<Channel, ConnectError> {
    let name = server_name(address)?;
    let reach = |source| ConnectError::Reach {
        address: address.to_owned(),
        source,
    };
    let tcp = TcpStream::connect(address).await.map_err(reach)?;
    tcp.set_nodelay(true).map_err(reach)?;
    let tls = TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|source| tls_error(address, source))?;
    // The connector gives its one stream away once: no hidden second connection.
    let stream = Arc::new(Mutex::new(Some(TokioIo::new(tls))));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { stream.ok_or_else(|| std::io::Error::other("the connection has ended")) }
    });
    let http = |source| ConnectError::Http {
        address: address.to_owned(),
        source,
    };
    endpoint(address)?
        .connect_with_connector(connector)
        .await
        .map_err(http)
}

fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    let wrong = |_| ConnectError::Address(address.to_owned());
    // The stream is TLS already. Asked to reach https, tonic would want to do TLS itself as soon as
    // any crate of the build turns that feature on; so https stands only in the requests.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(wrong)?;
    let origin = format!("https://{address}");
    Ok(endpoint
        .origin(
            origin
                .parse()
                .map_err(|_| ConnectError::Address(address.to_owned()))?,
        )
        .http2_keep_alive_interval(KEEPALIVE_PERIOD)
        .keep_alive_timeout(KEEPALIVE_LIMIT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_header_list_size(HEADERS))
}

/// The host of `host:port`; an IPv6 address stands in brackets.
fn server_name(address: &str) -> Result<ServerName<'static>, ConnectError> {
    let wrong = || ConnectError::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    port.parse::<u16>().map_err(|_| wrong())?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|_| wrong())
}

fn tls_error(address: &str, source: std::io::Error) -> ConnectError {
    let address = address.to_owned();
    let inner = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))))
            if other.is::<NotPinned>() =>
        {
            ConnectError::OtherAuthority { address }
        }
        _ => ConnectError::Tls { address, source },
    }
}

/// The certificate with the token's digest is not in the server's chain.
#[derive(Debug, thiserror::Error)]
#[error("no certificate of the chain has the expected digest")]
struct NotPinned;

/// Takes the one certificate with the token's digest as the only root, then
/// checks as always: signatures, time, name.
#[derive(Debug)]
struct PinnedAuthority {
    sha256: String,
    provider: Arc<CryptoProvider>,
}

impl PinnedAuthority {
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let digest = Sha256::digest(certificate);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex == self.sha256
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates
            .iter()
            .find(|certificate| self.is_pinned(certificate))
            .ok_or_else(|| {
                rustls::Error::from(CertificateError::Other(OtherError(Arc::new(NotPinned))))
            })?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// An error with all that caused it, on one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
