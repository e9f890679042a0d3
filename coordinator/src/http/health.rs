use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pinion_model::RolloutPhase;
use pinion_rollout::{Presence, World};
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
    http.ledger.read(measure);
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, http.metrics.render()).into_response()
}

/// What the World holds, counted when somebody asks.
fn measure(world: &World) {
    let presences = [
        ("online", Presence::Online),
        ("offline", Presence::Offline),
        ("unknown", Presence::Unknown),
    ];
    let agents = || {
        world
            .agents
            .values()
            .filter(|agent| agent.revoked.is_none())
    };
    for (word, presence) in presences {
        let count = agents().filter(|agent| agent.presence == presence).count();
        metrics::gauge!("pinion_agents", "presence" => word).set(count as f64);
    }
    metrics::gauge!("pinion_agents_held")
        .set(agents().filter(|agent| agent.is_held()).count() as f64);
    let placements = agents().flat_map(|agent| agent.placements.values());
    let drifted = placements.filter(|placement| placement.drifted).count();
    metrics::gauge!("pinion_workloads_drifted").set(drifted as f64);
    for phase in RolloutPhase::ALL
        .iter()
        .filter(|phase| !phase.is_terminal())
    {
        let count = world
            .active_rollouts()
            .filter(|rollout| rollout.phase == *phase)
            .count();
        metrics::gauge!("pinion_rollouts", "phase" => phase.word()).set(count as f64);
    }
}
