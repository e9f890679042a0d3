use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use super::renewal::Shown;
use super::{Face, grpc};
use crate::api::{self, AuthLayer, Context};
use crate::authentication::Authenticator;
use crate::http::{self, Http, Readiness};
use crate::ledger::Ledger;
use crate::listen::{HandshakeError, Limits, Listener, OnRefused, Transport};
use crate::probe::{self, Prober};
use crate::reconciler;
use crate::sessions::Sessions;
use crate::store::RefusedCall;

/// How long streams may take to end after they were told to.
const LEAVE: Duration = Duration::from_secs(5);

/// A coordinator at work.
pub struct Running {
    /// Where agents come.
    pub agents: SocketAddr,
    /// Where operators come.
    pub operators: SocketAddr,
    /// Where HTTP clients come.
    pub http: SocketAddr,
    pub(super) sessions: Arc<Sessions>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) health: HealthReporter,
    pub(super) ledger: Arc<Ledger>,
    pub(super) parts: JoinSet<&'static str>,
    pub(super) stop: CancellationToken,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.ready_line())
    }
}

impl Running {
    /// What is printed once everything listens.
    #[must_use]
    pub fn ready_line(&self) -> String {
        format!(
            "ready agents={} operators={} http={}",
            self.agents, self.operators, self.http
        )
    }

    pub(super) fn grpc(
        &mut self,
        face: Face,
        listener: Listener,
        transport: Transport,
        context: &Arc<Context>,
        authenticator: &Authenticator,
    ) {
        let name = match face {
            Face::Agents => "the agents' listener",
            Face::Operators => "the operators' listener",
        };
        let refused = on_refused(name, &self.ledger);
        let connections = listener.accept(transport, face.limits(), refused, self.stop.clone());
        let auth = AuthLayer::new(
            authenticator.clone(),
            Arc::clone(&self.ledger),
            face.takes_tokens(),
        );
        let routes = api::routes(context, face.messages());
        let served = grpc::serve(face, routes, auth, connections, self.stop.clone());
        self.parts.spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    listener = name,
                    "a listener failed"
                );
            }
            name
        });
    }

    pub(super) fn web(&mut self, listener: Listener, transport: Transport, http: Http) {
        let limits = Limits {
            connections: 1_000,
            handshakes: 64,
            handshake_timeout: Duration::from_secs(5),
            anonymous_life: None,
        };
        let refused = on_refused("the HTTP listener", &self.ledger);
        let connections = listener.accept(transport, limits, refused, self.stop.clone());
        let served = http::serve(connections, http::router(http), self.stop.clone());
        self.parts.spawn(async move {
            served.await;
            "the HTTP listener"
        });
    }

    pub(super) fn reconcile(&mut self) {
        let (readiness, stop) = (Arc::clone(&self.readiness), self.stop.clone());
        let work = reconciler::run(Arc::clone(&self.ledger), Arc::clone(&self.sessions), stop);
        let health = self.health.clone();
        readiness.set_planning(true);
        self.parts.spawn(async move {
            api::set_serving(&health, true).await;
            work.await;
            readiness.set_planning(false);
            api::set_serving(&health, false).await;
            "the reconciler"
        });
    }

    pub(super) fn measure(&mut self, prober: Prober) {
        let work = probe::run(Arc::clone(&self.ledger), prober, self.stop.clone());
        self.parts.spawn(async move {
            work.await;
            "the round of checks"
        });
    }

    pub(super) fn renew(&mut self, shown: Shown) {
        let stop = self.stop.clone();
        self.parts.spawn(async move {
            tokio::select! {
                () = shown.keep_fresh() => {}
                () = stop.cancelled() => {}
            }
            "the renewal of the server certificate"
        });
    }

    /// Waits until a part ends by itself, which none should.
    pub async fn failed(&mut self) {
        if let Some(ended) = self.parts.join_next().await {
            let part = ended.unwrap_or("a part that panicked");
            tracing::error!(part, "a part of the coordinator ended by itself");
        }
    }

    /// Asks agents to leave within `drain`, lets calls end, and closes.
    pub async fn stop(mut self, drain: Duration) {
        self.readiness.set_leaving();
        api::set_serving(&self.health, false).await;
        let cut_off = self.sessions.drain(drain).await;
        if cut_off > 0 {
            tracing::warn!(agents = cut_off, "agents did not leave in time");
        }
        self.stop.cancel();
        let ended = async { while self.parts.join_next().await.is_some() {} };
        if tokio::time::timeout(LEAVE, ended).await.is_err() {
            tracing::warn!("calls did not end in time; their connections are cut");
            self.parts.shutdown().await;
        }
    }
}

/// Counts and audits what a listener refuses before anything is served. The
/// caller's port and the exact failure are left out, so that all sum to a few lines.
fn on_refused(listener: &'static str, ledger: &Arc<Ledger>) -> OnRefused {
    let ledger = Arc::clone(ledger);
    Arc::new(move |remote, error| {
        let reason = match error {
            HandshakeError::Timeout => "timeout",
            HandshakeError::Tls(_) => "tls",
            HandshakeError::Certificate(_) => "certificate",
        };
        metrics::counter!("pinion_handshakes_refused_total", "listener" => listener, "reason" => reason)
            .increment(1);
        tracing::debug!(%remote, listener, error = error as &dyn std::error::Error, "a connection was refused");
        let why = std::error::Error::source(error)
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        ledger.refused(RefusedCall {
            at: ledger.clock(),
            actor: None,
            subject: listener.to_owned(),
            detail: format!("{error}{why} (from {})", remote.ip()),
            count: 1,
        });
    })
}
