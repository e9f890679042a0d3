//! `pinion-agent run`: wires everything together and takes it down again.
//!
//! ```text
//!   lock ─▶ journal ─┬─▶ reconcile, session, renewal, socket ─▶ engine answers ─▶ ready
//!                    └─▶ configuration or identity of no use: engine ─▶ recover, then exit
//! ```

mod adapters;
mod configuration;
mod recovery;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{AgentId, WorkloadName};
use pinion_workload::Report;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use adapters::Local;
use recovery::{patience, recovered};

use crate::cli::environment;
use crate::config::{Config, ConfigError, WorkloadSettings};
use crate::credentials::Resolver;
use crate::driver::Driver as _;
use crate::driver::docker::{ConnectError, Docker, Limits};
use crate::happenings::Happenings;
use crate::identity::{Identity, IdentityDir, IdentityError};
use crate::in_use::{InUse, Leases};
use crate::journal::{Journal, JournalError};
use crate::own::Own;
use crate::reconcile::{Handle, ROW_LIMIT, Reconciler};
use crate::report::{ReportError, Reports};
use crate::session::{Backoff, Sessions};
use crate::socket::SocketError;
use crate::{lock, machine, own, renew, socket, tls};

/// Where the engine is unless somebody says otherwise.
pub(crate) const ENGINE: &str = "unix:///var/run/docker.sock";
/// Between tries to reach the engine.
const ENGINE_RETRY: Duration = Duration::from_secs(5);
/// How long the coordinator may take to hear that the agent is replaced.
const TELL_LIMIT: Duration = Duration::from_secs(2);
/// How long the loop has to end after SIGTERM: a row of calls, and what it learns from it.
const LOOP_LIMIT: Duration = ROW_LIMIT.saturating_add(Duration::from_secs(1));
/// How long everything else has then. Both are less than the launcher waits, and
/// the unit (`TimeoutStopSec`).
const END_LIMIT: Duration = Duration::from_secs(5);

