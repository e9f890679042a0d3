use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use pinion_model::{Actor, Role, WorkloadName};
use pinion_rollout::Pin;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Http, HttpError};
use crate::authentication::{Denied, bearer};
use crate::promotion::{self, Promotion};
use crate::store::RefusedCall;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that a body may have.
const BODY_LIMIT: usize = 64 * 1024;

/// The body of `POST /cp/admin/runtime-image/promote`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promote {
    template_name: String,
    image_digest: String,
    git_sha: String,
    #[serde(default)]
    notes: Option<String>,
}

/// The body of `POST /cp/admin/runtime-image-pins`, in an older pipeline's words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromoteRuntime {
    runtime: String,
    digest: String,
    source_sha: String,
}

/// A pin in the contract's words.
#[derive(Serialize)]
struct Image {
    template_name: String,
    image_digest: String,
    git_sha: String,
    notes: String,
    promoted_by: String,
    updated_at: String,
}

impl Image {
    fn of(workload: &WorkloadName, pin: &Pin) -> Self {
        Self {
            template_name: workload.to_string(),
            image_digest: pin.digest.to_string(),
            git_sha: pin
                .source_sha
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            notes: pin.notes.clone(),
            promoted_by: pin.promoted_by.to_string(),
            updated_at: pin.at.to_string(),
        }
    }
}

pub(super) async fn promote(
    State(http): State<Http>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let actor = authorise(
        &http,
        request.headers(),
        "POST /cp/admin/runtime-image/promote",
        Role::Promoter,
    )?;
    let body: Promote = read(request.into_body()).await?;
    let notes = body.notes.unwrap_or_default();
    let promotion = Promotion::parse(
        ("template_name", &body.template_name),
        ("image_digest", &body.image_digest),
        ("git_sha", &body.git_sha),
        notes,
    );
    commit(&http, promotion, &actor).await
}

pub(super) async fn promote_runtime(
    State(http): State<Http>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let actor = authorise(
        &http,
        request.headers(),
        "POST /cp/admin/runtime-image-pins",
        Role::Promoter,
    )?;
    let body: PromoteRuntime = read(request.into_body()).await?;
    let promotion = Promotion::parse(
        ("runtime", &body.runtime),
        ("digest", &body.digest),
        ("source_sha", &body.source_sha),
        String::new(),
    );
    commit(&http, promotion, &actor).await
}

pub(super) async fn list(
    State(http): State<Http>,
    headers: HeaderMap,
) -> Result<Json<Value>, HttpError> {
    authorise(&http, &headers, "GET /cp/admin/runtime-image", Role::Viewer)?;
    let pins: Vec<_> = http.ledger.read(|world| {
        let current = |(name, workload): (&WorkloadName, &pinion_rollout::Workload)| {
            workload.current().map(|pin| Image::of(name, pin))
        };
        world.workloads.iter().filter_map(current).collect()
    });
    Ok(Json(json!({ "pins": pins })))
}

async fn commit(
    http: &Http,
    promotion: Result<Promotion, crate::api::CallError>,
    actor: &Actor,
) -> Result<Json<Value>, HttpError> {
    let promotion = promotion?;
    let promoted = promotion::promote(&http.ledger, &http.config, &promotion, actor).await?;
    let mut answer = json!(Image::of(&promotion.workload, &promoted.pin));
    answer["changed"] = promoted.changed.into();
    answer["rollout"] = promoted.rollout.map(|id| id.to_string()).into();
    if let Some(why) = promoted.no_rollout {
        answer["no_rollout"] = why.into();
    }
    Ok(Json(answer))
}

/// Who calls, if they have at least `role`; whoever has not is counted and audited.
fn authorise(http: &Http, headers: &HeaderMap, call: &str, role: Role) -> Result<Actor, HttpError> {
    let token = bearer(headers).ok_or_else(|| {
        Denied::Unknown("an API token is needed: send `Authorization: Bearer <token>`".to_owned())
    });
    let peer = token
        .and_then(|token| http.authenticator.by_token(&token))
        .map_err(|denied| refuse(http, None, call, denied))?;
    http.authenticator
        .require(&peer, role)
        .map_err(|denied| refuse(http, Some(peer.actor()), call, denied))?;
    Ok(peer.actor())
}

fn refuse(http: &Http, actor: Option<Actor>, call: &str, denied: Denied) -> HttpError {
    let (subject, detail) = (call.to_owned(), denied.to_string());
    http.ledger.refused(RefusedCall {
        at: http.ledger.clock(),
        actor,
        subject,
        detail,
        count: 1,
    });
    denied.into()
}

/// The body as JSON, whatever content type it claims: `curl -d` claims a form.
async fn read<T: DeserializeOwned>(body: Body) -> Result<T, HttpError> {
    let whole = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_LIMIT)).await;
    let bytes = whole.map_err(|_| HttpError::too_slow())?.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            HttpError::too_large(BODY_LIMIT)
        } else {
            HttpError::body("the body could not be read to its end", None)
        }
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = error.to_string();
        let field = named_field(&message);
        HttpError::body(
            format!("the body is not the JSON object that is wanted: {message}"),
            field,
        )
    })
}

/// The field of serde's "unknown field `x`, …" and "missing field `x` …".
fn named_field(message: &str) -> Option<String> {
    let rest = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    rest.split_once('`')
        .map(|(field, _)| field.chars().take(80).collect())
}
