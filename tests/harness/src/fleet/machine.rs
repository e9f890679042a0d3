//! One machine of a fleet, as its engine shows it.

use std::time::Duration;

use anyhow::bail;
use bollard::models::RestartPolicyNameEnum;

use super::{CONTAINER, PORT};
use crate::agent::Agent;
use crate::engine::{Container, Run};
use crate::registry::{PASSWORD, USER};
use crate::tenant::{EngineKind, Tenant};
use crate::wait::eventually;

/// One tenant machine with its agent.
#[derive(Debug)]
pub struct Machine {
    /// Killed before its machine goes, so that it never sees a half-dead one.
    pub agent: Agent,
    /// The machine.
    pub tenant: Tenant,
}

impl Machine {
    /// The workload's container, from the engine itself.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn container(&self) -> anyhow::Result<Container> {
        self.tenant.engine().container(CONTAINER).await
    }

    /// Waits until the engine itself shows the container running `digest`, healthy, under its name.
    ///
    /// # Errors
    ///
    /// After `deadline`, with what the engine showed last.
    pub async fn runs(&self, digest: &str, deadline: Duration) -> anyhow::Result<Container> {
        let what = format!(
            "the engine of {} shows {digest} healthy",
            self.tenant.name()
        );
        eventually(&what, deadline, async || {
            let container = self.container().await?;
            if !container.runs(digest) {
                bail!(
                    "{} {} {:?}",
                    container.id,
                    container.health,
                    container.digests
                );
            }
            Ok(container)
        })
        .await
    }

    /// Waits until the machine has its one container and nothing else of ours.
    ///
    /// # Errors
    ///
    /// After `deadline`, with the containers that are there.
    pub async fn is_tidy(&self, deadline: Duration) -> anyhow::Result<()> {
        let what = format!("{} has one container and no leftover", self.tenant.name());
        eventually(&what, deadline, async || {
            let containers = self.tenant.engine().containers().await?;
            match containers.as_slice() {
                [one] if one.running && one.name == CONTAINER => Ok(()),
                _ => bail!("{:?}", names(&containers)),
            }
        })
        .await
    }
}

/// Starts the workload's container as somebody did long before Pinion came.
///
/// # Errors
///
/// If the engine refuses.
pub async fn run_by_hand(tenant: &Tenant, image: &str) -> anyhow::Result<String> {
    tenant.engine().pull(image, USER, PASSWORD).await?;
    let run = Run::new(CONTAINER, image)
        .port(PORT)
        .env("TENANT=acme")
        .label("owner", "platform");
    let run = match tenant.kind() {
        EngineKind::Docker => run,
        // One that has a restart policy is refused there.
        EngineKind::Podman => run.policy(RestartPolicyNameEnum::NO),
    };
    tenant.engine().run(&run).await
}

/// Names of containers, each with whether it runs.
#[must_use]
pub fn names(containers: &[Container]) -> Vec<String> {
    let describe = |container: &Container| {
        let running = if container.running {
            "running"
        } else {
            "stopped"
        };
        format!("{} {running}", container.name)
    };
    containers.iter().map(describe).collect()
}
