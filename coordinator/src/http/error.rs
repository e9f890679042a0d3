use axum::Json;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pinion_rollout::Refusal;
use serde_json::json;

use crate::api::CallError;
use crate::authentication::Denied;

/// A failure as it is answered: `{"error": {"code", "message", "field"}}`.
#[derive(Debug)]
pub struct HttpError {
    code: StatusCode,
    word: &'static str,
    message: String,
    field: Option<String>,
}

impl HttpError {
    fn new(code: StatusCode, word: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            word,
            message: message.into(),
            field: None,
        }
    }

    /// The body is larger than `limit` bytes.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the body may have at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The body did not come in time.
    pub(super) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the body did not come in time: try again",
        )
    }

    /// The body cannot be read or is not the JSON that was wanted.
    pub(super) fn body(message: impl Into<String>, field: Option<String>) -> Self {
        Self {
            field,
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
        }
    }

    pub(super) fn method(method: &Method, path: &str) -> Self {
        let message = format!("{path} does not take {method}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        )
    }

    pub(super) fn path(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let message = format!(
            "there is no {path:?}; there are POST /cp/admin/runtime-image/promote, POST \
             /cp/admin/runtime-image-pins, GET /cp/admin/runtime-image, /metrics, /healthz, /readyz"
        );
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl From<Denied> for HttpError {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        match denied {
            Denied::Unknown(_) => Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message),
            Denied::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "permission_denied", message),
        }
    }
}

impl From<CallError> for HttpError {
    fn from(error: CallError) -> Self {
        error.log();
        let message = error.to_string();
        let (code, word, field) = match error {
            CallError::Invalid(invalid) => (
                StatusCode::BAD_REQUEST,
                "invalid_argument",
                Some(invalid.field),
            ),
            CallError::Absent(absent) => (StatusCode::NOT_FOUND, "not_found", Some(absent.field)),
            CallError::Refused(Refusal::Invalid { faults }) => (
                StatusCode::BAD_REQUEST,
                "invalid_argument",
                faults.into_iter().next().map(|fault| fault.path),
            ),
            CallError::Refused(Refusal::NotFound { .. }) => {
                (StatusCode::NOT_FOUND, "not_found", None)
            }
            CallError::Refused(Refusal::Precondition { .. }) => {
                (StatusCode::CONFLICT, "failed_precondition", None)
            }
            CallError::Refused(Refusal::Conflict { .. }) => {
                (StatusCode::CONFLICT, "conflict", None)
            }
            CallError::Contended => (StatusCode::SERVICE_UNAVAILABLE, "aborted", None),
            CallError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", None),
            CallError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", None),
        };
        Self {
            code,
            word,
            message,
            field,
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.word, "message": self.message });
        if let Some(field) = self.field {
            error["field"] = field.into();
        }
        let mut response = (self.code, Json(json!({ "error": error }))).into_response();
        if self.code == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
