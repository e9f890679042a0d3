use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use pinion_model::WorkloadName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::{BODY_LIMIT, Workloads};

/// What converging now did, each name at most once in each list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// Their image was pulled, or was there already.
    pub pulled: Vec<WorkloadName>,
    /// Their containers run it.
    pub recreated: Vec<WorkloadName>,
    /// They are not as they should be.
    pub failed: Vec<WorkloadName>,
    /// Why, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<WorkloadName, String>,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Empty: every workload.
    runtimes: Vec<String>,
    recreate: bool,
}

pub(super) async fn refresh<W: Workloads>(
    State(state): State<W>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Refreshed>, ApiError> {
    let body = body.map_err(|_| ApiError::too_large(BODY_LIMIT))?;
    let request = read(&body)?;
    let known = state.workloads();
    let mut names = Vec::new();
    for runtime in &request.runtimes {
        let found = known.iter().find(|view| view.workload.as_str() == runtime);
        let view = found
            .ok_or_else(|| ApiError::unknown_workload(runtime, &known).with_field("runtimes"))?;
        if !names.contains(&view.workload) {
            names.push(view.workload.clone());
        }
    }
    if request.runtimes.is_empty() {
        names = known.into_iter().map(|view| view.workload).collect();
    }
    Ok(Json(state.refresh(names, request.recreate).await))
}

/// Reads the body key by key, so that an error can name the one that is wrong.
fn read(body: &[u8]) -> Result<Request, ApiError> {
    let mut request = Request {
        runtimes: Vec::new(),
        recreate: true,
    };
    let value: Value = match body.is_empty() {
        true => return Ok(request),
        false => serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid(None, format!("the body is no JSON: {error}")))?,
    };
    let Value::Object(fields) = value else {
        return Err(ApiError::invalid(
            None,
            "the body must be a JSON object such as {\"runtimes\": [\"codex\"], \"recreate\": true}",
        ));
    };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("recreate", Value::Bool(recreate)) => request.recreate = recreate,
            ("recreate", _) => {
                return Err(ApiError::invalid(
                    Some("recreate"),
                    "recreate must be true or false",
                ));
            }
            ("runtimes", value) => request.runtimes = runtimes(value)?,
            (other, _) => {
                let shown: String = other.chars().take(80).collect();
                return Err(ApiError::invalid(
                    Some(&shown),
                    format!("unknown field {shown:?}; allowed: runtimes, recreate"),
                ));
            }
        }
    }
    Ok(request)
}

fn runtimes(value: Value) -> Result<Vec<String>, ApiError> {
    serde_json::from_value(value).map_err(|_| {
        ApiError::invalid(
            Some("runtimes"),
            "runtimes must be a list of workloads' names",
        )
    })
}
