use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Http;

/// Whether the coordinator takes work.
#[derive(Debug, Default)]
pub struct Readiness {
    planning: AtomicBool,
    leaving: AtomicBool,
}

impl Readiness {
    /// The reconciler runs, or has ended.
    pub fn set_planning(&self, planning: bool) {
        self.planning.store(planning, Ordering::Release);
    }

    /// The coordinator is about to stop.
    pub fn set_leaving(&self) {
        self.leaving.store(true, Ordering::Release);
    }
}

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The store takes writes, the reconciler plans, and no shutdown has begun.
pub(super) async fn readyz(State(http): State<Http>) -> Response {
    let parts = [
        ("store", http.ledger.is_following()),
        (
            "reconciler",
            http.readiness.planning.load(Ordering::Acquire),
        ),
        (
            "not_stopping",
            !http.readiness.leaving.load(Ordering::Acquire),
        ),
    ];
    let ready = parts.iter().all(|(_, good)| *good);
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let parts: serde_json::Map<_, _> = parts
        .into_iter()
        .map(|(name, good)| (name.to_owned(), good.into()))
        .collect();
    (code, Json(json!({ "ready": ready, "parts": parts }))).into_response()
}

/// What is measured, in Prometheus' text format.
pub(super) async fn metrics(State(http): State<Http>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, http.metrics.render()).into_response()
}