/// What a person asked for.
#[derive(Debug)]
pub struct RunOptions {
    /// Where everything of the agent's is kept.
    pub state_dir: PathBuf,
    /// The configuration, if not the usual one.
    pub config: Option<PathBuf>,
    /// The engine's socket, if not the configuration's.
    pub docker_host: Option<String>,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state directory cannot be used.
    #[error("cannot use the state directory {path}")]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody looks after this process.
    #[error(transparent)]
    Launcher(#[from] own::NotAlone),
    /// Another agent uses it.
    #[error("another agent runs with the state directory {0}")]
    Locked(PathBuf),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The engine's address is of no use.
    #[error(transparent)]
    Engine(#[from] ConnectError),
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The identity is of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The queue of reports cannot be used.
    #[error(transparent)]
    Reports(#[from] ReportError),
    /// The socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signal(#[source] std::io::Error),
    /// A part ended by itself: a defect.
    #[error(
        "the agent's {0} ended unexpectedly; the containers keep running, start the agent again"
    )]
    Ended(&'static str),
}

/// Runs until SIGTERM or SIGINT. Containers keep running after it.
///
/// # Errors
///
/// See [`RunError`]; what was under way has then been recovered where that
/// was possible.
pub async fn run(options: RunOptions) -> Result<(), RunError> {
    own::end_with_launcher()?;
    let _lock = lock(&options.state_dir)?;
    let journal = Arc::new(Journal::open(&options.state_dir)?);
    let stop = stop_signal()?;
    let config = configuration::read(&options);
    let usable = match &config {
        Ok(config) => config.clone(),
        Err(_) => configuration::last_good(&options.state_dir),
    };
    let ready = prepare(&options, config).await;
    let host = engine_host(&options, &usable);
    let driver = Arc::new(Docker::at(&host, Limits::default())?);
    let own = own_program(&options.state_dir, &host, &journal, ready.as_ref().ok());
    if let Err(error) = &ready {
        tracing::error!(
            error = tls::chain(error),
            "the agent cannot run; what was under way is recovered first"
        );
        let answered = tokio::time::timeout(patience(&journal), answered(&driver));
        tokio::select! {
            answered = answered => if answered.is_err() { return ready.map(drop); },
            () = stop.cancelled() => return Ok(()),
        }
    }
    let happenings = Arc::new(Happenings::open(
        &options.state_dir,
        journal.clock().clone(),
    ));
    happenings.note(
        None,
        concat!("the agent ", env!("CARGO_PKG_VERSION"), " started"),
    );
    let leases = Leases::open(&options.state_dir, journal.clock().clone());
    let leases = Arc::new(leases.with_dir(usable.lock_dir.clone()));
    let (reconciler, reports) = reconciler(&driver, journal, &usable, &leases);
    let reconciler = reconciler.with_own(Arc::clone(&own));
    let reconciler = reconciler.with_image_configs(&options.state_dir.join("images"));
    let reconciler = reconciler.with_happenings(Arc::clone(&happenings));
    let handle = reconciler.handle();
    let shutdown = CancellationToken::new();
    let reconcile = tokio::spawn(reconciler.run(shutdown.clone()));
    match ready {
        Err(error) => {
            recovered(&handle, &stop).await;
            shutdown.cancel();
            end(vec![reconcile], LOOP_LIMIT).await;
            Err(error)
        }
        Ok(ready) => {
            let engine_version = engine_version(driver, ready.identity.agent.clone());
            let parts = Parts {
                handle,
                happenings,
                engine_version,
                reports,
                reconcile,
                own,
                leases,
            };
            converge(ready, parts, stop, shutdown).await
        }
    }
}

/// The loop, and where its reports come out.
fn reconciler(
    driver: &Arc<Docker>,
    journal: Arc<Journal>,
    config: &Config,
    leases: &Arc<Leases>,
) -> (
    Reconciler<Docker, Resolver>,
    mpsc::UnboundedReceiver<Report>,
) {
    let (reports_in, reports_out) = mpsc::unbounded_channel();
    let resolver = Resolver::new(config.credentials.clone(), environment(), own_executable());
    let reconciler = Reconciler::new(
        Arc::clone(driver),
        journal,
        Arc::new(resolver),
        config.policy.clone(),
        reports_in,
    );
    let in_use = InUse::new(Arc::clone(leases), config.workloads.clone());
    let probe = |(name, settings): (&WorkloadName, &WorkloadSettings)| {
        Some((name.clone(), settings.probe.clone()?))
    };
    let reconciler = reconciler
        .with_pull_limits(config.pulls)
        .with_in_use(in_use)
        .with_probes(config.workloads.iter().filter_map(probe).collect());
    (reconciler, reports_out)
}

/// All that the agent needs beside the engine.
struct Ready {
    config: Config,
    identity: Identity,
    identity_dir: IdentityDir,
    reports: Arc<Reports>,
    listener: UnixListener,
}

async fn prepare(
    options: &RunOptions,
    config: Result<Config, ConfigError>,
) -> Result<Ready, RunError> {
    let config = config?;
    if config.policy.prefixes().is_empty() {
        tracing::warn!("this machine's policy allows no repository: every assignment is refused");
    }
    let identity_dir = IdentityDir::below(&options.state_dir);
    let identity = identity_dir.load()?;
    let reports = Arc::new(Reports::open(&options.state_dir)?);
    let listener = socket::listen(&options.state_dir).await?;
    Ok(Ready {
        config,
        identity,
        identity_dir,
        reports,
        listener,
    })
}

/// What was made for the agent's life.
struct Parts {
    handle: Handle,
    happenings: Arc<Happenings>,
    engine_version: watch::Receiver<String>,
    reports: mpsc::UnboundedReceiver<Report>,
    reconcile: JoinHandle<()>,
    own: Arc<Own>,
    leases: Arc<Leases>,
}

/// The agent's whole life until SIGTERM.
async fn converge(
    ready: Ready,
    parts: Parts,
    stop: CancellationToken,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let Parts {
        handle,
        happenings,
        engine_version,
        reports,
        mut reconcile,
        own,
        leases,
    } = parts;
    let identity = watch::Sender::new(Arc::new(ready.identity));
    let sessions = Sessions {
        converge: handle.clone(),
        identity: identity.subscribe(),
        reports: Arc::clone(&ready.reports),
        happenings: Arc::clone(&happenings),
        inventory: adapters::inventory(handle.status(), shutdown.clone()),
        order: ready.config.registries,
        facts: machine::facts().into_iter().chain(own.facts()).collect(),
        engine_version: engine_version.clone(),
        process_id: format!("{:032x}", rand::random::<u128>()),
    };
    let renewal = tokio::spawn(renew::keep_fresh(ready.identity_dir, identity, happenings));
    let local = Local {
        handle,
        engine_version,
    };
    let kept = Arc::clone(&ready.reports);
    let tasks = vec![
        tokio::spawn(keep_reports(reports, ready.reports)),
        tokio::spawn(socket::serve(
            ready.listener,
            local,
            leases,
            shutdown.clone(),
        )),
        tokio::spawn(sessions.hold(shutdown.clone())),
    ];
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = own.leave().cancelled() => {
            told(&kept).await;
            Ok(())
        }
        _ = &mut reconcile => Err(RunError::Ended("reconciler")),
    };
    tracing::info!("stopping; the containers keep running");
    renewal.abort();
    shutdown.cancel();
    // First the loop: what it reports is kept by the others.
    if ended.is_ok() {
        end(vec![reconcile], LOOP_LIMIT).await;
    }
    end(tasks, END_LIMIT).await;
    ended
}

/// The engine's version once it answers; says that the agent is ready then.
fn engine_version(driver: Arc<Docker>, agent: AgentId) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let version = answered(&driver).await;
        println!("ready agent={agent} engine={version}");
        sender.send_replace(version);
        // Whoever waits for another version waits until the agent ends.
        sender.closed().await;
    });
    receiver
}

