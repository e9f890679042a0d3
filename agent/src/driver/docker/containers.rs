//! Every container, though one of them be broken: the engine answers 500 about
//! a container whose layer it lost, and the others have to go on.
//!
//! ```text
//!   list ─▶ inspect each ─┬─ answer ─▶ read
//!                         ├─ 404 ────▶ it has gone: left out
//!                         └─ error ──▶ what the list tells of it
//! ```

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use pinion_model::ImageRef;
use pinion_workload::{Container, ContainerId, ContainerState};
use serde_json::Value;

use super::{Docker, read};
use crate::driver::{Driver as _, EngineError};

/// Inspect calls at one time.
const INSPECTS_AT_ONCE: usize = 8;

/// All containers with their images' digests. Fails only if the engine itself
/// does not answer.
pub(super) async fn all(docker: &Docker) -> Result<Vec<Container>, EngineError> {
    let list = docker
        .link()
        .await?
        .raw
        .get("list containers", "containers", "/containers/json?all=1")
        .await?;
    // Also of a machine without any, the answer is a list.
    let is_one = |entry: &Value| entry["Id"].is_string();
    let entries = list.as_array().filter(|entries| entries.iter().all(is_one));
    let Some(entries) = entries.cloned() else {
        return Err(EngineError::Unknown {
            call: "list containers",
            message: "the answer is no list of containers".to_owned(),
        });
    };
    let seen = futures_util::stream::iter(entries)
        .map(|entry| one(docker, entry))
        .buffered(INSPECTS_AT_ONCE);
    let seen: Vec<Option<Seen>> = seen.collect().await;
    let podman = docker
        .link()
        .await?
        .podman
        .as_ref()
        .map(|podman| podman.version);
    let mut digests = BTreeMap::new();
    let mut broken = BTreeMap::new();
    let mut containers = Vec::new();
    for Seen { mut container, why } in seen.into_iter().flatten() {
        let image = container.image_id.clone();
        if !digests.contains_key(&image) {
            digests.insert(image.clone(), of_image(docker, &image).await);
        }
        container.podman = podman;
        let known = &digests[&image];
        container.repo_digests = known.as_ref().cloned().unwrap_or_default();
        if let Some(why) = why.or(known.as_ref().err().cloned()) {
            broken.insert(container.id.clone(), why);
        }
        containers.push(container);
    }
    if !broken.is_empty() {
        // An engine that went away in between says nothing about its containers.
        docker
            .link()
            .await?
            .raw
            .get("version", "version", "/version")
            .await?;
    }
    docker.tell_of_broken(&broken);
    Ok(containers)
}

/// A container, and why it was not inspected if it was not.
struct Seen {
    container: Container,
    why: Option<EngineError>,
}

/// `None` if it has gone since it was listed.
async fn one(docker: &Docker, entry: Value) -> Option<Seen> {
    let id = ContainerId(entry["Id"].as_str()?.to_owned());
    let inspected = docker.inspect(&id).await;
    match inspected.and_then(|inspect| docker.read(&inspect)) {
        Ok(container) => Some(Seen {
            container,
            why: None,
        }),
        Err(EngineError::NotFound(_)) => None,
        Err(error) => Some(Seen {
            container: read::listed(&entry),
            why: Some(error),
        }),
    }
}

