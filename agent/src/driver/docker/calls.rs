//! Each method of the driver: one call, one effect.

use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::{
    RemoveContainerOptions, RemoveImageOptions, RenameContainerOptions, StartContainerOptions,
    StopContainerOptions, TagImageOptions,
};
use pinion_model::{Failure, ImageRef};
use pinion_workload::probe::{Probe, ProbeAnswer};
use pinion_workload::{Container, ContainerId, CreateSpec, Image, podman};
use serde_json::{Value, json};

use super::errors::from_client;
use super::{Docker, archive, containers, last_words, probe, pull, raw, read};
use crate::credentials::Credential;
use crate::driver::{Driver, EngineError, EngineInfo, Pulled};
use crate::room::Disk;
use crate::words::LastWords;

/// How long an answer of "stop" may take beyond the grace.
const STOP_MARGIN: Duration = Duration::from_secs(30);

impl Docker {
    /// Refuses a container whose networks are not there: old engines note the
    /// name and fail at the start, when the old container is already stopped.
    async fn require_networks(&self, spec: &CreateSpec) -> Result<(), EngineError> {
        let endpoints = spec.body.pointer("/NetworkingConfig/EndpointsConfig");
        let primary = endpoints
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|all| all.keys());
        for network in primary.chain(spec.connect.iter().map(|(network, _)| network)) {
            let path = format!("/networks/{}", raw::encode(network));
            let found = self
                .link()
                .await?
                .raw
                .get("inspect a network", network, &path)
                .await;
            if let Err(EngineError::NotFound(_)) = found {
                let message = format!("its network {network} is not on this machine");
                return Err(EngineError::Refused {
                    call: "create",
                    message,
                });
            }
            found?;
        }
        Ok(())
    }

    /// Gives it its networks, and sees that it has all else.
    async fn complete(&self, id: &ContainerId, spec: &CreateSpec) -> Result<(), EngineError> {
        self.connect_networks(&id.0, spec).await?;
        match &self.link().await?.podman {
            Some(podman) => podman.require_settings(spec, id).await,
            None => Ok(()),
        }
    }

    async fn connect_networks(&self, id: &str, spec: &CreateSpec) -> Result<(), EngineError> {
        for (network, endpoint) in &spec.connect {
            let path = format!("/networks/{}/connect", raw::encode(network));
            let body = json!({ "Container": id, "EndpointConfig": endpoint });
            let what = format!("network {network}");
            self.link()
                .await?
                .raw
                .post("connect a network", &what, &path, &body)
                .await?;
        }
        Ok(())
    }

    async fn is_called(&self, id: &ContainerId, name: &str) -> bool {
        let inspect = self.inspect(id).await;
        inspect.is_ok_and(|inspect| inspect["Name"].as_str() == Some(&format!("/{name}")))
    }
}

fn container(id: &ContainerId) -> String {
    format!("container {id}")
}

