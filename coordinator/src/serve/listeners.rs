use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use super::renewal::Shown;
use super::{Face, HttpTls, Pki, Running, Settings, address};
use crate::api::{self, Context};
use crate::authentication::Authenticator;
use crate::http::{Http, Readiness};
use crate::identity::client_verifier;
use crate::ledger::Ledger;
use crate::listen::{Listener, Transport};
use crate::probe::Prober;
use crate::sessions::{SessionSettings, Sessions};

/// Three sockets that accept nothing yet.
#[derive(Debug)]
pub struct Bound {
    agents: Listener,
    operators: Listener,
    http: Listener,
}

impl Bound {
    /// Binds all three.
    ///
    /// # Errors
    ///
    /// If one of them cannot be bound; it is named.
    pub async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let bind = async |flag: &str, address: SocketAddr| {
            Listener::bind(address)
                .await
                .with_context(|| format!("listen on {address} ({flag})"))
        };
        Ok(Self {
            agents: bind("--agents-listen", settings.agents_listen).await?,
            operators: bind("--operators-listen", settings.operators_listen).await?,
            http: bind("--http-listen", settings.http_listen).await?,
        })
    }

    /// Serves on all three. `stop` ends it at once; [`Running::stop`] ends it well.
    ///
    /// # Errors
    ///
    /// If the server certificate cannot be used, or no client can be made.
    pub fn start(
        self,
        settings: &Settings,
        http_tls: Option<Arc<ServerConfig>>,
        pki: Pki,
        ledger: Arc<Ledger>,
        metrics: PrometheusHandle,
        stop: CancellationToken,
    ) -> anyhow::Result<Running> {
        let prober =
            Prober::new(settings.config.probe_tokens.clone()).context("prepare to ask checks")?;
        let authenticator =
            Authenticator::new(Arc::clone(&ledger), settings.admin_api_token.as_deref());
        let context = Arc::new(self.context(settings, &pki, &ledger, stop));
        let mut running = self.running(&context);
        let domain = pki.authority.domain().clone();
        let shown = shown(settings, pki)?;
        let mutual = || Transport::MutualTls(shown.mutual(), domain.clone());
        for (face, listener) in [
            (Face::Agents, self.agents),
            (Face::Operators, self.operators),
        ] {
            running.grpc(face, listener, mutual(), &context, &authenticator);
        }
        let http = Http {
            ledger,
            config: Arc::clone(&context.config),
            authenticator,
            metrics,
            readiness: Arc::clone(&running.readiness),
        };
        running.web(self.http, web(settings, http_tls, &shown), http);
        running.reconcile();
        running.measure(prober);
        running.renew(shown);
        Ok(running)
    }

    fn context(
        &self,
        settings: &Settings,
        pki: &Pki,
        ledger: &Arc<Ledger>,
        stop: CancellationToken,
    ) -> Context {
        Context {
            ledger: Arc::clone(ledger),
            config: Arc::new(settings.config.clone()),
            authority: Arc::clone(&pki.authority),
            certificate_life: settings.certificate_life,
            addresses: address::addresses(&settings.advertise, self.agents.address()),
            sessions: sessions(settings, ledger),
            health: HealthReporter::new(),
            stop,
        }
    }

    /// A coordinator of which no part runs yet.
    fn running(&self, context: &Context) -> Running {
        Running {
            agents: self.agents.address(),
            operators: self.operators.address(),
            http: self.http.address(),
            sessions: Arc::clone(&context.sessions),
            readiness: Arc::new(Readiness::default()),
            health: context.health.clone(),
            ledger: Arc::clone(&context.ledger),
            parts: JoinSet::new(),
            stop: context.stop.clone(),
        }
    }
}

fn shown(settings: &Settings, pki: Pki) -> anyhow::Result<Shown> {
    let verifier = client_verifier(&pki.authority).context("trust our own authority")?;
    let names = settings.names.clone();
    let shown = Shown::new(pki.authority, pki.dir, names, verifier, pki.server)?;
    Ok(shown)
}

/// How the HTTP listener talks.
fn web(settings: &Settings, files: Option<Arc<ServerConfig>>, shown: &Shown) -> Transport {
    match (&settings.http_tls, files) {
        (None, _) => Transport::Plain,
        (Some(HttpTls::Files { .. }), Some(config)) => Transport::Tls(watch::channel(config).1),
        (Some(_), _) => Transport::Tls(shown.web()),
    }
}

fn sessions(settings: &Settings, ledger: &Arc<Ledger>) -> Arc<Sessions> {
    let catalog = api::catalog(&settings.config);
    let kept = SessionSettings {
        heartbeat_period: settings.heartbeat,
        ..SessionSettings::default()
    };
    Sessions::new(Arc::clone(ledger), kept, Arc::new(move || catalog.clone()))
}