/// The digests of an image; none if it is gone.
async fn of_image(docker: &Docker, image: &str) -> Result<Vec<ImageRef>, EngineError> {
    match docker.image(image).await {
        Ok(image) => Ok(image.repo_digests),
        Err(EngineError::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Docker {
    /// What ended when the engine did, was ended by it.
    fn read(&self, inspect: &Value) -> Result<Container, EngineError> {
        let mut container = read::container(inspect)?;
        let ended = read::ended_at(inspect);
        if container.state == ContainerState::Exited
            && ended.is_some_and(|ended| self.events.may_have_ended_it(ended))
        {
            container.state = ContainerState::Interrupted;
        }
        Ok(container)
    }

    /// Says once of each container that the engine cannot show it.
    fn tell_of_broken(&self, broken: &BTreeMap<ContainerId, EngineError>) {
        let mut told = self
            .broken
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (container, error) in broken.iter().filter(|(id, _)| !told.contains(*id)) {
            tracing::warn!(%container, %error, "the engine cannot show this container or its image; the others go on");
        }
        *told = broken.keys().cloned().collect::<BTreeSet<_>>();
    }
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse as _, Response};
    use axum::routing::get;
    use pinion_workload::Health;
    use serde_json::json;

    use super::*;
    use crate::driver::docker::Limits;

    const NO_LAYER: &str = "RWLayer of container is unexpectedly nil";

    async fn inspected(Path((_, id)): Path<(String, String)>) -> Response {
        let state = match id.as_str() {
            "sound" => "running",
            "molten" => "melting",
            "gone" => return StatusCode::NOT_FOUND.into_response(),
            _ => {
                let body = Json(json!({ "message": NO_LAYER }));
                return (StatusCode::INTERNAL_SERVER_ERROR, body).into_response();
            }
        };
        Json(json!({
            "Id": id, "Name": format!("/{id}"), "Image": "sha256:1", "State": { "Status": state },
            "Config": {}, "HostConfig": {},
        }))
        .into_response()
    }

    async fn image(Path((_, id)): Path<(String, String)>) -> Response {
        if id != "sha256:1" {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let digest = format!("acme/app@sha256:{}", "1".repeat(64));
        Json(json!({ "Id": id, "RepoDigests": [digest] })).into_response()
    }

    async fn listed() -> Json<Value> {
        let entry = |id: &str, image: &str, state: &str, words: &str| {
            json!({
                "Id": id, "Names": [format!("/other/{id}"), format!("/{id}")], "ImageID": image, "Image": "acme/app",
                "Labels": { "a": "b" }, "State": state, "Status": words,
            })
        };
        Json(json!([
            entry("broken", "sha256:2", "running", "Up 2 hours (unhealthy)"),
            entry("gone", "sha256:1", "exited", "Exited (0) 2 hours ago"),
            entry("molten", "sha256:1", "melting", "Melting"),
            entry("sound", "sha256:1", "running", "Up 2 hours"),
        ]))
    }

    #[tokio::test]
    async fn a_broken_container_does_not_hide_the_others() {
        let dir = tempfile::tempdir().expect("directory");
        let socket = dir.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&socket).expect("listens");
        let version = || async { Json(json!({ "ApiVersion": "1.41", "Version": "20.10" })) };
        let engine = axum::Router::new()
            .route("/version", get(version))
            .route("/{version}/version", get(version))
            .route("/{version}/containers/json", get(listed))
            .route("/{version}/containers/{id}/json", get(inspected))
            .route("/{version}/images/{id}/json", get(image));
        let served = tokio::spawn(axum::serve(listener, engine).into_future());
        let address = format!("unix://{}", socket.display());
        let docker = Docker::connect(&address, Limits::default())
            .await
            .expect("connects");
        let seen = docker.containers().await.expect("the list is whole");
        let names: Vec<&str> = seen
            .iter()
            .map(|container| container.name.as_str())
            .collect();
        assert_eq!(names, ["broken", "molten", "sound"]);
        assert_eq!(
            (seen[0].state, seen[0].health, seen[0].repo_digests.len()),
            (ContainerState::Running, Health::Unhealthy, 0)
        );
        assert_eq!(seen[0].labels["a"], "b");
        assert_eq!(seen[1].state, ContainerState::Dead);
        assert_eq!(
            (seen[2].state, seen[2].repo_digests.len()),
            (ContainerState::Running, 1)
        );
        served.abort();
        drop(std::fs::remove_file(&socket));
        assert!(docker.containers().await.is_err(), "no list, no containers");
    }
}