impl Driver for Docker {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let version = self
            .link()
            .await?
            .raw
            .get("version", "version", "/version")
            .await?;
        let info = self
            .link()
            .await?
            .raw
            .get("info", "information about itself", "/info")
            .await?;
        let info = read::info(&version, &info, self.api_version().await?);
        match info.architecture.is_empty() {
            // Kept for the agent's life, it must be right.
            true => Err(EngineError::Unknown {
                call: "version",
                message: "the answer names no architecture".to_owned(),
            }),
            false => Ok(info),
        }
    }

    async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        containers::all(self).await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Value, EngineError> {
        let link = self.link().await?;
        let path = format!("/containers/{id}/json");
        let mut inspect = link.raw.get("inspect", &container(id), &path).await?;
        if link.podman.is_some() {
            podman::as_docker(&mut inspect);
        }
        Ok(inspect)
    }

    async fn written(&self, id: &ContainerId) -> Result<u64, EngineError> {
        let path = format!("/containers/{id}/json?size=1");
        let asked = self
            .link()
            .await?
            .raw
            .get("inspect with its size", &container(id), &path)
            .await?;
        let missing = || EngineError::Unknown {
            call: "inspect with its size",
            message: "the answer has no SizeRw".to_owned(),
        };
        asked["SizeRw"].as_u64().ok_or_else(missing)
    }

    async fn image(&self, reference: &str) -> Result<Image, EngineError> {
        let path = format!("/images/{}/json", raw::encode(reference));
        let link = self.link().await?;
        let what = format!("image {reference}");
        let mut inspect = link.raw.get("inspect an image", &what, &path).await?;
        if let Some(podman) = &link.podman {
            podman.complete_image(&mut inspect).await?;
        }
        let image = read::image(&inspect);
        match image.id.is_empty() {
            true => Err(EngineError::Unknown {
                call: "inspect an image",
                message: format!("the answer about {reference} names no id"),
            }),
            false => Ok(image),
        }
    }

    async fn pull(
        &self,
        image: &ImageRef,
        credential: Option<&Credential>,
        disk: &Disk,
    ) -> Result<Pulled, Failure> {
        pull::pull(self, image, credential, disk).await
    }

    async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), EngineError> {
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        let done = self
            .link()
            .await?
            .client
            .tag_image(image, Some(options))
            .await;
        done.map_err(|error| from_client("tag", &format!("image {image}"), error))
    }

    async fn untag(&self, reference: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptions {
            force: false,
            // What it was built from is somebody else's.
            noprune: true,
            ..Default::default()
        };
        let done = self
            .link()
            .await?
            .client
            .remove_image(reference, Some(options), None)
            .await;
        match done.map_err(|error| from_client("untag", &format!("image {reference}"), error)) {
            Ok(_) | Err(EngineError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, name: &str, spec: &CreateSpec) -> Result<ContainerId, EngineError> {
        self.require_networks(spec).await?;
        let path = format!("/containers/create?name={}", raw::encode(name));
        let what = format!("what {name} is made of");
        let answer = self
            .link()
            .await?
            .raw
            .post("create", &what, &path, &spec.body)
            .await?;
        let Some(id) = answer["Id"].as_str() else {
            let message = format!("the answer to creating {name} names no id");
            return Err(EngineError::Unknown {
                call: "create",
                message,
            });
        };
        let id = ContainerId(id.to_owned());
        if let Err(error) = self.complete(&id, spec).await {
            // One call, one effect: half a container is not left behind.
            if let Err(left) = self.remove(&id).await {
                tracing::warn!(container = %id, error = %left, "a container that is not whole is left behind");
            }
            return Err(error);
        }
        Ok(id)
    }

    async fn set_restart_policy(
        &self,
        id: &ContainerId,
        policy: &str,
        retries: i64,
    ) -> Result<(), EngineError> {
        // The engine refuses a count with every other policy.
        let retries = if policy == "on-failure" { retries } else { 0 };
        let body = json!({ "RestartPolicy": { "Name": policy, "MaximumRetryCount": retries } });
        let path = format!("/containers/{id}/update");
        self.link()
            .await?
            .raw
            .post("update", &container(id), &path, &body)
            .await
            .map(drop)
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            signal: None,
            t: Some(seconds),
        };
        let client = self
            .link()
            .await?
            .client
            .clone()
            .with_timeout(grace.saturating_add(STOP_MARGIN));
        let done = client.stop_container(&id.0, Some(options)).await;
        done.map_err(|error| from_client("stop", &container(id), error))
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let done = self
            .link()
            .await?
            .client
            .start_container(&id.0, None::<StartContainerOptions>)
            .await;
        done.map_err(|error| from_client("start", &container(id), error))
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        let options = RenameContainerOptions {
            name: name.to_owned(),
        };
        let Err(error) = self
            .link()
            .await?
            .client
            .rename_container(&id.0, options)
            .await
        else {
            return Ok(());
        };
        // The engine refuses a container's own name, as an error or as a conflict with itself.
        match from_client("rename", &container(id), error) {
            EngineError::NotFound(what) => Err(EngineError::NotFound(what)),
            _ if self.is_called(id, name).await => Ok(()),
            error => Err(error),
        }
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        let options = RemoveContainerOptions {
            v: false,
            force: false,
            link: false,
        };
        let done = self
            .link()
            .await?
            .client
            .remove_container(&id.0, Some(options))
            .await;
        match done.map_err(|error| from_client("remove", &container(id), error)) {
            Err(EngineError::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    async fn last_words(&self, id: &ContainerId) -> Result<LastWords, EngineError> {
        let inspect = self.inspect(id).await?;
        let log = last_words::log(&self.link().await?.client, id).await;
        Ok(last_words::compose(&inspect, log))
    }

    async fn probe(&self, id: &ContainerId, probe: &Probe) -> ProbeAnswer {
        probe::ask(self, id, probe).await
    }

    async fn archive(&self, id: &ContainerId, path: &str, into: &Path) -> Result<(), EngineError> {
        archive::download(self, id, path, into).await
    }

    async fn changed(&self) {
        self.events.changed().await;
    }
}
