//! A coordinator's operators' listener with answers that the tests choose.

mod fleet;
mod strategies;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pinion_proto::v1::fleet_service_server::FleetServiceServer;
use pinion_proto::v1::quarantine_service_server::QuarantineServiceServer;
use pinion_proto::v1::rollout_service_server::{RolloutService, RolloutServiceServer};
use pinion_proto::v1::strategy_service_server::StrategyServiceServer;
use pinion_proto::v1::*;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What `WatchRollout` sends, call by call: each call's messages, then whether
/// its stream breaks.
pub struct Script(pub Vec<(Vec<Rollout>, Option<Status>)>);

/// A listener, and the files that a client of it needs.
pub struct Fake {
    pub endpoint: String,
    pub ca: PathBuf,
    pub other_ca: PathBuf,
    pub token: PathBuf,
    _directory: tempfile::TempDir,
}

/// Answers by script; `GetRollout` refuses by the pin number in the id.
struct Scripted {
    script: Script,
    calls: AtomicUsize,
}

/// Starts a listener that plays `script`.
pub async fn start(script: Script) -> Fake {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = certificate();
    let (other, _) = certificate();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let service = Scripted {
        script,
        calls: AtomicUsize::new(0),
    };
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(Identity::from_pem(&cert, key)))
        .expect("a valid certificate")
        .add_service(RolloutServiceServer::from_arc(Arc::new(service)))
        .add_service(StrategyServiceServer::new(strategies::Kept::default()))
        .add_service(QuarantineServiceServer::new(fleet::Echo))
        .add_service(FleetServiceServer::new(fleet::Echo));
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    Fake {
        endpoint: format!("https://127.0.0.1:{port}"),
        ca: file("ca.pem", &cert),
        other_ca: file("other.pem", &other),
        token: file("token", "good-token\n"),
        _directory: directory,
    }
}

fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned()];
    let cert = rcgen::CertificateParams::new(names)
        .expect("valid names")
        .self_signed(&key)
        .expect("signed");
    (cert.pem(), key.serialize_pem())
}

impl Fake {
    /// Runs `pinion` with `args` and this listener's files.
    pub async fn pinion(&self, args: &[&str]) -> Ran {
        let ca = self.ca.to_string_lossy().into_owned();
        let token = self.token.to_string_lossy().into_owned();
        let own = [
            "--endpoint",
            &self.endpoint,
            "--ca",
            &ca,
            "--token-file",
            &token,
        ];
        run(own.iter().chain(args).copied()).await
    }
}

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs `pinion` with nothing from the environment.
pub async fn run(args: impl Iterator<Item = &str>) -> Ran {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_pinion"))
        .args(args)
        .env_clear()
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .expect("pinion runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code().expect("not killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RolloutService for Scripted {
    type WatchRolloutStream =
        Pin<Box<dyn futures_util::Stream<Item = Result<WatchRolloutResponse, Status>> + Send>>;

    async fn watch_rollout(
        &self,
        _: Request<WatchRolloutRequest>,
    ) -> Answer<Self::WatchRolloutStream> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let (messages, end) = self
            .script
            .0
            .get(call)
            .cloned()
            .ok_or_else(|| Status::not_found("no rollout codex-1-1"))?;
        let messages = messages.into_iter().map(|rollout| {
            Ok(WatchRolloutResponse {
                rollout: Some(rollout),
            })
        });
        Ok(Response::new(Box::pin(futures_util::stream::iter(
            messages.chain(end.map(Err)),
        ))))
    }

    async fn get_rollout(&self, request: Request<GetRolloutRequest>) -> Answer<GetRolloutResponse> {
        if request
            .metadata()
            .get("authorization")
            .is_none_or(|token| token != "Bearer good-token")
        {
            return Err(Status::unauthenticated("the token is not known"));
        }
        match request.into_inner().rollout.as_str() {
            "codex-404-1" => Err(Status::not_found("there is no rollout codex-404-1")),
            "codex-500-1" => Err(Status::internal("the store failed")),
            id => Ok(Response::new(GetRolloutResponse {
                rollout: Some(Rollout {
                    id: id.into(),
                    phase: RolloutPhase::RolledBack.into(),
                    ..Rollout::default()
                }),
            })),
        }
    }

    async fn pause_rollout(&self, _: Request<PauseRolloutRequest>) -> Answer<PauseRolloutResponse> {
        Err(Status::permission_denied("viewer may not call this"))
    }

    async fn plan_rollout(&self, _: Request<PlanRolloutRequest>) -> Answer<PlanRolloutResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn start_rollout(&self, _: Request<StartRolloutRequest>) -> Answer<StartRolloutResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_rollouts(&self, _: Request<ListRolloutsRequest>) -> Answer<ListRolloutsResponse> {
        Ok(Response::new(ListRolloutsResponse::default()))
    }

    async fn explain_rollout(
        &self,
        _: Request<ExplainRolloutRequest>,
    ) -> Answer<ExplainRolloutResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn approve_stage(&self, _: Request<ApproveStageRequest>) -> Answer<ApproveStageResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn resume_rollout(
        &self,
        _: Request<ResumeRolloutRequest>,
    ) -> Answer<ResumeRolloutResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn abort_rollout(
        &self,
        request: Request<AbortRolloutRequest>,
    ) -> Answer<AbortRolloutResponse> {
        let request = request.into_inner();
        let how = if request.revert { "reverts" } else { "keeps" };
        Ok(Response::new(AbortRolloutResponse {
            rollout: Some(Rollout {
                id: request.rollout,
                phase: RolloutPhase::Aborting.into(),
                reason: format!("{how}, {}", request.reason),
                ..Rollout::default()
            }),
        }))
    }

    async fn roll_back(&self, _: Request<RollBackRequest>) -> Answer<RollBackResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn override_windows(
        &self,
        request: Request<OverrideWindowsRequest>,
    ) -> Answer<OverrideWindowsResponse> {
        let request = request.into_inner();
        let overridden = Attribution {
            reason: request.reason,
            ..Attribution::default()
        };
        Ok(Response::new(OverrideWindowsResponse {
            rollout: Some(Rollout {
                id: request.rollout,
                phase: RolloutPhase::Running.into(),
                windows_overridden: Some(overridden),
                ..Rollout::default()
            }),
        }))
    }

    async fn retry_agents(&self, _: Request<RetryAgentsRequest>) -> Answer<RetryAgentsResponse> {
        Err(Status::unimplemented("not here"))
    }
}
