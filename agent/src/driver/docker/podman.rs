//! What is asked of Podman by its own API, where the one that it has of
//! Docker's says too little.

use pinion_workload::recreate::REPLACES_LABEL;
use pinion_workload::{ContainerId, CreateSpec, podman};
use serde_json::Value;

use super::line::Podman;
use super::raw;
use crate::driver::EngineError;

impl Podman {
    /// Podman's own answer about a container.
    async fn container(&self, id: &str) -> Result<Value, EngineError> {
        let path = format!("/libpod/containers/{id}/json");
        let what = format!("container {id}");
        self.raw.get("inspect by Podman's API", &what, &path).await
    }

    /// The compatible answer about an image, made whole.
    pub(super) async fn complete_image(&self, image: &mut Value) -> Result<(), EngineError> {
        let id = image["Id"].as_str().unwrap_or_default();
        let path = format!("/libpod/images/{}/json", raw::encode(id));
        let call = "inspect an image by Podman's API";
        let own = self.raw.get(call, &format!("image {id}"), &path).await?;
        podman::image_as_docker(image, &own);
        Ok(())
    }

    /// Refuses a container that lacks a setting of the one that it was made to
    /// replace. One that is gone already is nothing to compare with.
    pub(super) async fn require_settings(
        &self,
        spec: &CreateSpec,
        next: &ContainerId,
    ) -> Result<(), EngineError> {
        let Some(old) = spec.body["Labels"][REPLACES_LABEL].as_str() else {
            return Ok(());
        };
        let old = match self.container(old).await {
            Ok(old) => old,
            Err(EngineError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let lost = podman::lost(&old, &self.container(&next.0).await?);
        if lost.is_empty() {
            return Ok(());
        }
        Err(EngineError::Refused {
            call: "create",
            message: format!(
                "Podman {} would not keep these settings by Docker's API: {}; nothing was touched. Make the container \
                 again without them, or have a systemd unit (Quadlet) run it and update that",
                self.version,
                lost.join(", ")
            ),
        })
    }
}
