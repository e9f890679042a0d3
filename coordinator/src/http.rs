//! The HTTP face: what pipelines already speak, and what monitoring asks.
//!
//! Owns the contract's two promote endpoints and its list, `/metrics`,
//! `/healthz` and `/readyz`. Every failure is a JSON body that says what to do
//! with a code that `curl -f` fails on; a success means that the pin is durable.
//!
//! ```text
//!   Connection ─▶ connections (limits) ─▶ router ─▶ runtime_image ─▶ promotion ─▶ ledger
//!                                            └─▶ health
//! ```

mod connections;
mod error;
mod health;
mod runtime_image;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;

pub use connections::serve;
pub use error::HttpError;
pub use health::Readiness;

use crate::authentication::Authenticator;
use crate::config::Config;
use crate::ledger::Ledger;

/// What every endpoint needs.
#[derive(Clone)]
pub struct Http {
    /// Where pins are.
    pub ledger: Arc<Ledger>,
    /// The catalog.
    pub config: Arc<Config>,
    /// Who holds which token.
    pub authenticator: Authenticator,
    /// What is measured.
    pub metrics: PrometheusHandle,
    /// Whether work is taken.
    pub readiness: Arc<Readiness>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// Every endpoint.
pub fn router(http: Http) -> Router {
    Router::new()
        .route(
            "/cp/admin/runtime-image/promote",
            post(runtime_image::promote),
        )
        .route(
            "/cp/admin/runtime-image-pins",
            post(runtime_image::promote_runtime),
        )
        .route("/cp/admin/runtime-image", get(runtime_image::list))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .method_not_allowed_fallback(wrong_method)
        .fallback(wrong_path)
        .with_state(http)
}

async fn wrong_method(method: Method, uri: Uri) -> HttpError {
    HttpError::method(&method, uri.path())
}

async fn wrong_path(uri: Uri) -> HttpError {
    HttpError::path(uri.path())
}
