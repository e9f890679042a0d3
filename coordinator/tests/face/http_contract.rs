use pinion_coordinator::authentication::secret_hash;
use pinion_coordinator::config::Config;
use pinion_model::{Actor, Role};
use pinion_rollout::commands::{self, CreateToken, NewToken};
use serde_json::{Value, json};

use crate::support::{ADMIN_TOKEN, Server, call};

const PROMOTE: &str = "/cp/admin/runtime-image/promote";
const OLDER: &str = "/cp/admin/runtime-image-pins";
const LIST: &str = "/cp/admin/runtime-image";

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn sha() -> String {
    "b".repeat(40)
}

fn body(letter: char) -> Value {
    json!({ "template_name": "codex", "image_digest": digest(letter), "git_sha": sha(), "notes": "n" })
}

async fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let (code, text) = call(
        server.running.http,
        "POST",
        path,
        Some(ADMIN_TOKEN),
        body.to_string().as_bytes(),
    )
    .await;
    (code, serde_json::from_str(&text).expect("JSON"))
}

async fn list(server: &Server) -> Value {
    let (code, text) = call(server.running.http, "GET", LIST, Some(ADMIN_TOKEN), b"").await;
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_pipelines_promote_and_the_list_says_what_is_current() {
    let server = Server::start().await;
    let (code, first) = post(&server, PROMOTE, &body('1')).await;
    assert_eq!(
        (code, &first["changed"], &first["rollout"]),
        (200, &json!(true), &Value::Null),
        "{first}"
    );
    assert_eq!(first["promoted_by"], "cp-admin-api-token");
    let (code, again) = post(&server, PROMOTE, &body('1')).await;
    assert_eq!((code, &again["changed"]), (200, &json!(false)), "{again}");
    let older = json!({ "runtime": "workspace-server", "digest": digest('2'), "source_sha": "c".repeat(64) });
    assert_eq!(post(&server, OLDER, &older).await.0, 200);
    let pins = list(&server).await;
    let names: Vec<_> = pins["pins"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|pin| &pin["template_name"])
        .collect();
    assert_eq!(names, ["codex", "workspace-server"]);
    let codex = &pins["pins"][0];
    assert_eq!(codex["image_digest"], digest('1'));
    assert_eq!(
        (&codex["git_sha"], &codex["notes"]),
        (&json!(sha()), &json!("n"))
    );
    assert!(
        codex["updated_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{codex}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_promotions_at_once_are_both_in_the_history_and_one_is_current() {
    let server = Server::start().await;
    let (one, two) = (body('1'), body('2'));
    let (one, two) = tokio::join!(post(&server, PROMOTE, &one), post(&server, PROMOTE, &two));
    assert_eq!((one.0, two.0), (200, 200));
    let (pins, current) = server.ledger.read(|world| {
        let codex = &world.workloads[&"codex".parse().expect("a name")];
        (
            codex.pins.len(),
            codex.current().expect("a pin").digest.to_string(),
        )
    });
    assert_eq!(pins, 2);
    assert_eq!(list(&server).await["pins"][0]["image_digest"], current);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_promotion_is_refused_with_its_field_and_changes_nothing() {
    let server = Server::start().await;
    let with = |key: &str, value: Value| {
        let mut body = body('1');
        body[key] = value;
        body.to_string()
    };
    let without = |key: &str| {
        let mut body = body('1');
        body.as_object_mut().expect("an object").remove(key);
        body.to_string()
    };
    let table = [
        (
            with("image_digest", json!("sha256:abc")),
            400,
            Some("image_digest"),
            "64 lower-case hex",
        ),
        (
            with("image_digest", json!("latest")),
            400,
            Some("image_digest"),
            "\"latest\"",
        ),
        (
            with("git_sha", json!("abc1234")),
            400,
            Some("git_sha"),
            "full 40 or 64",
        ),
        (
            with("template_name", json!("Codex!")),
            400,
            Some("template_name"),
            "a-z",
        ),
        (
            with("template_name", json!("nobody")),
            404,
            Some("template_name"),
            "no workload \"nobody\" in the catalog; it has ",
        ),
        (
            with("notes", json!("x".repeat(5000))),
            400,
            Some("notes"),
            "4096",
        ),
        (with("notes", json!(7)), 400, None, "string"),
        (
            with("tag", json!("latest")),
            400,
            Some("tag"),
            "unknown field",
        ),
        (without("git_sha"), 400, Some("git_sha"), "missing field"),
        ("not json".to_owned(), 400, None, "JSON"),
        (String::new(), 400, None, "JSON"),
        ("[]".to_owned(), 400, None, "JSON"),
        (body('1').to_string() + "{}", 400, None, "JSON"),
        (with("notes", json!("x".repeat(70_000))), 413, None, "65536"),
    ];
    for (body, wanted, field, words) in table {
        let (code, text) = call(
            server.running.http,
            "POST",
            PROMOTE,
            Some(ADMIN_TOKEN),
            body.as_bytes(),
        )
        .await;
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(code, wanted, "{text}");
        assert_eq!(answer["error"]["field"].as_str(), field, "{text}");
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains(words)),
            "{text}"
        );
    }
    assert_eq!(list(&server).await, json!({ "pins": [] }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_is_told_why_and_audited() {
    let server = Server::start().await;
    let viewer = CreateToken {
        id: "v".to_owned(),
        secret_hash: secret_hash("a viewer's token"),
        kind: NewToken::Api {
            holder: "dashboard".parse().expect("a name"),
            role: Role::Viewer,
        },
        expires_at: None,
    };
    let made = server
        .ledger
        .decide(|world, now| commands::create_token(world, viewer.clone(), &Actor::System, now));
    made.await.expect("a token");
    let http = server.running.http;
    let body = body('1').to_string();
    for (method, path, token, wanted) in [
        ("POST", PROMOTE, None, 401),
        ("POST", PROMOTE, Some("wrong"), 401),
        ("POST", OLDER, Some("wrong"), 401),
        ("GET", LIST, None, 401),
        ("POST", PROMOTE, Some("a viewer's token"), 403),
        ("GET", LIST, Some("a viewer's token"), 200),
        ("PUT", PROMOTE, Some(ADMIN_TOKEN), 405),
        ("POST", LIST, Some(ADMIN_TOKEN), 405),
        ("GET", "/cp/admin/nothing", Some(ADMIN_TOKEN), 404),
        ("GET", "/healthz", None, 200),
        ("GET", "/readyz", None, 200),
        ("GET", "/metrics", None, 200),
    ] {
        let (code, text) = call(http, method, path, token, body.as_bytes()).await;
        assert_eq!(code, wanted, "{method} {path}: {text}");
        if wanted >= 400 {
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            assert!(
                answer["error"]["code"].is_string() && answer["error"]["message"].is_string(),
                "{text}"
            );
            assert!(!text.contains("wrong"), "{text}");
        }
    }
    server
        .audited(&[
            "POST /cp/admin/runtime-image/promote",
            "takes role promoter",
        ])
        .await;
    let revoke = server
        .ledger
        .decide(|world, now| commands::revoke_token(world, "v", "", &Actor::System, now));
    revoke.await.expect("revoked");
    assert_eq!(
        call(http, "GET", LIST, Some("a viewer's token"), b"")
            .await
            .0,
        401
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_rolls_out_by_itself_names_its_rollout() {
    let text = "default_registry = \"r\"\n[registry.r]\nprefix = \"r.example\"\n[workload.codex]\nimages = { r = \"codex\" }\nrollout = \"auto\"\n[strategy.default]\nsupersede = \"reject\"\n";
    let server = Server::start_with(Config::parse("c.toml", text, None).expect("good")).await;
    server.agent("machine").await;
    let (code, answer) = post(&server, PROMOTE, &body('1')).await;
    assert_eq!(
        (code, &answer["rollout"]),
        (200, &json!("codex-1-1")),
        "{answer}"
    );
    assert_eq!(answer.get("no_rollout"), None);
    let (code, answer) = post(&server, PROMOTE, &body('2')).await;
    assert_eq!((code, &answer["rollout"]), (200, &json!(null)), "{answer}");
    let why = answer["no_rollout"].as_str().expect("it says why");
    assert!(why.contains("codex-1-1"), "{why}");
    server.stop().await;
}
