use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A machine that knows two workloads and notes what it was asked to refresh.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<Vec<Refresh>>>);

/// Which workloads, and whether to recreate.
type Refresh = (Vec<WorkloadName>, bool);

fn view(name: &str) -> WorkloadAnswer {
    let digest: Digest = format!("sha256:{}", "a".repeat(64))
        .parse()
        .expect("digest");
    WorkloadAnswer {
        workload: name.parse().expect("name"),
        image: Some(format!("ghcr.io/a/{name}@{digest}")),
        digest: Some(digest),
        local_tag_reference: Some(format!("ghcr.io/a/{name}:current")),
        phase: Some(AgentPhase::CuttingOver),
        waiting_for: String::new(),
        failure: None,
    }
}

impl Workloads for Known {
    fn workloads(&self) -> Vec<WorkloadAnswer> {
        vec![view("codex"), view("hermes")]
    }

    async fn refresh(&self, workloads: Vec<WorkloadName>, recreate: bool) -> Refreshed {
        self.0
            .lock()
            .expect("lock")
            .push((workloads.clone(), recreate));
        Refreshed {
            pulled: workloads.clone(),
            recreated: workloads,
            ..Refreshed::default()
        }
    }
}

fn leases(dir: &Path) -> Arc<Leases> {
    let clock = crate::clock::Clock::new(|| pinion_model::Timestamp(1_000_000));
    Arc::new(Leases::open(dir, clock))
}

/// The status and the JSON body of one request over a real socket.
async fn ask(known: &Known, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let dir = tempfile::tempdir().expect("directory");
    let listener = listen(dir.path()).await.expect("listens");
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(
        listener,
        known.clone(),
        leases(dir.path()),
        shutdown.clone(),
    ));
    let mut stream = UnixStream::connect(dir.path().join(SOCKET))
        .await
        .expect("connects");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    shutdown.cancel();
    served.await.expect("ends");
    assert!(!dir.path().join(SOCKET).exists(), "the socket is removed");
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("status");
    let body = answer.split("\r\n\r\n").nth(1).expect("body");
    (
        status,
        serde_json::from_str(body).expect("the body is JSON"),
    )
}

#[tokio::test]
async fn the_provisioner_reads_what_to_start() {
    let known = Known::default();
    let (status, body) = ask(&known, "GET", "/v1/workloads/codex", "").await;
    assert_eq!((status, &body["workload"]), (200, &"codex".into()));
    assert_eq!(body["digest"], format!("sha256:{}", "a".repeat(64)));
    assert_eq!(body["local_tag_reference"], "ghcr.io/a/codex:current");
    assert_eq!(body["phase"], "cutting_over");
    let (status, body) = ask(&known, "GET", "/v1/workloads", "").await;
    assert_eq!(
        (status, body["workloads"].as_array().map(Vec::len)),
        (200, Some(2))
    );
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_its_field_and_refreshes_nothing() {
    let known = Known::default();
    let refresh = "/admin/workspace-images/refresh";
    for (method, path, body, status, code, field) in [
        ("GET", "/v1/workloads/nobody", "", 404, "NOT_FOUND", None),
        ("GET", "/v2", "", 404, "NOT_FOUND", None),
        ("DELETE", "/v1/workloads", "", 405, "INVALID_ARGUMENT", None),
        ("POST", refresh, "no JSON", 400, "INVALID_ARGUMENT", None),
        ("POST", refresh, "[]", 400, "INVALID_ARGUMENT", None),
        (
            "POST",
            refresh,
            "{\"runtime\": \"codex\"}",
            400,
            "INVALID_ARGUMENT",
            Some("runtime"),
        ),
        (
            "POST",
            refresh,
            "{\"runtimes\": \"codex\"}",
            400,
            "INVALID_ARGUMENT",
            Some("runtimes"),
        ),
        (
            "POST",
            refresh,
            "{\"recreate\": 1}",
            400,
            "INVALID_ARGUMENT",
            Some("recreate"),
        ),
        (
            "POST",
            refresh,
            "{\"runtimes\": [\"nobody\"]}",
            404,
            "NOT_FOUND",
            Some("runtimes"),
        ),
        (
            "POST",
            refresh,
            &"x".repeat(BODY_LIMIT + 1),
            413,
            "INVALID_ARGUMENT",
            None,
        ),
    ] {
        let (got, answer) = ask(&known, method, path, body).await;
        let error = &answer["error"];
        let shown: String = body.chars().take(40).collect();
        assert_eq!(
            (got, error["code"].as_str()),
            (status, Some(code)),
            "{method} {path} {shown}"
        );
        assert_eq!(error["field"].as_str(), field, "{method} {path} {shown}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| message.len() > 10)
        );
    }
    assert!(known.0.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_refresh_names_what_it_did() {
    let known = Known::default();
    let body = "{\"runtimes\": [\"codex\", \"codex\"], \"recreate\": false}";
    let (status, answer) = ask(&known, "POST", "/admin/workspace-images/refresh", body).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        serde_json::json!({"pulled": ["codex"], "recreated": ["codex"], "failed": []})
    );
    ask(&known, "POST", "/admin/workspace-images/refresh", "{}").await;
    let asked = known.0.lock().expect("lock").clone();
    assert_eq!(asked[0], (vec![view("codex").workload], false));
    assert_eq!(
        asked[1],
        (vec![view("codex").workload, view("hermes").workload], true)
    );
}

#[tokio::test]
async fn the_socket_is_private_and_a_stale_one_is_taken_over() {
    let dir = tempfile::tempdir().expect("directory");
    let first = listen(dir.path()).await.expect("listens");
    assert!(matches!(
        listen(dir.path()).await,
        Err(SocketError::Taken(_))
    ));
    drop(first);
    assert!(
        dir.path().join(SOCKET).exists(),
        "what a killed agent leaves behind"
    );
    let _second = listen(dir.path()).await.expect("takes it over");
    let mode = std::fs::metadata(dir.path().join(SOCKET))
        .expect("metadata")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
