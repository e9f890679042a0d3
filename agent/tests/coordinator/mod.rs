//! A small coordinator with an authority of its own: enrols, renews, and
//! plays whatever a test wants in sessions.

#![allow(dead_code, reason = "each test uses a part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pinion_proto::v1::agent_service_server::{AgentService, AgentServiceServer};
use pinion_proto::v1::enrollment_service_server::{EnrollmentService, EnrollmentServiceServer};
use pinion_proto::v1::{
    EnrollRequest, EnrollResponse, RenewCertificateRequest, RenewCertificateResponse,
    SessionRequest, SessionResponse,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The secret of every good token: it may be in no output.
pub(crate) const SECRET: &str = "c4n4ry-token-secret";

/// An authority that signs servers and agents.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = new_key();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed").der().clone();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn sha256(&self) -> String {
        Sha256::digest(&self.certificate)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The key (PEM) and certificate of an agent, as of now plus these days.
    pub(crate) fn agent(&self, from_days: i64, to_days: i64) -> (String, CertificateDer<'static>) {
        let key = new_key();
        let mut params = CertificateParams::default();
        let now = std::time::SystemTime::now();
        let at = |days: i64| {
            let span = Duration::from_secs(days.unsigned_abs() * 86_400);
            if days < 0 { now - span } else { now + span }
        };
        (params.not_before, params.not_after) = (at(from_days).into(), at(to_days).into());
        (
            key.serialize_pem(),
            params
                .signed_by(&key, &self.issuer)
                .expect("signed")
                .der()
                .clone(),
        )
    }

    /// TLS for a server that is called `name` and shows its authority too.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = new_key();
        let params = CertificateParams::new(vec![name.to_owned()]).expect("name");
        let leaf = params
            .signed_by(&key, &self.issuer)
            .expect("signed")
            .der()
            .clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![leaf, self.certificate.clone()], key)
            .expect("certificate");
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("key")
}

/// One session, as the coordinator has it.
pub(crate) struct Session {
    pub(crate) from_agent: Streaming<SessionRequest>,
    pub(crate) to_agent: mpsc::Sender<Result<SessionResponse, Status>>,
}

/// What a test sees of a running coordinator.
pub(crate) struct Coordinator {
    pub(crate) address: String,
    /// What was asked of `Enroll`, in order.
    pub(crate) enrolled: Arc<Mutex<Vec<EnrollRequest>>>,
    /// Sessions as they begin.
    pub(crate) sessions: mpsc::Receiver<Session>,
}

struct Enrollment {
    authority: Arc<Authority>,
    asked: Arc<Mutex<Vec<EnrollRequest>>>,
}

impl Enrollment {
    fn sign(&self, csr: Vec<u8>) -> Result<Vec<u8>, Status> {
        let csr = CertificateSigningRequestParams::from_der(&csr.into())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let certificate = csr
            .signed_by(&self.authority.issuer)
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(certificate.der().to_vec())
    }
}

#[tonic::async_trait]
impl EnrollmentService for Enrollment {
    async fn enroll(
        &self,
        request: Request<EnrollRequest>,
    ) -> Result<Response<EnrollResponse>, Status> {
        let request = request.into_inner();
        let asked = {
            let mut asked = self.asked.lock().expect("lock");
            asked.push(request.clone());
            asked.len()
        };
        if request.token_secret != SECRET {
            return Err(Status::unauthenticated("this token is not known"));
        }
        if request.name == "lost" && asked == 1 {
            return Err(Status::unavailable("the answer was lost"));
        }
        Ok(Response::new(EnrollResponse {
            certificate: self.sign(request.csr)?,
            agent: request.name,
            authorities: vec![self.authority.certificate.to_vec()],
            not_after: None,
            trust_domain: "pinion.test".into(),
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        Ok(Response::new(RenewCertificateResponse {
            certificate: self.sign(request.into_inner().csr)?,
            authorities: vec![self.authority.certificate.to_vec()],
            not_after: None,
        }))
    }
}

struct Agents(mpsc::Sender<Session>);

#[tonic::async_trait]
impl AgentService for Agents {
    type SessionStream = ReceiverStream<Result<SessionResponse, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (to_agent, answers) = mpsc::channel(8);
        let session = Session {
            from_agent: request.into_inner(),
            to_agent,
        };
        self.0
            .send(session)
            .await
            .map_err(|_| Status::unavailable("the test has ended"))?;
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// Starts a coordinator on a port of its own, whose certificate is for `name`.
pub(crate) async fn start(authority: &Arc<Authority>, name: &str) -> Coordinator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address").to_string();
    let (enrolled, (begun, sessions)) = (Arc::default(), mpsc::channel(8));
    let enrollment = Enrollment {
        authority: Arc::clone(authority),
        asked: Arc::clone(&enrolled),
    };
    let (accepted, streams) = mpsc::channel(4);
    tokio::spawn(accept(listener, authority.acceptor(name), accepted));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(EnrollmentServiceServer::new(enrollment))
            .add_service(AgentServiceServer::new(Agents(begun)))
            .serve_with_incoming(ReceiverStream::new(streams)),
    );
    Coordinator {
        address,
        enrolled,
        sessions,
    }
}

/// A pipe for each connection whose client trusts us.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    to: mpsc::Sender<std::io::Result<DuplexStream>>,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let Ok(mut tls) = acceptor.accept(tcp).await else {
            continue;
        };
        let (mut near, far) = tokio::io::duplex(16 * 1024);
        if to.send(Ok(far)).await.is_err() {
            return;
        }
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tls, &mut near).await });
    }
}
