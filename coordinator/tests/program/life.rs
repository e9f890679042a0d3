use crate::support::{Served, run, text};

#[test]
fn the_first_start_makes_an_authority_and_an_administrator_and_the_next_keeps_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let pki = data.join("pki");
    let first = Served::start(&data, &[]);
    let said = first.before.join("\n");
    for path in ["ca.pem", "operators/admin.pem", "operators/admin.key"] {
        let path = pki.join(path);
        assert!(
            path.exists() && said.contains(&path.display().to_string()),
            "{said}"
        );
    }
    assert!(
        said.contains("token create") && said.contains(first.address("operators")),
        "{said}"
    );
    let body = format!(
        r#"{{"template_name":"codex","image_digest":"sha256:{}","git_sha":"{}"}}"#,
        "a".repeat(64),
        "b".repeat(40)
    );
    let token = "Authorization: Bearer the-token-of-the-pipeline";
    let promoted = first.curl(
        &["-H", token, "-d", &body],
        "/cp/admin/runtime-image/promote",
    );
    assert!(promoted.status.success(), "{}", text(&promoted.stderr));
    let authority = std::fs::read(pki.join("ca.pem")).expect("the authority");
    assert_eq!(first.terminate(), Some(0));
    let second = Served::start(&data, &[]);
    assert!(second.before.is_empty(), "{:?}", second.before);
    assert_eq!(
        std::fs::read(pki.join("ca.pem")).expect("the authority"),
        authority
    );
    // The first plan is made after it is ready.
    let metrics = second.metrics_with("# HELP pinion_plan_seconds");
    assert!(
        metrics.contains("pinion_agents{presence=\"online\"} 0"),
        "{metrics}"
    );
    let pins = second.curl(&["-H", token], "/cp/admin/runtime-image");
    assert!(
        text(&pins.stdout).contains(&"a".repeat(64)),
        "{}",
        text(&pins.stdout)
    );
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn a_start_takes_the_strategies_of_the_configuration_as_they_are_now() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, config) = (dir.path().join("data"), dir.path().join("c.toml"));
    let config_text = config.display().to_string();
    // By itself: a promotion looks the workload's strategy up.
    for (name, letter) in [("careful", 'a'), ("quick", 'c')] {
        let text = format!(
            "[registry.r]\nprefix = \"r.example\"\n\
             [workload.codex]\nimages = {{ r = \"codex\" }}\nrollout = \"auto\"\nstrategy = \"{name}\"\n\
             [strategy.{name}]\nsoak = \"1m\"\n"
        );
        std::fs::write(&config, text).expect("written");
        let served = Served::start(&data, &["--config", &config_text]);
        let body = format!(
            r#"{{"template_name":"codex","image_digest":"sha256:{}","git_sha":"{}"}}"#,
            letter.to_string().repeat(64),
            "b".repeat(40)
        );
        let token = "Authorization: Bearer the-token-of-the-pipeline";
        let promoted = served.curl(
            &["-H", token, "-d", &body],
            "/cp/admin/runtime-image/promote",
        );
        assert!(promoted.status.success(), "{}", text_of(&promoted));
        assert_eq!(served.terminate(), Some(0));
    }
}

fn text_of(output: &std::process::Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn curl_is_told_of_a_body_that_is_too_large() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let large = dir.path().join("large");
    std::fs::write(&large, vec![b' '; 1 << 20]).expect("written");
    let (token, from) = (
        "Authorization: Bearer the-token-of-the-pipeline",
        format!("@{}", large.display()),
    );
    let answer = served.curl(
        &["-H", token, "--data-binary", &from],
        "/cp/admin/runtime-image/promote",
    );
    let said = text(&answer.stderr);
    assert_eq!(answer.status.code(), Some(22), "{said}");
    assert!(said.contains("413"), "{said}");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    for (name, wanted) in [
        ("pki/ca.key", 0o600),
        ("pki/server.key", 0o600),
        ("pki/operators/admin.key", 0o600),
        ("pki", 0o700),
        ("pki/ca.pem", 0o644),
    ] {
        let mode = std::fs::metadata(data.join(name))
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, wanted, "{name}");
    }
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn http_shows_the_own_certificate_or_given_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let own = Served::start(&data, &["--http-tls", "own"]);
    let ca = data.join("pki/ca.pem").display().to_string();
    let answer = own.curl(&["--cacert", &ca], "/healthz");
    assert_eq!(text(&answer.stdout), "ok\n", "{}", text(&answer.stderr));
    assert!(
        !own.curl(&["--tls-max", "1.2", "--cacert", &ca], "/healthz")
            .status
            .success()
    );
    assert_eq!(own.terminate(), Some(0));
    let (cert, key) = (data.join("pki/server.pem"), data.join("pki/server.key"));
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let files = Served::start(&data, &["--http-tls-cert", &cert, "--http-tls-key", &key]);
    let answer = files.curl(&["--cacert", &ca], "/readyz");
    assert!(answer.status.success(), "{}", text(&answer.stderr));
    assert_eq!(files.terminate(), Some(0));
}

#[test]
fn an_operator_is_made_where_nobody_can_log_in_but_not_beside_a_coordinator() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let (data_text, out_text) = (data.display().to_string(), out.display().to_string());
    let create = || {
        run(
            &[
                "operator",
                "create",
                "alice",
                "--role",
                "viewer",
                "--data-dir",
                &data_text,
                "--out",
                &out_text,
            ],
            &[],
        )
    };
    let nothing = create();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing.stderr).contains("serve --data-dir"),
        "{}",
        text(&nothing.stderr)
    );
    let served = Served::start(&data, &[]);
    let beside = create();
    assert_eq!(beside.status.code(), Some(1));
    assert!(
        text(&beside.stderr).contains("in use by another process"),
        "{}",
        text(&beside.stderr)
    );
    let second = run(
        &[
            "serve",
            "--data-dir",
            &data_text,
            "--http-listen",
            "127.0.0.1:0",
        ],
        &[],
    );
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(served.terminate(), Some(0));
    let made = create();
    assert!(made.status.success(), "{}", text(&made.stderr));
    for name in ["alice.pem", "alice.key", "ca.pem"] {
        assert!(out.join(name).exists(), "{name}");
    }
}
