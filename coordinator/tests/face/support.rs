//! A coordinator in this process, and clients that it has not met.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use pinion_coordinator::clock::{Clock as _, SystemClock};
use pinion_coordinator::config::Config;
use pinion_coordinator::identity::{Authority, Subject, Validity};
use pinion_coordinator::ledger::Ledger;
use pinion_coordinator::operators;
use pinion_coordinator::serve::{Bound, Running, Settings, database};
use pinion_coordinator::store::{
    AuditKind, AuditQuery, CutPolicy, MemoryStore, SqliteStore, Store, StoreError,
};
use pinion_coordinator::strategies;
use pinion_model::{Actor, AgentId, Role, Timestamp};
use pinion_proto::v1;
use pinion_rollout::Certificate;
use pinion_rollout::commands::{self, Claim, CreateToken, NewToken, Redeem};
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::{Service as _, ServiceExt as _};

pub(crate) const ADMIN_TOKEN: &str = "the-token-of-the-pipeline";
const DAY: Duration = Duration::from_secs(86_400);

/// A coordinator on loopback.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) authority: Arc<Authority>,
    config: Config,
    dir: tempfile::TempDir,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<KeyPair>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::load(None, None).expect("the built-in configuration")).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        Self::start_on(config, Arc::new(MemoryStore::default())).await
    }

    /// On a store that may hold something already.
    pub(crate) async fn start_on(config: Config, store: Arc<dyn Store>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::over(store, dir, config).await
    }

    /// One that keeps everything in files, and can be started again.
    pub(crate) async fn start_on_disk() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::load(None, None).expect("the built-in configuration");
        Self::over(on_disk(dir.path(), CutPolicy::default()).await, dir, config).await
    }

    /// Ends it, and starts another one on its files.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            running,
            ledger,
            config,
            dir,
            ..
        } = self;
        running.stop(Duration::ZERO).await;
        drop(ledger);
        Self::over(on_disk(dir.path(), CutPolicy::default()).await, dir, config).await
    }

    async fn over(store: Arc<dyn Store>, dir: tempfile::TempDir, config: Config) -> Self {
        let loopback: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let settings = Settings {
            data_dir: dir.path().to_owned(),
            config: config.clone(),
            advertise: Vec::new(),
            names: pinion_coordinator::serve::server_names(&[], &[loopback]),
            agents_listen: loopback,
            operators_listen: loopback,
            http_listen: loopback,
            http_tls: None,
            heartbeat: Duration::from_secs(1),
            drain: Duration::ZERO,
            certificate_life: DAY,
            admin_api_token: Some(ADMIN_TOKEN.to_owned()),
        };
        let ledger = Ledger::open(store).await.expect("a ledger");
        strategies::seed(&ledger, &settings.config)
            .await
            .expect("the configuration's strategies");
        let pki =
            pinion_coordinator::serve::pki(&settings, SystemClock.now()).expect("an authority");
        let authority = Arc::clone(&pki.authority);
        let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
            .build_recorder()
            .handle();
        let bound = Bound::bind(&settings).await.expect("three ports");
        let running = bound
            .start(
                &settings,
                None,
                pki,
                Arc::clone(&ledger),
                metrics,
                CancellationToken::new(),
            )
            .expect("a coordinator");
        Self {
            running,
            ledger,
            authority,
            config,
            dir,
        }
    }

    /// An operator with a certificate.
    pub(crate) async fn operator(&self, name: &str, role: Role) -> Identity {
        let (key, name) = (key(), name.parse().expect("a name"));
        let issued = operators::sign(&self.authority, &name, &key, self.ledger.clock(), DAY)
            .expect("signed");
        let by = Actor::System;
        operators::register(&self.ledger, &name, role, &issued, &by)
            .await
            .expect("an operator");
        Identity {
            chain: vec![issued.der],
            key: Arc::new(key),
        }
    }

    /// A channel of an operator's to the operators' listener.
    pub(crate) async fn channel_of(&self, name: &str, role: Role) -> Channel {
        let identity = self.operator(name, role).await;
        self.channel(self.running.operators, Some(&identity)).await
    }

    /// A channel of every kind of caller to the operators' listener, and what
    /// the caller is.
    pub(crate) async fn everybody(&self) -> Vec<(v1::Role, Channel)> {
        let machine = self.agent("somebodys-machine").await;
        let address = self.running.operators;
        let mut everybody = vec![
            (v1::Role::Anyone, self.channel(address, None).await),
            (v1::Role::Agent, self.channel(address, Some(&machine)).await),
        ];
        for (name, role) in [
            ("vera", Role::Viewer),
            ("paul", Role::Promoter),
            ("olga", Role::Operator),
            ("anna", Role::Admin),
        ] {
            everybody.push((role.into(), self.channel_of(name, role).await));
        }
        everybody
    }

    /// What was decided with this word, newest first: of what, by whom, and the
    /// rest in words.
    pub(crate) async fn decided(&self, action: &str) -> Vec<[String; 3]> {
        let query = AuditQuery {
            before: None,
            limit: 1000,
            only: Some(AuditKind::Decision),
        };
        let entries = self.ledger.audit(query).await.expect("the audit log");
        let found = entries.into_iter().filter(|entry| entry.action == action);
        found
            .map(|entry| {
                let actor = entry.actor.as_ref().map(ToString::to_string);
                [entry.subject, actor.unwrap_or_default(), entry.detail]
            })
            .collect()
    }

    /// A machine whose certificate is good from `from` for a day.
    pub(crate) async fn agent_from(&self, name: &str, from: Timestamp) -> Identity {
        let (key, agent): (_, AgentId) = (key(), name.parse().expect("a name"));
        let subject = Subject::Agent(agent.clone());
        let issued = self
            .authority
            .issue_client(&subject, &key, Validity { from, life: DAY })
            .expect("a certificate");
        let secret_hash = format!("hash of {name}");
        let token = CreateToken {
            id: format!("token of {name}"),
            secret_hash: secret_hash.clone(),
            kind: NewToken::Enrollment {
                agent: None,
                labels: BTreeMap::new(),
                max_uses: 1,
            },
            expires_at: Some(self.ledger.clock() + DAY),
        };
        let made = self
            .ledger
            .decide(|world, now| commands::create_token(world, token.clone(), &Actor::System, now));
        made.await.expect("a token");
        let redeem = Redeem {
            claim: Claim {
                secret_hash,
                key: name.to_owned(),
                wanted: Some(agent.clone()),
            },
            agent,
            certificate: Certificate {
                fingerprint: issued.fingerprint.clone(),
                serial: issued.serial.clone(),
                not_after: issued.not_after,
            },
            encoded: String::new(),
        };
        let enrolled = self
            .ledger
            .decide(|world, now| commands::redeem(world, redeem.clone(), now));
        enrolled.await.expect("an agent");
        Identity {
            chain: vec![issued.der],
            key: Arc::new(key),
        }
    }

    /// A machine with a good certificate.
    pub(crate) async fn agent(&self, name: &str) -> Identity {
        self.agent_from(name, self.ledger.clock()).await
    }

    /// A machine whose certificate ended `days` ago.
    pub(crate) async fn expired_agent(&self, name: &str, days: u32) -> Identity {
        let from =
            self.ledger.clock().0 - u64::try_from((DAY * (days + 1)).as_millis()).expect("fits");
        self.agent_from(name, Timestamp(from)).await
    }

    /// A channel to `address` as `identity`.
    pub(crate) async fn channel(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
    ) -> Channel {
        self.try_channel(address, identity)
            .await
            .expect("a connection")
    }

    pub(crate) async fn try_channel(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
    ) -> Result<Channel, tonic::transport::Error> {
        let tls = client_tls(self.authority.certificate().clone(), identity);
        let connect = tower::service_fn(move |_: Uri| {
            let tls = tokio_rustls::TlsConnector::from(Arc::clone(&tls));
            async move {
                let name = ServerName::try_from("localhost").expect("a name");
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                tls.connect(name, stream).await.map(TokioIo::new)
            }
        });
        // Not https: the stream is TLS already, and tonic would want to do it itself as soon as any
        // crate of the build turns that feature on.
        Endpoint::from_static("http://localhost")
            .connect_with_connector(connect)
            .await
    }

    /// The gRPC code with which an empty message to `path` is answered before
    /// any body; `None`: it was let in and something else came.
    pub(crate) async fn code(
        &self,
        channel: &Channel,
        bearer: Option<&str>,
        path: &str,
    ) -> Option<i32> {
        let mut request = http::Request::post(format!("https://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let frame = http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5]));
        let body = tonic::body::Body::new(frame.map_err(|never| match never {}));
        let request = request.body(body).expect("a request");
        let mut channel = channel.clone();
        let channel = channel.ready().await.expect("a connection");
        let response = channel.call(request).await.ok()?;
        let code = response.headers().get("grpc-status")?;
        code.to_str().ok()?.parse().ok()
    }

    /// Waits until the audit log holds a refused call with these words.
    pub(crate) async fn audited(&self, words: &[&str]) {
        let query = AuditQuery {
            before: None,
            limit: 1000,
            only: Some(AuditKind::Refusal),
        };
        loop {
            let entries = self.ledger.audit(query).await.expect("the audit log");
            let found = |entry: &pinion_coordinator::store::AuditEntry| {
                let line = format!("{} {}", entry.subject, entry.detail);
                words.iter().all(|word| line.contains(word))
            };
            if entries.iter().any(found) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.running.stop(Duration::ZERO).await;
    }
}

/// The store in a directory, once whoever had it before has let it go.
pub(crate) async fn on_disk(dir: &Path, policy: CutPolicy) -> Arc<dyn Store> {
    loop {
        match SqliteStore::open(database(dir), policy).await {
            Ok(store) => return Arc::new(store),
            Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("the store cannot be opened: {error}"),
        }
    }
}

/// The code of an answer.
pub(crate) fn code<T>(answer: &Result<tonic::Response<T>, tonic::Status>) -> Code {
    answer.as_ref().err().map_or(Code::Ok, tonic::Status::code)
}

/// With which code somebody is answered where everybody from this role on may call.
pub(crate) fn wanted(who: v1::Role, least: v1::Role) -> Code {
    let may = match least {
        v1::Role::Viewer => [
            v1::Role::Viewer,
            v1::Role::Promoter,
            v1::Role::Operator,
            v1::Role::Admin,
        ]
        .contains(&who),
        v1::Role::Operator => [v1::Role::Operator, v1::Role::Admin].contains(&who),
        _ => unreachable!("no test asks for it"),
    };
    match who {
        _ if may => Code::Ok,
        v1::Role::Anyone => Code::Unauthenticated,
        _ => Code::PermissionDenied,
    }
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key")
}

/// What a client shows and trusts.
pub(crate) fn client_tls(
    root: CertificateDer<'static>,
    identity: Option<&Identity>,
) -> Arc<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
            builder
                .with_client_auth_cert(identity.chain.clone(), key)
                .expect("an identity")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// One plain HTTP/1.1 call: its code and its body.
pub(crate) async fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &[u8],
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let token = token
        .map(|token| format!("authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the head");
    // A server that refuses a large body answers before it has read all of it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head
        .split(' ')
        .nth(1)
        .expect("a code")
        .parse()
        .expect("a number");
    (code, body.to_owned())
}
