//! Certificates of a world, and listeners and clients that use them.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// A certificate authority that lives as long as its world.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: PathBuf,
}

/// A certificate with its key, for one address.
#[derive(Debug)]
pub struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    /// A new authority, whose certificate is written to `directory`.
    ///
    /// # Errors
    ///
    /// If that file cannot be written.
    pub fn new(directory: &Path, name: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key)?;
        let pem = directory.join("ca.pem");
        fs::write(&pem, certificate.pem()).with_context(|| format!("write {}", pem.display()))?;
        Ok(Self {
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// File with the authority's certificate, for `SSL_CERT_FILE` and `--cacert`.
    #[must_use]
    pub fn pem_file(&self) -> &Path {
        &self.pem
    }

    /// A certificate for `address`.
    ///
    /// # Errors
    ///
    /// If it cannot be signed.
    pub fn issue(&self, address: IpAddr) -> anyhow::Result<Leaf> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![address.to_string()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf { certificate, key })
    }

    /// TLS for a client that trusts this authority alone.
    ///
    /// # Errors
    ///
    /// If the authority's certificate is refused.
    pub fn client(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        Ok(
            ClientConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    }
}

impl Leaf {
    /// Writes `NAME.pem` and `NAME.key` to `directory`, and returns their paths.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        fs::write(&certificate, self.certificate.pem())?;
        fs::write(&key, self.key.serialize_pem())?;
        Ok((certificate, key))
    }

    /// The certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    /// The key pair.
    #[must_use]
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// TLS for a server with this certificate, HTTP/1.1.
    ///
    /// # Errors
    ///
    /// If rustls refuses the key.
    pub fn server(&self) -> anyhow::Result<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate().clone()], PrivateKeyDer::Pkcs8(key))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// TLS for a client that trusts the authority in `ca` (PEM) and shows `leaf`; HTTP/2.
///
/// # Errors
///
/// If the file cannot be read, or rustls refuses what is in it.
pub fn client_with(ca: &Path, leaf: &Leaf) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let key = PrivatePkcs8KeyDer::from(leaf.key.serialize_der());
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![leaf.certificate().clone()], PrivateKeyDer::Pkcs8(key))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Accepts TLS connections on a free port of `address` and gives each to `serve`, until dropped.
///
/// # Errors
///
/// If the address cannot be listened on.
pub async fn listen<F>(
    address: IpAddr,
    config: ServerConfig,
    serve: impl Fn(server::TlsStream<TcpStream>) -> F + Send + Sync + 'static,
) -> anyhow::Result<Listening>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((address, 0)).await?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serve = Arc::new(serve);
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            tokio::spawn(async move {
                // A client that does not trust us is a client's matter.
                if let Ok(stream) = acceptor.accept(socket).await {
                    serve(stream).await;
                }
            });
        }
    });
    Ok(Listening { address, task })
}

/// A listener that accepts until this value goes.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects to `address` with TLS.
///
/// # Errors
///
/// If it does not answer, or its certificate is not trusted.
pub async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> anyhow::Result<client::TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::from(address.ip());
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, socket).await?)
}
