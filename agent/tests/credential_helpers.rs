//! Which credential goes with a repository, and Docker's credential helper
//! protocol with real programs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pinion_agent::credentials::{Binding, Credential, Resolve, Resolver, Secret, Source};
use pinion_model::{Failure, FailureKind, Repository};
use secrecy::ExposeSecret as _;

const AGENT: &str = env!("CARGO_BIN_EXE_pinion-agent");
/// Stands for a secret: it may be in no error.
const CANARY: &str = "c4n4ry-s3cret";

/// A directory with credential helpers, which is the whole `PATH`.
struct Machine {
    dir: tempfile::TempDir,
    environment: BTreeMap<String, OsString>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let environment = BTreeMap::from([
            (
                "PATH".to_owned(),
                format!("{}:/usr/bin:/bin", dir.path().display()).into(),
            ),
            ("HOME".to_owned(), dir.path().into()),
            ("PINION_SECRETS_DIR".to_owned(), dir.path().into()),
        ]);
        Self { dir, environment }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn helper(self, name: &str, script: &str) -> Self {
        let path = self.path(&format!("docker-credential-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("executable");
        self
    }

    fn docker_config(self, json: &str) -> Self {
        std::fs::create_dir_all(self.path(".docker")).expect("directory");
        std::fs::write(self.path(".docker/config.json"), json).expect("config.json");
        self
    }

    fn resolver(&self, bindings: &[(&str, Binding)]) -> Resolver {
        let bindings = bindings
            .iter()
            .map(|(host, binding)| ((*host).to_owned(), binding.clone()))
            .collect();
        Resolver::new(bindings, self.environment.clone(), AGENT.into())
    }
}

fn helper(name: &str) -> Binding {
    Binding::new(Source::Process {
        helper: name.into(),
        key: None,
    })
}

fn repository() -> Repository {
    "registry.example:5000/acme/app"
        .parse()
        .expect("repository")
}

const HOST: &str = "registry.example:5000";

fn password(credential: Option<Credential>) -> (String, String) {
    match credential.expect("a credential").secret {
        Secret::Password { username, password } => (username, password.expose_secret().to_owned()),
        Secret::IdentityToken(token) => ("<token>".into(), token.expose_secret().to_owned()),
    }
}

async fn failure(machine: &Machine, binding: Binding) -> Failure {
    let resolved = machine
        .resolver(&[(HOST, binding)])
        .resolve(&repository())
        .await;
    let failure = resolved.map(|_| ()).expect_err("it cannot be resolved");
    assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
    assert!(
        !format!("{failure} {failure:?}").contains(CANARY),
        "{failure}"
    );
    failure
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // A killed process whose parent has not asked for it yet is a zombie.
    !state.is_empty() && !state.contains(") Z ")
}

/// Polls until `condition` holds; fails after a minute.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1200 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_helper_is_asked_for_the_registry_on_standard_input() {
    let machine = Machine::new().helper(
        "echo",
        r#"key=$(cat); [ "$1" = get ] && [ $# = 1 ] && echo "{\"ServerURL\":\"$key\",\"Username\":\"u\",\"Secret\":\"$key\"}""#,
    );
    let credential = machine
        .resolver(&[(HOST, helper("echo"))])
        .resolve(&repository())
        .await
        .expect("resolved");
    assert_eq!(
        credential.as_ref().map(|c| c.server_address.as_str()),
        Some(HOST)
    );
    assert_eq!(password(credential), ("u".into(), HOST.into()));
    let key = Some("1.dkr.ecr.us-east-1.amazonaws.com".to_owned());
    let keyed = Binding::new(Source::Process {
        helper: "echo".into(),
        key: key.clone(),
    });
    let credential = machine
        .resolver(&[(HOST, keyed)])
        .resolve(&repository())
        .await
        .expect("resolved");
    assert_eq!(Some(password(credential).1), key);
}

#[tokio::test]
async fn the_user_token_marks_an_identity_token() {
    let machine = Machine::new().helper(
        "id",
        r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"refresh"}'"#,
    );
    let credential = machine
        .resolver(&[(HOST, helper("id"))])
        .resolve(&repository())
        .await
        .expect("resolved");
    assert!(matches!(
        credential.expect("one").secret,
        Secret::IdentityToken(_)
    ));
}

