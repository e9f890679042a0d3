//! The machine's own door: HTTP/1.1 on `<state-dir>/agent.sock`, for this user
//! alone. The provisioner asks what to start; an operator asks to converge now.
//!
//! ```text
//!   GET  /v1/workloads                    {"workloads": [ … ]}
//!   GET  /v1/workloads/NAME               {"workload", "digest", "image", "local_tag_reference", "phase", "failure"}
//!   POST /admin/workspace-images/refresh  {"runtimes": [ … ], "recreate": true} → {"pulled", "recreated", "failed"}
//!   GET, POST /v1/locks                   {"locks": [ … ]}; {"owner", "reason", "workload", "ttl"} → a lock
//!   POST /v1/locks/ID/renew               {"ttl"} → the lock;  DELETE /v1/locks/ID releases it
//! ```

mod error;
mod locks;
mod refresh;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path as UrlPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use pinion_model::{AgentPhase, Digest, Failure, WorkloadName};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::in_use::Leases;
use error::ApiError;
pub(crate) use locks::Asked;
pub use locks::{FileAnswer, LockAnswer, LockList};
pub use refresh::Refreshed;

/// Bytes of a request's body.
const BODY_LIMIT: usize = 64 * 1024;
/// Name of the socket in the state directory.
pub const SOCKET: &str = "agent.sock";

/// Where one workload stands, as the provisioner reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadAnswer {
    /// Its name.
    pub workload: WorkloadName,
    /// The digest that new containers start from: proven here, or wanted where none was.
    pub digest: Option<Digest>,
    /// `repository@digest` of it.
    pub image: Option<String>,
    /// `repository:tag` that is kept on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_tag_reference: Option<String>,
    /// Where the assignment stands; none without one.
    pub phase: Option<AgentPhase>,
    /// What it waits for, if it waits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub waiting_for: String,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What the socket needs of the reconciler.
pub trait Workloads: Clone + Send + Sync + 'static {
    /// Whether anything can be said yet; if not, why.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    fn ready(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Every workload that is known here, by name.
    fn workloads(&self) -> Vec<WorkloadAnswer>;

    /// Converges these to their digests now, and answers when that is done.
    fn refresh(
        &self,
        workloads: Vec<WorkloadName>,
        recreate: bool,
    ) -> impl Future<Output = Refreshed> + Send;
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody listens there.
    #[error("another agent listens on {0}: one state directory serves one agent")]
    Taken(PathBuf),
    /// It cannot be made.
    #[error("cannot listen on {path}")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Listens in the state directory; a socket that nobody listens on any more is
/// taken over.
///
/// # Errors
///
/// If somebody listens there, or it cannot be made.
pub async fn listen(state_dir: &Path) -> Result<UnixListener, SocketError> {
    let path = state_dir.join(SOCKET);
    if UnixStream::connect(&path).await.is_ok() {
        return Err(SocketError::Taken(path));
    }
    let listen = |source| SocketError::Listen {
        path: path.clone(),
        source,
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(listen(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(listen)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(listen)?;
    Ok(listener)
}

/// Answers until `shutdown`, then removes the socket.
pub async fn serve<W: Workloads>(
    listener: UnixListener,
    workloads: W,
    leases: Arc<Leases>,
    shutdown: CancellationToken,
) {
    let path = listener
        .local_addr()
        .ok()
        .and_then(|address| address.as_pathname().map(Path::to_owned));
    let ended = async move { shutdown.cancelled().await };
    tokio::select! {
        served = axum::serve(listener, router(workloads, leases)) => {
            if let Err(error) = served {
                tracing::error!(%error, "the local socket ended");
            }
        }
        // Whoever waits for a refresh is cut off: the machine goes on with it after the restart.
        () = ended => {}
    }
    if let Some(path) = path {
        drop(std::fs::remove_file(path));
    }
}

fn router<W: Workloads>(workloads: W, leases: Arc<Leases>) -> Router {
    Router::new()
        .route("/v1/workloads", get(list::<W>))
        .route("/v1/workloads/{name}", get(one::<W>))
        .route(
            "/admin/workspace-images/refresh",
            post(refresh::refresh::<W>),
        )
        .layer(middleware::from_fn_with_state(
            workloads.clone(),
            ready::<W>,
        ))
        .with_state(workloads)
        // A lock can be taken whether the engine answers or not.
        .merge(locks::router(leases))
        .fallback(|| async {
            ApiError::not_found("there is no such path; try /v1/workloads or /v1/locks")
        })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn ready<W: Workloads>(
    State(state): State<W>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    state.ready().map_err(ApiError::unavailable)?;
    Ok(next.run(request).await)
}

#[derive(Serialize)]
struct List {
    workloads: Vec<WorkloadAnswer>,
}

async fn list<W: Workloads>(State(state): State<W>) -> Json<List> {
    Json(List {
        workloads: state.workloads(),
    })
}

async fn one<W: Workloads>(
    State(state): State<W>,
    UrlPath(name): UrlPath<String>,
) -> Result<Json<WorkloadAnswer>, ApiError> {
    let known = state.workloads();
    match known.iter().position(|view| view.workload.as_str() == name) {
        Some(at) => Ok(Json(known[at].clone())),
        None => Err(ApiError::unknown_workload(&name, &known)),
    }
}

#[cfg(test)]
mod tests;
