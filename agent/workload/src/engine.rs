use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{
    AgentPhase, Attempt, Deferral, Digest, Failure, Generation, ImageRef, Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::{Claim, podman};

/// An engine's id of a container: 64 hex digits. Containers are addressed by it alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub String);

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One container as the engine answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the leading slash.
    pub name: String,
    /// The engine's id of its image.
    pub image_id: String,
    /// The reference that it was created from (`Config.Image`).
    pub image_reference: String,
    /// The digests under which its image was pulled; empty if the image is gone.
    pub repo_digests: Vec<ImageRef>,
    /// Merged labels.
    pub labels: BTreeMap<String, String>,
    /// What it does now.
    pub state: ContainerState,
    /// What its health check says.
    pub health: Health,
    /// Its health check's timing, if it has one.
    pub health_timing: Option<HealthTiming>,
    /// How often the engine restarted it.
    pub restart_count: u32,
    /// The kernel killed it for its memory.
    pub oom_killed: bool,
    /// Of its last exit.
    pub exit_code: i64,
    /// When it last started, by the engine's clock.
    pub started_at: Option<Timestamp>,
    /// Restart policy's name: "no", "always", "unless-stopped" or "on-failure".
    pub restart_policy: String,
    /// Retries of "on-failure".
    pub restart_retries: i64,
    /// `--rm`: stopping it deletes it.
    pub auto_remove: bool,
    /// Grace that `stop` gives; the engine's default is 10 s.
    pub stop_timeout: Duration,
    /// Ids or names of the containers that it does not work without: whose
    /// network, IPC or PID namespace or volumes it shares, and those that it
    /// links to.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// What it has for itself alone ([`claims`](crate::claims)).
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// The Podman that runs it; none if the engine is Docker's.
    #[serde(default)]
    pub podman: Option<podman::Version>,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Never started.
    Created,
    /// Runs.
    Running,
    /// Runs, frozen.
    Paused,
    /// Between an exit and the engine's next try.
    Restarting,
    /// Stopped.
    Exited,
    /// Stopped with the engine, whose own end it was: that tells nothing of it.
    Interrupted,
    /// Being removed.
    Removing,
    /// The engine could not stop or remove it.
    Dead,
}

/// What a container's health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has none.
    None,
    /// Not decided yet.
    Starting,
    /// Passes.
    Healthy,
    /// Fails.
    Unhealthy,
}

impl Health {
    /// The engine's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Timing of a health check, with the engine's defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthTiming {
    /// Between checks; the engine's default is 30 s.
    pub interval: Duration,
    /// Of one check; the engine's default is 30 s.
    pub timeout: Duration,
    /// In which failures do not count; the engine's default is 0.
    pub start_period: Duration,
    /// Between checks within it; the default of engines that know it is 5 s.
    pub start_interval: Duration,
    /// Failures in a row until unhealthy; the engine's default is 3.
    pub retries: u32,
}

/// One image as the engine answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The engine's id.
    pub id: String,
    /// The digests under which it was pulled.
    pub repo_digests: Vec<ImageRef>,
    /// Local tags.
    pub repo_tags: Vec<String>,
    /// "linux", as OCI names it.
    pub os: String,
    /// "amd64", as OCI names it.
    pub architecture: String,
    /// The image's `Config`, as the engine's JSON.
    pub config: serde_json::Value,
}

/// What to send to the engine to make a container, without loss. Its
/// environment may hold secrets: printed, it shows nothing of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSpec {
    /// Body of `POST /containers/create`, as the engine's JSON.
    pub body: serde_json::Value,
    /// Networks to connect before the start, with their endpoint's JSON:
    /// engines before API 1.44 take one at creation.
    pub connect: Vec<(String, serde_json::Value)>,
    /// What cannot be kept, for the log.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for CreateSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateSpec")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// How one assignment fares: what goes to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which workload.
    pub workload: WorkloadName,
    /// Of the assignment.
    pub generation: Generation,
    /// Of the assignment.
    pub attempt: Attempt,
    /// Where it stands.
    pub phase: AgentPhase,
    /// Why it waits, or why it does not where it was asked to soak; else empty.
    pub waiting_for: String,
    /// Why it failed; of one that settled, what could not be tidied up.
    pub failure: Option<Failure>,
    /// While the machine is in use, and afterwards if it was cut over all the same.
    #[serde(default)]
    pub deferral: Option<Deferral>,
    /// The digest that its containers run after this, if they run one.
    pub running: Option<Digest>,
    /// When, by the agent's clock; informative.
    pub at: Timestamp,
}
