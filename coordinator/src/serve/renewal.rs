use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::Timestamp;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;

use crate::clock::{Clock as _, SystemClock};
use crate::identity::{Authority, ServerCertificate, ServerName, server_certificate};
use crate::listen::{TlsError, mutual_tls, server_tls};

/// How often the certificate's age is looked at.
const LOOK: Duration = Duration::from_secs(3600);

/// The server certificate in the two forms in which it is shown, renewed
/// while the coordinator runs.
pub(super) struct Shown {
    pub(super) authority: Arc<Authority>,
    pub(super) dir: PathBuf,
    pub(super) names: BTreeSet<ServerName>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    mutual: watch::Sender<Arc<ServerConfig>>,
    web: watch::Sender<Arc<ServerConfig>>,
    renew_at: Timestamp,
}

impl Shown {
    pub(super) fn new(
        authority: Arc<Authority>,
        dir: PathBuf,
        names: BTreeSet<ServerName>,
        verifier: Arc<dyn ClientCertVerifier>,
        server: ServerCertificate,
    ) -> Result<Self, TlsError> {
        let renew_at = server.renew_at;
        let (mutual, web) = configs(&verifier, server)?;
        let (mutual, web) = (watch::Sender::new(mutual), watch::Sender::new(web));
        Ok(Self {
            authority,
            dir,
            names,
            verifier,
            mutual,
            web,
            renew_at,
        })
    }

    /// For the two gRPC listeners.
    pub(super) fn mutual(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.mutual.subscribe()
    }

    /// For the HTTP listener.
    pub(super) fn web(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.web.subscribe()
    }

    /// Renews the certificate when it is due, for ever.
    pub(super) async fn keep_fresh(mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if SystemClock.now() < self.renew_at {
                continue;
            }
            match self.renew() {
                Ok(()) => tracing::info!("the server certificate was renewed"),
                Err(error) => {
                    tracing::error!(%error, "the server certificate could not be renewed; trying again in an hour")
                }
            }
        }
    }

    fn renew(&mut self) -> anyhow::Result<()> {
        let server =
            server_certificate(&self.dir, &self.authority, &self.names, SystemClock.now())?;
        self.renew_at = server.renew_at;
        let (mutual, web) = configs(&self.verifier, server)?;
        self.mutual.send_replace(mutual);
        self.web.send_replace(web);
        Ok(())
    }
}

type Configs = (Arc<ServerConfig>, Arc<ServerConfig>);

fn configs(
    verifier: &Arc<dyn ClientCertVerifier>,
    server: ServerCertificate,
) -> Result<Configs, TlsError> {
    let mutual = mutual_tls(
        server.chain.clone(),
        server.key.clone_key(),
        Arc::clone(verifier),
    )?;
    Ok((mutual, server_tls(server.chain, server.key)?))
}
