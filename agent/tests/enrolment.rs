//! Enrolment through the real binary, against a small coordinator with an
//! authority of its own.

mod coordinator;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use coordinator::{Authority, Coordinator, SECRET};
use pinion_proto::token::EnrollmentToken;
use pinion_proto::v1::EnrollRequest;
use rcgen::CertificateSigningRequestParams;

const AGENT: &str = env!("CARGO_BIN_EXE_pinion-agent");

fn token(addresses: &[&str], ca_sha256: &str) -> String {
    let addresses = addresses
        .iter()
        .map(|address| (*address).to_owned())
        .collect();
    EnrollmentToken {
        addresses,
        ca_sha256: ca_sha256.into(),
        secret: SECRET.into(),
    }
    .encode()
}

/// Runs `pinion-agent enroll` with the token in the environment.
async fn enroll(state_dir: &Path, token: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(AGENT);
    command
        .arg("enroll")
        .arg("--state-dir")
        .arg(state_dir)
        .args(arguments);
    command.env_clear().env("PINION_ENROLL_TOKEN", token);
    tokio::task::spawn_blocking(move || command.output().expect("runs"))
        .await
        .expect("no panic")
}

fn said(output: &Output) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains(SECRET), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_enrolled_once_and_its_key_never_leaves_it() {
    let authority = Arc::new(Authority::new());
    let Coordinator {
        address, enrolled, ..
    } = coordinator::start(&authority, "127.0.0.1").await;
    let dir = tempfile::tempdir().expect("directory");
    let state = dir.path().join("state");
    // The first address is nobody's: the next is tried.
    let token = token(&["127.0.0.1:1", &address], &authority.sha256());
    let arguments = [
        "--name",
        "m1",
        "--allow",
        "ghcr.io/molecule-ai/",
        "registry.fly.io/tenant",
    ];
    let output = enroll(&state, &token, &arguments).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("enrolled as m1"));
    let config = std::fs::read_to_string(state.join("agent.toml")).expect("written");
    assert!(
        config.contains("allow = [\"ghcr.io/molecule-ai/\", \"registry.fly.io/tenant\"]"),
        "{config}"
    );
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("identity/agent.pem")), 0o600);
    assert!(!state.join("identity/pending.key").exists());

    let again = enroll(&state, &token, &arguments).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(
        said(&again).contains("enrolled already as m1"),
        "{}",
        said(&again)
    );
    assert_eq!(
        enrolled.lock().expect("lock").len(),
        1,
        "a machine that is enrolled asks nobody"
    );

    let forced = enroll(
        &state,
        &token,
        &["--force", "--name", "m2", "--allow", "ghcr.io/other/"],
    )
    .await;
    assert!(forced.status.success(), "{}", said(&forced));
    let config = std::fs::read_to_string(state.join("agent.toml")).expect("written");
    assert!(
        config.contains("ghcr.io/other/") && !config.contains("molecule-ai"),
        "{config}"
    );

    let forced = enroll(&state, &token, &["--force", "--name", "m3"]).await;
    assert!(forced.status.success(), "{}", said(&forced));
    assert!(!said(&forced).contains("nothing may run here yet"));
    let kept = std::fs::read_to_string(state.join("agent.toml")).expect("kept");
    assert_eq!(kept, config, "no policy takes no policy's place");

    let running = std::fs::File::create(state.join("lock")).expect("lock");
    running.lock().expect("held");
    let beside = enroll(&state, &token, &["--force", "--name", "m4"]).await;
    assert_eq!(beside.status.code(), Some(1));
    assert!(
        said(&beside).contains("an agent runs with"),
        "{}",
        said(&beside)
    );
    let asked = enrolled.lock().expect("lock");
    assert!(asked.iter().all(|request| request.name != "m4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_gets_nothing() {
    let authority = Arc::new(Authority::new());
    let Coordinator {
        address, enrolled, ..
    } = coordinator::start(&authority, "127.0.0.1").await;
    let dir = tempfile::tempdir().expect("directory");
    let output = enroll(dir.path(), &token(&[&address], &"ab".repeat(32)), &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("not the coordinator that this token was made by"),
        "{}",
        said(&output)
    );
    assert!(enrolled.lock().expect("lock").is_empty());
    assert!(!dir.path().join("identity/agent.pem").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_right_authority_with_another_name_gets_nothing() {
    let authority = Arc::new(Authority::new());
    let Coordinator {
        address, enrolled, ..
    } = coordinator::start(&authority, "other.example").await;
    let dir = tempfile::tempdir().expect("directory");
    let output = enroll(dir.path(), &token(&[&address], &authority.sha256()), &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("certificate not valid for name"),
        "{}",
        said(&output)
    );
    assert!(enrolled.lock().expect("lock").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_answer_the_same_key_asks_again() {
    let authority = Arc::new(Authority::new());
    let Coordinator {
        address, enrolled, ..
    } = coordinator::start(&authority, "127.0.0.1").await;
    let dir = tempfile::tempdir().expect("directory");
    let token = token(&[&address], &authority.sha256());
    let lost = enroll(dir.path(), &token, &["--name", "lost"]).await;
    assert_eq!(lost.status.code(), Some(1), "{}", said(&lost));
    let output = enroll(dir.path(), &token, &["--name", "lost"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let asked = enrolled.lock().expect("lock");
    let key = |request: &EnrollRequest| {
        let csr =
            CertificateSigningRequestParams::from_der(&request.csr.clone().into()).expect("CSR");
        rcgen::PublicKeyData::der_bytes(&csr.public_key).to_vec()
    };
    assert_eq!(key(&asked[0]), key(&asked[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_says_what_to_do() {
    let authority = Arc::new(Authority::new());
    let Coordinator { address, .. } = coordinator::start(&authority, "127.0.0.1").await;
    let dir = tempfile::tempdir().expect("directory");
    let mut wrong =
        EnrollmentToken::decode(&token(&[&address], &authority.sha256())).expect("token");
    wrong.secret = "another".into();
    let output = enroll(dir.path(), &wrong.encode(), &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("this token is not known"),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("pinion token create"),
        "{}",
        said(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_a_persons_own_is_kept() {
    let authority = Arc::new(Authority::new());
    let Coordinator { address, .. } = coordinator::start(&authority, "127.0.0.1").await;
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("agent.toml");
    let own = "# mine\n[policy]\nallow = [\"ghcr.io/a/\"]\n";
    std::fs::write(&path, own).expect("written");
    let token = token(&[&address], &authority.sha256());
    let output = enroll(
        dir.path(),
        &token,
        &["--name", "m1", "--allow", "ghcr.io/a/,ghcr.io/b/"],
    )
    .await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(&path).expect("kept"), own);
    assert!(
        said(&output).contains("add \"ghcr.io/b/\" to `allow`"),
        "{}",
        said(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_configuration_is_told_what_to_add_and_none_is_written() {
    let authority = Arc::new(Authority::new());
    let Coordinator { address, .. } = coordinator::start(&authority, "127.0.0.1").await;
    let dir = tempfile::tempdir().expect("directory");
    let (state, path) = (dir.path().join("state"), dir.path().join("etc.toml"));
    std::fs::write(&path, "[policy]\nallow = []\n").expect("written");
    let config = path.to_str().expect("text");
    let arguments = ["--name", "m1", "--config", config, "--allow", "ghcr.io/a/"];
    let token = token(&[&address], &authority.sha256());
    let output = enroll(&state, &token, &arguments).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(!state.join("agent.toml").exists());
    let words = said(&output);
    assert!(words.contains("add \"ghcr.io/a/\" to `allow`"), "{words}");
    assert!(words.contains("nothing may run here yet"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_wrongly_ends_with_two() {
    let dir = tempfile::tempdir().expect("directory");
    for (token, arguments, words) in [
        ("pinion1.cut", &[][..], "damaged"),
        ("nonsense", &[], "starts with"),
        (
            "nonsense",
            &["--allow", "https://ghcr.io/a"],
            "an allowed repository must be",
        ),
        ("nonsense", &["--name", "M 1"], "an agent's name must be"),
        (
            "nonsense",
            &["--token-file", "/nonexistent/token"],
            "cannot be used with",
        ),
    ] {
        let output = enroll(dir.path(), token, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}