#[tokio::test]
async fn a_helper_that_hangs_is_killed_with_all_that_it_started() {
    let machine = Machine::new();
    let pids = machine.path("pids");
    let script = format!(
        "sleep 600 & echo $! > {0}; echo $$ >> {0}; echo {CANARY}; wait",
        pids.display()
    );
    let machine = machine.helper("hang", &script);
    let mut binding = helper("hang");
    binding.timeout = Duration::from_secs(3);
    let failure = failure(&machine, binding).await;
    assert!(
        failure.message.contains("did not answer within 3 s"),
        "{failure}"
    );
    let pids = std::fs::read_to_string(&pids).expect("it began");
    assert_eq!(pids.lines().count(), 2);
    eventually("the whole group is gone", || !pids.lines().any(is_alive)).await;
}

#[tokio::test]
async fn a_helper_that_is_abandoned_is_killed_too() {
    let machine = Machine::new();
    let pids = machine.path("pids");
    let machine = machine.helper(
        "hang",
        &format!(
            "sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait",
            pids.display()
        ),
    );
    let resolver = Arc::new(machine.resolver(&[(HOST, helper("hang"))]));
    let asked = tokio::spawn(async move { resolver.resolve(&repository()).await.map(|_| ()) });
    eventually("it began", || pids.exists()).await;
    asked.abort();
    let pid = std::fs::read_to_string(&pids).expect("pid");
    eventually("the whole group is gone", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn an_answer_over_the_cap_is_refused() {
    let machine = Machine::new().helper(
        "flood",
        &format!("while :; do echo {CANARY}{CANARY}{CANARY}; done"),
    );
    let failure = failure(&machine, helper("flood")).await;
    assert!(failure.message.contains("more than 64 KiB"), "{failure}");
}

#[tokio::test]
async fn what_is_bound_and_fails_is_an_error_and_never_anonymous() {
    let machine = Machine::new()
        .helper(
            "none",
            "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1",
        )
        .helper(
            "ecr-login",
            "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1",
        )
        .helper(
            "server",
            "cat >/dev/null; echo 'no credentials server URL'; exit 1",
        )
        .helper(
            "broken",
            &format!("cat >/dev/null; echo {CANARY}; echo {CANARY} >&2; exit 3"),
        )
        .helper(
            "garbage",
            &format!("cat >/dev/null; echo '{{\"Username\": \"{CANARY}\"'"),
        )
        .helper("killed", "kill -9 $$")
        // A working entry of Docker's own must not take the failed helper's place.
        .docker_config(r#"{"auths": {"registry.example:5000": {"auth": "dTpw"}}}"#);
    for (name, said) in [
        ("none", "no credential for registry.example:5000"),
        ("ecr-login", "~/.ecr/log"),
        ("server", "helper_key"),
        ("broken", "exit status: 3"),
        ("garbage", "no JSON with Username and Secret"),
        ("killed", "signal: 9"),
        (
            "absent",
            "docker-credential-absent for registry.example:5000 is not installed",
        ),
    ] {
        let failure = failure(&machine, helper(name)).await;
        assert!(failure.message.contains(said), "{name}: {failure}");
    }
}

#[tokio::test]
async fn without_any_credential_anonymous_is_only_what_was_allowed() {
    let machine = Machine::new();
    let nothing = machine
        .resolver(&[])
        .resolve(&repository())
        .await
        .map(|_| ())
        .expect_err("not allowed");
    assert!(
        nothing
            .message
            .contains("[credentials.\"registry.example:5000\"]"),
        "{nothing}"
    );
    assert!(nothing.message.contains("anonymous = true"), "{nothing}");
    let allowed = machine.resolver(&[(HOST, Binding::new(Source::Anonymous))]);
    assert!(
        allowed
            .resolve(&repository())
            .await
            .expect("allowed")
            .is_none()
    );
}

#[tokio::test]
async fn dockers_own_configuration_is_the_next_place_to_look() {
    let machine = Machine::new()
        .helper("store", r#"cat >/dev/null; echo '{"Username":"store","Secret":"s"}'"#)
        .docker_config(r#"{"credHelpers": {"registry.example:5000": "store"}, "auths": {"registry.example:5000": {"auth": "dTpw"}}}"#);
    let credential = machine
        .resolver(&[])
        .resolve(&repository())
        .await
        .expect("credHelpers");
    assert_eq!(password(credential).0, "store");
    let machine = machine.with(
        "DOCKER_AUTH_CONFIG",
        r#"{"auths": {"registry.example:5000": {"auth": "dTpw"}}}"#,
    );
    let credential = machine
        .resolver(&[])
        .resolve(&repository())
        .await
        .expect("variable");
    assert_eq!(password(credential), ("u".into(), "p".into()));
}

#[tokio::test]
async fn a_broken_config_json_is_an_error_and_repeats_nothing() {
    let machine = Machine::new().docker_config(&format!("{{\"auths\": {CANARY}"));
    let failure = machine
        .resolver(&[])
        .resolve(&repository())
        .await
        .map(|_| ())
        .expect_err("broken");
    assert!(failure.message.contains(".docker/config.json"), "{failure}");
    assert!(!format!("{failure:?}").contains(CANARY));
}

#[tokio::test]
async fn a_store_for_everything_never_gets_a_vendors_token() {
    let machine = Machine::new()
        .with("FLY_API_TOKEN", CANARY)
        .docker_config(r#"{"credsStore": "pinion-fly"}"#);
    let failure = machine
        .resolver(&[])
        .resolve(&repository())
        .await
        .map(|_| ())
        .expect_err("refused");
    assert!(failure.message.contains("credHelpers"), "{failure}");
}

#[tokio::test]
async fn an_answer_is_asked_for_once_until_it_is_forgotten() {
    let machine = Machine::new();
    let count = machine.path("count");
    let machine = machine.helper(
        "count",
        &format!(
            r#"cat >/dev/null; echo "fresh=$AWS_ECR_DISABLE_CACHE" >> {}; echo '{{"Username":"u","Secret":"s"}}'"#,
            count.display()
        ),
    );
    let resolver = Arc::new(machine.resolver(&[(HOST, helper("count"))]));
    let asks: Vec<_> = (0..8)
        .map(|_| {
            let resolver = Arc::clone(&resolver);
            tokio::spawn(async move { resolver.resolve(&repository()).await.map(password) })
        })
        .collect();
    for ask in asks {
        assert!(ask.await.expect("no panic").is_ok());
    }
    let runs = || {
        std::fs::read_to_string(&count)
            .expect("it ran")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(runs(), ["fresh="]);
    resolver.forget(&repository());
    resolver.resolve(&repository()).await.expect("asked again");
    assert_eq!(
        runs(),
        ["fresh=", "fresh=true"],
        "after a refusal no cache of the helper's own may answer"
    );
}

#[tokio::test]
async fn a_helper_sees_only_what_it_needs_of_the_environment() {
    let machine = Machine::new()
        .with("AWS_REGION", "us-east-2")
        .with("PINION_ENROLL_TOKEN", CANARY)
        .with("UNRELATED", CANARY)
        .helper("ecr-login", r#"cat >/dev/null; printf '{"Username":"u","Secret":"%s"}' "$(env | sort | tr '\n' ' ')""#);
    let credential = machine
        .resolver(&[(HOST, helper("ecr-login"))])
        .resolve(&repository())
        .await
        .expect("resolved");
    let seen = password(credential).1;
    assert!(
        seen.contains("AWS_REGION=us-east-2") && !seen.contains(CANARY),
        "{seen}"
    );
}

#[tokio::test]
async fn a_secret_file_is_read_at_each_pull() {
    let machine = Machine::new();
    let path = machine.path("token");
    std::fs::write(&path, "first\n").expect("written");
    let binding = Binding::new(Source::SecretFile {
        username: "x".into(),
        path: path.clone(),
    });
    let resolver = machine.resolver(&[(HOST, binding)]);
    assert_eq!(
        password(resolver.resolve(&repository()).await.expect("read")),
        ("x".into(), "first".into())
    );
    std::fs::write(&path, "rotated").expect("written");
    assert_eq!(
        password(resolver.resolve(&repository()).await.expect("read")).1,
        "rotated"
    );
    std::fs::remove_file(&path).expect("removed");
    assert!(
        resolver.resolve(&repository()).await.is_err(),
        "a bound file that is gone is no anonymous pull"
    );
}

#[tokio::test]
async fn the_built_in_helpers_run_in_a_process_of_their_own() {
    let machine = Machine::new()
        .with("FLY_API_TOKEN", "FlyV1 fm2_a,FlyV1 fm2_b")
        .with("GHCR_USER", "ci")
        .with("GHCR_TOKEN", "ghp_1");
    let fly = machine
        .resolver(&[(HOST, helper("pinion-fly"))])
        .resolve(&repository())
        .await
        .expect("fly");
    assert_eq!(password(fly), ("x".into(), "fm2_a,fm2_b".into()));
    let ghcr = machine
        .resolver(&[(HOST, helper("pinion-ghcr"))])
        .resolve(&repository())
        .await
        .expect("ghcr");
    assert_eq!(password(ghcr), ("ci".into(), "ghp_1".into()));
    let bare = Machine::new().with("GHCR_TOKEN", CANARY);
    let half = failure(&bare, helper("pinion-ghcr")).await;
    assert!(half.message.contains("GHCR_USER is not"), "{half}");
    let none = failure(&bare, helper("pinion-fly")).await;
    assert!(none.message.contains("FLY_API_TOKEN"), "{none}");
}
