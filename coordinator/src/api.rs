//! The gRPC face: every service of `pinion.v1`, health and reflection.
//!
//! Thin: a message is parsed, the ledger is asked, the answer is converted.
//! Who may call what is settled in one layer before; what an error becomes is
//! settled in one place.
//!
//! ```text
//!   AuthLayer ─▶ pins · rollouts · strategies · quarantine · fleet · enrollment · access · audit · session
//!                   │ parse            ▲ convert
//!                   └──▶ ledger.decide(commands::…) ──┘        error ─▶ tonic::Status
//! ```

mod access;
mod audit;
mod auth;
mod convert;
mod enrollment;
mod error;
mod field;
mod fleet;
mod holds;
mod page;
mod pins;
mod quarantine;
mod refresh;
mod rollouts;
pub mod session;
mod strategies;
mod told;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{Actor, Timestamp, WorkloadName};
use pinion_proto::roles::METHODS;
use pinion_proto::v1;
use pinion_rollout::{Outcome, Refusal, World};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

pub use auth::{AuthLayer, AuthService};
pub use error::CallError;

use crate::config::Config;
use crate::identity::{Authority, Peer};
use crate::ledger::Ledger;
use crate::sessions::Sessions;

/// What every service needs.
pub struct Context {
    /// Where everything is decided.
    pub ledger: Arc<Ledger>,
    /// The catalog. Strategies are looked up in the World.
    pub config: Arc<Config>,
    /// Signs certificates.
    pub authority: Arc<Authority>,
    /// How long an agent's certificate is good.
    pub certificate_life: Duration,
    /// `host:port` of the agents' listener, the best first: stands in tokens.
    pub addresses: Vec<String>,
    /// The live sessions of agents.
    pub sessions: Arc<Sessions>,
    /// What `grpc.health.v1` answers.
    pub health: HealthReporter,
    /// Ends every watching stream.
    pub stop: CancellationToken,
}

impl Context {
    /// Decides by `command`, and answers once that is durable.
    async fn decide<T>(
        &self,
        command: impl Fn(&World, Timestamp) -> Result<Outcome<T>, Refusal>,
    ) -> Result<T, CallError> {
        Ok(self.ledger.decide(command).await?.value)
    }

    /// A workload's name, if the catalog or the history knows it.
    fn known_workload(&self, name: &str) -> Result<WorkloadName, CallError> {
        let name: WorkloadName = field::text("workload", name)?;
        let pinned = || {
            self.ledger
                .read(|world| world.workloads.contains_key(&name))
        };
        if self.config.workloads.contains_key(&name) || pinned() {
            return Ok(name);
        }
        Err(CallError::not_found("workload", name))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// How large messages may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// That are received.
    pub inbound: usize,
    /// That are sent.
    pub outbound: usize,
}

/// Who makes a call that the [`AuthLayer`] let in.
fn caller<T>(request: &Request<T>) -> Actor {
    request
        .extensions()
        .get::<Peer>()
        .map_or(Actor::System, Peer::actor)
}

/// A service with `limits`.
macro_rules! limited {
    ($server:path, $service:expr, $limits:expr) => {
        <$server>::new($service)
            .max_decoding_message_size($limits.inbound)
            .max_encoding_message_size($limits.outbound)
    };
}

/// Every service, with `limits`.
pub fn routes(context: &Arc<Context>, limits: MessageLimits) -> Routes {
    use v1::access_service_server::AccessServiceServer;
    use v1::audit_service_server::AuditServiceServer;
    use v1::enrollment_service_server::EnrollmentServiceServer;
    use v1::fleet_service_server::FleetServiceServer;
    use v1::pin_service_server::PinServiceServer;
    use v1::quarantine_service_server::QuarantineServiceServer;
    use v1::rollout_service_server::RolloutServiceServer;
    use v1::strategy_service_server::StrategyServiceServer;

    let at = || Arc::clone(context);
    let health = HealthService::from_health_reporter(context.health.clone());
    Routes::default()
        .add_service(session::AgentApi::server(Arc::clone(&context.sessions)))
        .add_service(limited!(PinServiceServer<_>, pins::PinApi(at()), limits))
        .add_service(limited!(
            RolloutServiceServer<_>,
            rollouts::RolloutApi(at()),
            limits
        ))
        .add_service(limited!(
            StrategyServiceServer<_>,
            strategies::StrategyApi(at()),
            limits
        ))
        .add_service(limited!(
            QuarantineServiceServer<_>,
            quarantine::QuarantineApi(at()),
            limits
        ))
        .add_service(limited!(
            FleetServiceServer<_>,
            fleet::FleetApi(at()),
            limits
        ))
        .add_service(limited!(
            EnrollmentServiceServer<_>,
            enrollment::EnrollmentApi(at()),
            limits
        ))
        .add_service(limited!(
            AccessServiceServer<_>,
            access::AccessApi(at()),
            limits
        ))
        .add_service(limited!(
            AuditServiceServer<_>,
            audit::AuditApi(at()),
            limits
        ))
        .add_service(HealthServer::new(health))
        .add_service(reflection().build_v1().expect(DESCRIPTORS_ARE_GOOD))
        .add_service(reflection().build_v1alpha().expect(DESCRIPTORS_ARE_GOOD))
        .prepare()
}

/// Says of the coordinator and of each of its services whether it serves.
pub async fn set_serving(health: &HealthReporter, serving: bool) {
    let word = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    let services: BTreeSet<_> = METHODS
        .iter()
        .filter_map(|path| path.split('/').nth(1))
        .collect();
    for service in services.into_iter().chain([""]) {
        health.set_service_status(service, word).await;
    }
}

const DESCRIPTORS_ARE_GOOD: &str = "the descriptors were made by the build";

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pinion_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// The catalog as agents are told of it.
#[must_use]
pub fn catalog(config: &Config) -> Vec<v1::CatalogEntry> {
    let image = |image: &pinion_model::Image| v1::Image {
        registry: image.registry.to_string(),
        repository: image.repository.to_string(),
        digest: String::new(),
    };
    let entry = |(name, workload): (&pinion_model::WorkloadName, &crate::config::Workload)| {
        v1::CatalogEntry {
            workload: name.to_string(),
            images: workload.images.iter().map(image).collect(),
            local_tag: workload.local_tag.clone(),
        }
    };
    config.workloads.iter().map(entry).collect()
}
