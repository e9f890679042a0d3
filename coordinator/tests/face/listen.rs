use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pinion_coordinator::identity::{
    Authority, ServerName, TrustDomain, client_verifier, server_certificate,
};
use pinion_coordinator::listen::{
    Connection, HandshakeError, Limits, Listener, Transport, mutual_tls,
};
use pinion_model::Timestamp;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::support::client_tls;

const LIMITS: Limits = Limits {
    connections: 100,
    handshakes: 10,
    handshake_timeout: Duration::from_secs(30),
    anonymous_life: None,
};

/// A listener alone, with what it refused.
struct Door {
    authority: Authority,
    dir: tempfile::TempDir,
    address: SocketAddr,
    accepted: ReceiverStream<std::io::Result<Connection>>,
    config: watch::Sender<Arc<ServerConfig>>,
    timeouts: Arc<AtomicUsize>,
    stop: CancellationToken,
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    Timestamp(u64::try_from(since.as_millis()).expect("fits"))
}

fn config(dir: &tempfile::TempDir, authority: &Authority, host: &str) -> Arc<ServerConfig> {
    let names = BTreeSet::from([
        ServerName::from_host("localhost"),
        ServerName::from_host(host),
    ]);
    let server = server_certificate(dir.path(), authority, &names, now()).expect("a certificate");
    let verifier = client_verifier(authority).expect("a verifier");
    mutual_tls(server.chain, server.key, verifier).expect("a configuration")
}

impl Door {
    async fn open(limits: Limits) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let domain = TrustDomain::default();
        let authority = Authority::open(dir.path(), domain.clone(), now()).expect("an authority");
        let (config, shown) = watch::channel(config(&dir, &authority, "first.example"));
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"))
            .await
            .expect("a port");
        let (address, stop) = (listener.address(), CancellationToken::new());
        let timeouts = Arc::new(AtomicUsize::default());
        let counted = Arc::clone(&timeouts);
        let on_refused = Arc::new(move |_, error: &HandshakeError| {
            if matches!(error, HandshakeError::Timeout) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let transport = Transport::MutualTls(shown, domain);
        let accepted = listener.accept(transport, limits, on_refused, stop.clone());
        Self {
            authority,
            dir,
            address,
            accepted,
            config,
            timeouts,
            stop,
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let tls = client_tls(self.authority.certificate().clone(), None);
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let name = "localhost".try_into().expect("a name");
        tokio_rustls::TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .expect("a handshake")
    }
}

#[tokio::test]
async fn whoever_is_silent_in_the_handshake_is_sent_away_and_counted() {
    let door = Door::open(Limits {
        handshake_timeout: Duration::from_millis(50),
        ..LIMITS
    })
    .await;
    let mut silent = TcpStream::connect(door.address)
        .await
        .expect("a connection");
    assert_eq!(silent.read(&mut [0]).await.expect("closed"), 0);
    assert_eq!(door.timeouts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_over_the_cap_waits_until_another_has_gone() {
    let mut door = Door::open(Limits {
        connections: 1,
        ..LIMITS
    })
    .await;
    let _first = door.connect().await;
    let first = door
        .accepted
        .next()
        .await
        .expect("accepted")
        .expect("a connection");
    let second = door.connect();
    tokio::pin!(second);
    let early = tokio::time::timeout(Duration::from_millis(200), second.as_mut()).await;
    assert!(early.is_err(), "the second was let in beside the first");
    drop(first);
    second.await;
}

#[tokio::test]
async fn whoever_shows_no_certificate_does_not_stay() {
    let life = Some(Duration::from_millis(50));
    let mut door = Door::open(Limits {
        anonymous_life: life,
        ..LIMITS
    })
    .await;
    let mut client = door.connect().await;
    client.write_all(b"x").await.expect("sent");
    let mut server = door
        .accepted
        .next()
        .await
        .expect("accepted")
        .expect("a connection");
    let mut bytes = Vec::new();
    let error = server
        .read_to_end(&mut bytes)
        .await
        .expect_err("it is over");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let door = Door::open(LIMITS).await;
    let shown = |stream: &TlsStream<TcpStream>| {
        let chain = stream.get_ref().1.peer_certificates().expect("a chain");
        assert_eq!(chain.len(), 2, "the authority comes along");
        chain[0].clone()
    };
    let before = shown(&door.connect().await);
    assert_eq!(shown(&door.connect().await), before);
    door.config
        .send_replace(config(&door.dir, &door.authority, "second.example"));
    assert_ne!(shown(&door.connect().await), before);
}

#[tokio::test]
async fn a_stop_closes_the_socket_and_ends_the_stream() {
    let mut door = Door::open(LIMITS).await;
    door.stop.cancel();
    assert!(door.accepted.next().await.is_none());
    assert!(TcpStream::connect(door.address).await.is_err());
}
