//! Update locks at the machine's door.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use pinion_model::{Timestamp, WorkloadName, parse_duration, written};
use serde::{Deserialize, Serialize};

use super::BODY_LIMIT;
use super::error::ApiError;
use crate::in_use::{LeaseError, Leases, Lock, Wanted};

/// A lock as people and scripts read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockAnswer {
    /// What renews and releases it.
    pub id: String,
    /// Which workload must not be touched; none: the whole machine.
    pub workload: Option<WorkloadName>,
    /// Who holds it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// RFC 3339, by the agent's clock.
    pub taken_at: String,
    /// When the last heartbeat came.
    pub renewed_at: String,
    /// From then on it is no lock.
    pub expires_at: String,
    /// How long that is from now.
    pub expires_in_seconds: u64,
    /// For how long it is taken and renewed, such as `10m`.
    pub ttl: String,
}

/// All that are held.
#[derive(Debug, Serialize, Deserialize)]
pub struct LockList {
    /// Those that were taken here, the first before all.
    pub locks: Vec<LockAnswer>,
    /// Those that lie as files.
    pub files: Vec<FileAnswer>,
}

/// A lock that lies as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAnswer {
    /// Which workload must not be touched; none: the whole machine.
    pub workload: Option<WorkloadName>,
    /// Who holds it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// RFC 3339, by the agent's clock. None: as long as it cannot be read.
    pub expires_at: Option<String>,
}

/// What is asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workload: Option<WorkloadName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<String>,
}

pub(super) fn router(leases: Arc<Leases>) -> Router {
    Router::new()
        .route("/v1/locks", get(list).post(take))
        .route("/v1/locks/{id}", delete(release))
        .route("/v1/locks/{id}/renew", post(renew))
        .with_state(leases)
}

async fn list(State(leases): State<Arc<Leases>>) -> Json<LockList> {
    let now = leases.now();
    let locks = leases.list().iter().map(|lock| told(lock, now)).collect();
    let file = |lease: pinion_workload::in_use::Lease| FileAnswer {
        workload: lease.workload,
        owner: lease.owner,
        reason: lease.reason,
        expires_at: lease.expires_at.map(|end| end.to_string()),
    };
    let files = leases.files().into_iter().map(file).collect();
    Json(LockList { locks, files })
}

async fn take(
    State(leases): State<Arc<Leases>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<LockAnswer>), ApiError> {
    let asked = read(body)?;
    let wanted = Wanted {
        owner: asked.owner.clone().unwrap_or_default(),
        reason: asked.reason.clone().unwrap_or_default(),
        ttl: ttl(&asked)?.unwrap_or(Leases::USUAL_TTL),
        workload: asked.workload,
    };
    let lock = on_disk(&leases, move |leases| leases.take(wanted)).await?;
    Ok((StatusCode::CREATED, Json(lock)))
}

async fn renew(
    State(leases): State<Arc<Leases>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<LockAnswer>, ApiError> {
    let asked = read(body)?;
    if asked.owner.is_some() || asked.reason.is_some() || asked.workload.is_some() {
        let message = "a renewal takes ttl alone; to say another reason, take the lock again";
        return Err(ApiError::invalid(None, message));
    }
    let ttl = ttl(&asked)?;
    let lock = on_disk(&leases, move |leases| leases.renew(&id, ttl)).await?;
    Ok(Json(lock))
}

async fn release(
    State(leases): State<Arc<Leases>>,
    Path(id): Path<String>,
) -> Result<Json<LockAnswer>, ApiError> {
    let lock = on_disk(&leases, move |leases| leases.release(&id)).await?;
    Ok(Json(lock))
}

/// The answer is given when it is on disk.
async fn on_disk(
    leases: &Arc<Leases>,
    act: impl FnOnce(&Leases) -> Result<Lock, LeaseError> + Send + 'static,
) -> Result<LockAnswer, ApiError> {
    let held = Arc::clone(leases);
    let done = tokio::task::spawn_blocking(move || act(&held)).await;
    let done = done.map_err(|error| ApiError::internal(error.to_string()))?;
    let lock = done.map_err(|error| match error {
        LeaseError::Invalid { field, .. } => ApiError::invalid(Some(field), error.to_string()),
        LeaseError::Unknown(_) => ApiError::not_found(error.to_string()),
        LeaseError::Full => ApiError::full(error.to_string()),
        LeaseError::Write { .. } => ApiError::internal(crate::tls::chain(&error)),
    })?;
    Ok(told(&lock, leases.now()))
}

fn read(body: Result<Bytes, BytesRejection>) -> Result<Asked, ApiError> {
    let body = body.map_err(|_| ApiError::too_large(BODY_LIMIT))?;
    if body.is_empty() {
        return Ok(Asked::default());
    }
    // A list of values in the fields' order is none of it.
    let object = serde_json::from_slice::<serde_json::Map<_, _>>(&body);
    let asked = object.and_then(|object| serde_json::from_value(object.into()));
    asked.map_err(|error| {
        ApiError::invalid(
            None,
            format!(
                "the body must be a JSON object such as {{\"owner\": \"backup\", \"reason\": \"nightly dump\", \"ttl\": \"10m\"}}: {error}"
            ),
        )
    })
}

fn ttl(asked: &Asked) -> Result<Option<Duration>, ApiError> {
    let ttl = asked.ttl.as_deref().map(parse_duration).transpose();
    ttl.map_err(|error| ApiError::invalid(Some("ttl"), error.to_string()))
}

fn told(lock: &Lock, now: Timestamp) -> LockAnswer {
    LockAnswer {
        id: lock.id.clone(),
        workload: lock.workload.clone(),
        owner: lock.owner.clone(),
        reason: lock.reason.clone(),
        taken_at: lock.taken_at.to_string(),
        renewed_at: lock.renewed_at.to_string(),
        expires_at: lock.expires_at.to_string(),
        expires_in_seconds: lock.expires_at.since(now).as_secs(),
        ttl: written(lock.ttl),
    }
}

#[cfg(test)]
mod tests;
