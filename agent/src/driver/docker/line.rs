//! The connection to the engine, agreed upon anew whenever it broke: an engine
//! that was replaced may refuse the API version that its predecessor spoke.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::errors::Error as ClientError;
use bollard::{ClientVersion, Docker as Client};
use pinion_workload::podman;

use super::raw::Raw;
use super::{Limits, errors};
use crate::driver::EngineError;

/// The newest API whose inspect still says which MAC address the user chose.
const NEWEST_API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 51,
};

/// The oldest version of Podman's own API that has all that is asked of it.
const PODMAN_API: &str = "4.0.0";

/// Both ways to call the engine, in the API version that it speaks.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) raw: Raw,
    /// None: it is Docker's.
    pub(super) podman: Option<Podman>,
}

/// A Podman, and its own API.
pub(super) struct Podman {
    pub(super) version: podman::Version,
    pub(super) raw: Raw,
}

impl Link {
    /// Such as "1.41".
    pub(super) fn api_version(&self) -> String {
        self.client.client_version().to_string()
    }
}

/// Where the engine is, and the link to it if there is one.
pub(super) struct Line {
    socket: PathBuf,
    limits: Limits,
    held: Mutex<Option<Arc<Link>>>,
}

impl Line {
    /// For the socket at that path; nobody is asked yet.
    pub(super) fn new(socket: &str, limits: Limits) -> Self {
        Self {
            socket: PathBuf::from(socket),
            limits,
            held: Mutex::new(None),
        }
    }

    /// The link that is held, else a new one.
    pub(super) async fn link(&self) -> Result<Arc<Link>, EngineError> {
        let linked = self.negotiate().await;
        linked.map_err(|error| errors::unknown("connect", &error))
    }

    /// The same with the client's own error.
    pub(super) async fn negotiate(&self) -> Result<Arc<Link>, ClientError> {
        if let Some(link) = self.held().clone() {
            return Ok(link);
        }
        let socket = self.socket.to_string_lossy();
        let client = Client::connect_with_unix(&socket, self.limits.call.as_secs(), &NEWEST_API)?
            .negotiate_version()
            .await?;
        let raw = Raw::new(
            &socket,
            &client.client_version().to_string(),
            self.limits.call,
        );
        let podman = self.podman(&client).await?;
        let link = Arc::new(Link {
            client,
            raw,
            podman,
        });
        *self.held() = Some(Arc::clone(&link));
        Ok(link)
    }

    async fn podman(&self, client: &Client) -> Result<Option<Podman>, ClientError> {
        let parts = client.version().await?.components.unwrap_or_default();
        let parts = parts.iter();
        let version =
            podman::Version::of(parts.map(|part| (part.name.as_str(), part.version.as_str())));
        let socket = self.socket.to_string_lossy();
        Ok(version.map(|version| Podman {
            version,
            raw: Raw::new(&socket, PODMAN_API, self.limits.call),
        }))
    }

    /// Lets go of a link that broke, so that the next call makes another.
    pub(super) fn forget(&self) {
        *self.held() = None;
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Arc<Link>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{Path, State};
    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::{Value, json};
    use tokio::sync::watch;

    use crate::driver::Driver as _;
    use crate::driver::docker::{Docker, Limits};

    type Speaks = State<watch::Receiver<&'static str>>;

    /// Answers in one version only, as an engine does whose oldest is its newest.
    async fn list(
        State(speaks): Speaks,
        Path(version): Path<String>,
    ) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
        match version == format!("v{}", *speaks.borrow()) {
            true => Ok(Json(json!([]))),
            false => {
                let message = format!("client version {version} is too old");
                Err((StatusCode::BAD_REQUEST, Json(json!({ "message": message }))))
            }
        }
    }

    async fn version(State(speaks): Speaks) -> Json<Value> {
        Json(json!({ "ApiVersion": *speaks.borrow() }))
    }

    /// Ends when another engine takes its place.
    async fn events(State(mut speaks): Speaks, Path(version): Path<String>) {
        let another = |speaks: &&str| version != format!("v{speaks}");
        drop(speaks.wait_for(another).await);
    }

    #[tokio::test]
    async fn another_engine_is_spoken_to_in_its_own_version() {
        let dir = tempfile::tempdir().expect("directory");
        let socket = dir.path().join("docker.sock");
        let address = format!("unix://{}", socket.display());
        let docker = Docker::at(&address, Limits::default()).expect("an address");
        assert!(docker.containers().await.is_err(), "nobody is there yet");

        let listener = tokio::net::UnixListener::bind(&socket).expect("listens");
        let (engine, speaks) = watch::channel("1.41");
        let router = Router::new()
            .route("/version", get(version))
            .route("/{version}/version", get(version))
            .route("/{version}/events", get(events))
            .route("/{version}/containers/json", get(list))
            .with_state(speaks);
        let served = tokio::spawn(axum::serve(listener, router).into_future());
        for version in ["1.41", "1.44", "1.51"] {
            engine.send_replace(version);
            let answers = async {
                while docker.containers().await.is_err() {
                    docker.changed().await;
                }
            };
            let limit = std::time::Duration::from_secs(20);
            let answered = tokio::time::timeout(limit, answers).await;
            answered.expect("the engine answers in its version");
            assert_eq!(docker.api_version().await.as_deref(), Ok(version));
        }
        served.abort();
    }
}
