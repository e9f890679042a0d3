use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::WorkloadAnswer;

/// A failure as the HTTP contract writes it.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
}

impl ApiError {
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "NOT_FOUND",
            message: message.into(),
            field: None,
        }
    }

    pub(super) fn unknown_workload(name: &str, known: &[WorkloadAnswer]) -> Self {
        let known: Vec<&str> = known.iter().map(|view| view.workload.as_str()).collect();
        let shown: String = name.chars().take(80).collect();
        Self::not_found(format!(
            "this machine knows no workload {shown:?}; it knows: {}",
            if known.is_empty() {
                "none yet".to_owned()
            } else {
                known.join(", ")
            }
        ))
    }

    pub(super) fn unavailable(message: &str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "UNAVAILABLE",
            message: message.to_owned(),
            field: None,
        }
    }

    pub(super) fn method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "INVALID_ARGUMENT",
            message:
                "this path takes another method: GET for /v1/workloads, POST for the refresh, \
                      GET and POST for /v1/locks, DELETE for /v1/locks/ID"
                    .into(),
            field: None,
        }
    }

    pub(super) fn invalid(field: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "INVALID_ARGUMENT",
            message: message.into(),
            field: field.map(str::to_owned),
        }
    }

    pub(super) fn full(message: String) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            code: "RESOURCE_EXHAUSTED",
            message,
            field: None,
        }
    }

    pub(super) fn internal(message: String) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "INTERNAL",
            message,
            field: None,
        }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "INVALID_ARGUMENT",
            message: format!("the body is larger than {} KiB", limit / 1024),
            field: None,
        }
    }

    pub(super) fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "error": { "code": self.code, "message": self.message, "field": self.field }
        });
        (self.status, Json(body)).into_response()
    }
}
