use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use tower::ServiceExt as _;

use super::*;
use crate::clock::Clock;

/// A machine's locks, and its time in milliseconds.
fn machine(dir: &std::path::Path, now: &Arc<AtomicU64>) -> Arc<Leases> {
    let now = Arc::clone(now);
    let clock = Clock::new(move || Timestamp(now.load(Ordering::SeqCst)));
    Arc::new(Leases::open(dir, clock).with_dir(Some(dir.join("files"))))
}

async fn ask(leases: &Arc<Leases>, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body.to_owned()))
        .expect("a request");
    let answer = router(Arc::clone(leases))
        .oneshot(request)
        .await
        .expect("answered");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body");
    let body = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    (status, body)
}

#[tokio::test]
async fn a_lock_is_taken_listed_renewed_and_released_and_ends_by_itself() {
    let dir = tempfile::tempdir().expect("directory");
    let now = Arc::new(AtomicU64::new(1_000_000));
    let leases = machine(dir.path(), &now);
    let wanted =
        json!({"owner": "build-7", "reason": "a build runs", "workload": "codex", "ttl": "60s"});
    let (status, taken) = ask(&leases, "POST", "/v1/locks", &wanted.to_string()).await;
    assert_eq!(status, 201);
    assert_eq!(
        (
            &taken["owner"],
            &taken["workload"],
            &taken["expires_in_seconds"]
        ),
        (&json!("build-7"), &json!("codex"), &json!(60))
    );
    let id = taken["id"].as_str().expect("an id");
    let (_, list) = ask(&leases, "GET", "/v1/locks", "").await;
    assert_eq!(list["locks"], json!([taken]));

    now.store(1_030_000, Ordering::SeqCst);
    let renew = format!("/v1/locks/{id}/renew");
    let (status, renewed) = ask(&leases, "POST", &renew, "").await;
    assert_eq!((status, &renewed["expires_in_seconds"]), (200, &json!(60)));
    let (_, renewed) = ask(&leases, "POST", &renew, r#"{"ttl": "10s"}"#).await;
    assert_eq!(
        (&renewed["ttl"], &renewed["taken_at"]),
        (&json!("10s"), &taken["taken_at"])
    );

    // The same owner again is the same lock, with what it says now.
    let again = json!({"owner": "build-7", "workload": "codex", "reason": "still", "ttl": "10s"});
    let (_, again) = ask(&leases, "POST", "/v1/locks", &again.to_string()).await;
    assert_eq!(
        (&again["id"], &again["reason"]),
        (&taken["id"], &json!("still"))
    );

    now.store(1_040_000, Ordering::SeqCst);
    let (status, gone) = ask(&leases, "POST", &renew, "").await;
    assert_eq!((status, &gone["error"]["code"]), (404, &json!("NOT_FOUND")));
    let (_, list) = ask(&leases, "GET", "/v1/locks", "").await;
    assert_eq!(list["locks"], json!([]));

    let (_, machine) = ask(&leases, "POST", "/v1/locks", r#"{"owner": "backup"}"#).await;
    assert_eq!(
        (&machine["workload"], &machine["ttl"]),
        (&Value::Null, &json!("10m"))
    );
    let path = format!("/v1/locks/{}", machine["id"].as_str().expect("an id"));
    assert_eq!(ask(&leases, "DELETE", &path, "").await.0, 200);
    assert_eq!(ask(&leases, "DELETE", &path, "").await.0, 404);
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_its_field_and_takes_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let leases = machine(dir.path(), &Arc::new(AtomicU64::new(1_000_000)));
    let long = json!({"owner": "x".repeat(129)}).to_string();
    for (body, field) in [
        ("", Some("owner")),
        (r#"{"owner": " "}"#, Some("owner")),
        (r#"{"owner": "a\nb"}"#, Some("owner")),
        (long.as_str(), Some("owner")),
        (r#"{"owner": "a", "ttl": "soon"}"#, Some("ttl")),
        (r#"{"owner": "a", "ttl": "0"}"#, Some("ttl")),
        (r#"{"owner": "a", "ttl": "25h"}"#, Some("ttl")),
        (r#"{"owner": "a", "reason": "a\u0007"}"#, Some("reason")),
        (r#"{"owner": "a", "workload": "NO NAME"}"#, None),
        (r#"{"owner": "a", "why": "b"}"#, None),
        ("[]", None),
    ] {
        let (status, answer) = ask(&leases, "POST", "/v1/locks", body).await;
        assert_eq!(
            (status, answer["error"]["field"].as_str()),
            (400, field),
            "{body}"
        );
    }
    assert!(leases.list().is_empty());
    let (status, _) = ask(&leases, "POST", "/v1/locks/1/renew", r#"{"owner": "a"}"#).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn locks_that_lie_as_files_are_listed_beside_them() {
    let dir = tempfile::tempdir().expect("directory");
    let leases = machine(dir.path(), &Arc::new(AtomicU64::new(1_000_000)));
    std::fs::create_dir(dir.path().join("files")).expect("directory");
    std::fs::write(dir.path().join("files/backup"), r#"{"reason": "dump"}"#).expect("file");
    let (_, list) = ask(&leases, "GET", "/v1/locks", "").await;
    assert_eq!(list["files"][0]["owner"], "backup");
    assert_eq!(list["files"][0]["reason"], "dump");
}
