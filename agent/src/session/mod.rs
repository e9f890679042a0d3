//! The session with the coordinator: one stream, kept alive, taken up again
//! when it breaks.
//!
//! ```text
//!   Hello ─▶                    ◀─ Welcome (heartbeat period, catalog)
//!   Heartbeat, Inventory ─▶     ◀─ DesiredState ──▶ journal ──▶ DesiredStateAck
//!   Report (until acknowledged) ─▶  ◀─ ReportAck         Drain: leave, come back later
//!   Happenings (what it did meanwhile) ─▶
//! ```
//!
//! Being away changes nothing on the machine: the reconciler goes on with what
//! is in its journal.

mod backoff;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{Generation, RegistryName};
use pinion_proto::v1;
use pinion_workload::{Desired, Report};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::happenings::Happenings;
use crate::identity::Identity;
use crate::machine::wall_clock;
use crate::report::Reports;
use crate::tls;

pub use backoff::Backoff;
use stream::Ended;

/// A session that lived this long was a good one: the next delay is short again.
const GOOD: Duration = Duration::from_secs(30);

/// What a session needs of the reconciler.
pub trait Converge: Send + Sync + 'static {
    /// The highest generation that was accepted.
    fn generation(&self) -> Generation;

    /// The phase of each assignment that is known.
    fn reports(&self) -> Vec<Report>;

    /// A session has begun, or has ended.
    fn session(&self, _is_live: bool) {}

    /// Takes a desired state; it is on disk when this returns. The answer is
    /// the generation that counts now: a higher one if `desired` is stale.
    ///
    /// The error, in words, is one of the disk: nothing was accepted.
    fn accept(&self, desired: Desired) -> impl Future<Output = Result<Generation, String>> + Send;
}

/// All that sessions share.
#[derive(Debug)]
pub struct Sessions<C> {
    /// The reconciler.
    pub converge: C,
    /// Who this machine is, renewed from time to time.
    pub identity: watch::Receiver<Arc<Identity>>,
    /// What is to be told.
    pub reports: Arc<Reports>,
    /// What happened, told at the begin of each session and then as it comes.
    pub happenings: Arc<Happenings>,
    /// What the machine runs; none until that is known.
    pub inventory: watch::Receiver<Option<v1::Inventory>>,
    /// The machine's own order of registries.
    pub order: Vec<RegistryName>,
    /// Facts of the machine, for people.
    pub facts: BTreeMap<String, String>,
    /// The engine's version; empty until it has answered.
    pub engine_version: watch::Receiver<String>,
    /// Random: two of one identity at once mean a clone.
    pub process_id: String,
}

impl<C: Converge> Sessions<C> {
    /// Holds a session whenever it can, until `shutdown`.
    pub async fn hold(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(backoff::LIMIT);
        let mut turn = 0;
        while !shutdown.is_cancelled() {
            let identity = self.valid_identity(&shutdown).await;
            let Some(address) = identity
                .addresses
                .get(turn % identity.addresses.len().max(1))
            else {
                tracing::error!(
                    "the identity names no address of the coordinator: enrol again with --force"
                );
                return shutdown.cancelled().await;
            };
            let began = Instant::now();
            let ended = tokio::select! {
                ended = stream::run(&mut self, &identity, address) => ended,
                () = shutdown.cancelled() => return,
            };
            if let Some(limit) = ended.reconnect_limit.filter(|_| began.elapsed() >= GOOD) {
                backoff = Backoff::new(limit);
            }
            let delay = match ended.why {
                Ended::Drained(delay) => {
                    tracing::info!(address, ?delay, "the coordinator asked to come back later");
                    delay
                }
                Ended::News => {
                    tracing::info!(
                        address,
                        "the engine's version is known now: introducing this machine again"
                    );
                    Duration::ZERO
                }
                Ended::Broken(why) => {
                    turn += 1;
                    let delay = backoff.next_delay(rand::random());
                    tracing::warn!(address, why, ?delay, "no session with the coordinator");
                    delay
                }
            };
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Waits for the renewal if the certificate has ended: nothing else is
    /// allowed with it.
    async fn valid_identity(&mut self, shutdown: &CancellationToken) -> Arc<Identity> {
        loop {
            let identity = Arc::clone(&self.identity.borrow_and_update());
            if wall_clock() < identity.not_after || shutdown.is_cancelled() {
                return identity;
            }
            tracing::warn!(not_after = %identity.not_after, "the certificate has ended: waiting for its renewal");
            tokio::select! {
                changed = self.identity.changed() => if changed.is_err() { return identity; },
                () = shutdown.cancelled() => return identity,
            }
        }
    }
}

/// The session's client for one connection, with the protocol's limits.
fn client(
    channel: tonic::transport::Channel,
) -> v1::agent_service_client::AgentServiceClient<tonic::transport::Channel> {
    v1::agent_service_client::AgentServiceClient::new(channel)
        .max_decoding_message_size(stream::INBOUND_LIMIT)
        .max_encoding_message_size(stream::OUTBOUND_LIMIT)
}

async fn connect(
    identity: &Identity,
    address: &str,
) -> Result<tonic::transport::Channel, tls::ConnectError> {
    tls::connect(address, tls::session_config(identity)?).await
}
