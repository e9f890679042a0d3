//! The running coordinator: what is opened in which order, and closed again.
//!
//! ```text
//!   store ─▶ ledger ─▶ identity ─▶ bind ─▶ sessions, reconciler ─▶ listeners ─▶ ready
//!   SIGTERM: not ready ─▶ drain agents ─▶ stop accepting ─▶ end streams ─▶ close
//! ```

mod address;
mod bootstrap;
mod grpc;
mod limits;
mod listeners;
mod measures;
mod renewal;
mod running;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use address::{Advertised, server_names};
pub(crate) use bootstrap::pki_dir;
pub use bootstrap::{Pki, pki};
pub use grpc::Face;
pub use listeners::Bound;
pub use running::Running;

use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::identity::ServerName;
use crate::ledger::Ledger;
use crate::store::{CutPolicy, SqliteStore};

/// Everything that `serve` was told, checked.
#[derive(Clone)]
pub struct Settings {
    /// Holds everything.
    pub data_dir: PathBuf,
    /// Registries, catalog, strategies.
    pub config: Config,
    /// How agents reach the coordinator, the best first; empty: found out.
    pub advertise: Vec<Advertised>,
    /// What the server certificate is good for.
    pub names: BTreeSet<ServerName>,
    /// Where agents come; port 0 takes a free one, here and below.
    pub agents_listen: SocketAddr,
    /// Where operators come.
    pub operators_listen: SocketAddr,
    /// Where HTTP clients come.
    pub http_listen: SocketAddr,
    /// Whether and how HTTP is encrypted; never `None` on anything but loopback.
    pub http_tls: Option<HttpTls>,
    /// How often agents say that they are there.
    pub heartbeat: Duration,
    /// How long agents may take to leave at the end.
    pub drain: Duration,
    /// How long an agent's certificate is good.
    pub certificate_life: Duration,
    /// One more API token, of role promoter.
    pub admin_api_token: Option<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// The HTTP listener's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpTls {
    /// The coordinator's own.
    Own,
    /// Given files, in PEM.
    Files {
        /// The chain, the server's own certificate first.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// Where the database is, in a data directory.
#[must_use]
pub fn database(data_dir: &std::path::Path) -> PathBuf {
    data_dir.join("coordinator.db")
}

/// Serves until SIGTERM or SIGINT; a second one ends it at once.
///
/// # Errors
///
/// If something cannot be read, opened or bound.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let metrics = measures::install()?;
    let http_tls = bootstrap::http_tls(settings.http_tls.as_ref())?;
    crate::identity::files::private_dir(&settings.data_dir)?;
    let store = SqliteStore::open(database(&settings.data_dir), CutPolicy::default()).await?;
    let ledger = Ledger::open(Arc::new(store))
        .await
        .context("load the store")?;
    crate::strategies::seed(&ledger, &settings.config).await?;
    let pki = pki(&settings, SystemClock.now())?;
    let first = bootstrap::first_admin(&settings.data_dir, &pki, &ledger).await?;
    limits::raise_open_files();
    let bound = Bound::bind(&settings).await?;
    let mut running = bound.start(
        &settings,
        http_tls,
        pki,
        ledger,
        metrics,
        CancellationToken::new(),
    )?;
    if first {
        println!("Next, a token for the first machine:");
        println!(
            "  {}",
            bootstrap::next_command(&settings.data_dir, running.operators)
        );
    }
    println!("{}", running.ready_line());
    tokio::select! {
        () = stop.asked() => {}
        () = running.failed() => {
            running.stop(settings.drain).await;
            anyhow::bail!("a part of the coordinator ended by itself; see the log");
        }
    }
    tracing::info!("told to stop; agents are asked to leave");
    tokio::select! {
        () = running.stop(settings.drain) => tracing::info!("stopped"),
        () = stop.asked() => tracing::warn!("told to stop again; stopped at once"),
    }
    Ok(())
}

/// SIGTERM and SIGINT, listened for from the start, so that none is lost.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