/// Moves reports to the queue until nobody sends any more.
async fn keep_reports(mut from: mpsc::UnboundedReceiver<Report>, reports: Arc<Reports>) {
    while let Some(report) = from.recv().await {
        let queue = Arc::clone(&reports);
        match tokio::task::spawn_blocking(move || queue.offer(report)).await {
            Ok(Err(error)) => {
                tracing::error!(error = tls::chain(&error), "a report is in memory alone")
            }
            Err(error) => tracing::error!(%error, "a report was lost"),
            Ok(Ok(())) => {}
        }
    }
}

/// Waits until the coordinator has what there is to tell, but not for long:
/// the next agent tells it otherwise.
async fn told(reports: &Reports) {
    let end = tokio::time::Instant::now() + TELL_LIMIT;
    while !reports.after(0).is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// This program, as it was started.
fn own_program(
    state_dir: &Path,
    engine_host: &str,
    journal: &Journal,
    ready: Option<&Ready>,
) -> Arc<Own> {
    let since = journal.clock().now();
    let own = Own::new(own::detect(), state_dir, engine_host, since);
    let addresses = ready.map(|ready| ready.identity.addresses.as_slice());
    Arc::new(own.with_addresses(addresses.unwrap_or_default()))
}

fn engine_host(options: &RunOptions, config: &Config) -> String {
    let named = options.docker_host.as_ref().or(config.engine_host.as_ref());
    named.map_or(ENGINE, String::as_str).to_owned()
}

/// Waits until the engine answers, and returns its version.
async fn answered(driver: &Docker) -> String {
    let mut backoff = Backoff::new(ENGINE_RETRY);
    loop {
        match driver.info().await {
            Ok(info) => return info.version,
            Err(error) => tracing::warn!(
                why = tls::chain(&error),
                "the container engine does not answer; trying again"
            ),
        }
        tokio::time::sleep(backoff.next_delay(1.0)).await;
    }
}

fn lock(state_dir: &Path) -> Result<std::fs::File, RunError> {
    let taken = lock::take(state_dir).map_err(|source| RunError::StateDir {
        path: state_dir.to_owned(),
        source,
    })?;
    taken.ok_or_else(|| RunError::Locked(state_dir.to_owned()))
}

/// Cancelled by SIGTERM or SIGINT.
pub(crate) fn stop_signal() -> Result<CancellationToken, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}

async fn end(tasks: Vec<JoinHandle<()>>, limit: Duration) {
    let end = tokio::time::Instant::now() + limit;
    for mut task in tasks {
        if tokio::time::timeout_at(end, &mut task).await.is_err() {
            tracing::warn!("a part of the agent did not end in time");
            task.abort();
        }
    }
}

/// This program, for the built-in credential helpers.
fn own_executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "pinion-agent".into())
}
