use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server whose certificate nobody vouches for, though its name is right.
async fn self_signed() -> u16 {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a pair");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                drop(stream.write_all(&whole(200, "", "well")).await);
            }
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let url = format!("https://localhost:{}/", self_signed().await);
    for probe in [prometheus(url.clone()), http(url.clone(), None)] {
        let sample = prober().ask(&probe).await;
        assert_eq!(sample.outcome, Judgement::Inconclusive, "{sample:?}");
        assert!(
            sample.detail.to_lowercase().contains("certificate"),
            "{sample:?}"
        );
    }
}
