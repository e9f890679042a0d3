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
    /// If the server certificate cannot be used.
    pub fn start(
        self,
        settings: &Settings,
        http_tls: Option<Arc<ServerConfig>>,
        pki: Pki,
        ledger: Arc<Ledger>,
        metrics: PrometheusHandle,
        stop: CancellationToken,
    ) -> anyhow::Result<Running> {
        let config = Arc::new(settings.config.clone());
        let authenticator =
            Authenticator::new(Arc::clone(&ledger), settings.admin_api_token.as_deref());
        let sessions = sessions(settings, &ledger);
        let health = HealthReporter::new();
        let context = Arc::new(Context {
            ledger: Arc::clone(&ledger),
            config: Arc::clone(&config),
            authority: Arc::clone(&pki.authority),
            addresses: address::addresses(&settings.advertise, self.agents.address()),
            sessions: Arc::clone(&sessions),
            health: health.clone(),
            stop: stop.clone(),
        });
        let addresses = context.addresses.join(", ");
        tracing::info!(addresses, "agents are told to come to these addresses");
        let verifier = client_verifier(&pki.authority).context("trust our own authority")?;
        let domain = pki.authority.domain().clone();
        let shown = Shown::new(
            pki.authority,
            pki.dir,
            settings.names.clone(),
            verifier,
            pki.server,
        )?;
        let readiness = Arc::new(Readiness::default());
        let mut running = Running {
            agents: self.agents.address(),
            operators: self.operators.address(),
            http: self.http.address(),
            sessions,
            readiness: Arc::clone(&readiness),
            health,
            ledger: Arc::clone(&ledger),
            parts: JoinSet::new(),
            stop,
        };
        let mutual = || Transport::MutualTls(shown.mutual(), domain.clone());
        running.grpc(
            Face::Agents,
            self.agents,
            mutual(),
            &context,
            &authenticator,
        );
        running.grpc(
            Face::Operators,
            self.operators,
            mutual(),
            &context,
            &authenticator,
        );
        let transport = match (&settings.http_tls, http_tls) {
            (None, _) => Transport::Plain,
            (Some(HttpTls::Files { .. }), Some(config)) => Transport::Tls(watch::channel(config).1),
            (Some(_), _) => Transport::Tls(shown.web()),
        };
        let http = Http {
            ledger,
            config,
            authenticator,
            metrics,
            readiness,
        };
        running.web(self.http, transport, http);
        running.reconcile();
        running.renew(shown);
        Ok(running)
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
