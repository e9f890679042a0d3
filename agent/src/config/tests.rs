use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/pinion/agent.toml"), text)
}

#[test]
fn every_key_of_the_design_is_read() {
    let config = parse(
        r#"
        registries = ["fly", "ghcr"]
        [policy]
        allow = ["ghcr.io/molecule-ai/", "registry.fly.io/molecule-tenant"]
        [engine]
        host = "unix:///var/run/docker.sock"
        min_free_mib = 64
        [credentials."ghcr.io"]
        helper = "pinion-ghcr"
        timeout = "3s"
        [credentials."10.0.0.1:5000"]
        helper = "ecr-login"
        helper_key = "1.dkr.ecr.us-east-1.amazonaws.com"
        [credentials."registry.fly.io"]
        secret_file = "/etc/pinion/secrets/fly"
        username = "x"
        [credentials."localhost:5000"]
        anonymous = true
        [workload.codex]
        probe = "http:8080/healthz"
        "#,
    )
    .expect("valid");
    let codex = &config.workloads[&"codex".parse().expect("a name")];
    assert_eq!(
        codex.probe,
        Some("http:8080/healthz".parse().expect("a probe"))
    );
    assert_eq!(
        config
            .registries
            .iter()
            .map(RegistryName::as_str)
            .collect::<Vec<_>>(),
        ["fly", "ghcr"]
    );
    assert!(
        config
            .policy
            .allows(&"ghcr.io/molecule-ai/codex".parse().expect("repository"))
    );
    assert_eq!(
        config.engine_host.as_deref(),
        Some("unix:///var/run/docker.sock")
    );
    assert_eq!(config.min_free, 64 * 1024 * 1024);
    assert_eq!(
        config.credentials["ghcr.io"].timeout,
        Duration::from_secs(3)
    );
    let key = "1.dkr.ecr.us-east-1.amazonaws.com".to_owned();
    let ecr = Source::Process {
        helper: "ecr-login".into(),
        key: Some(key),
    };
    assert_eq!(config.credentials["10.0.0.1:5000"], Binding::new(ecr));
    let fly = Source::SecretFile {
        username: "x".into(),
        path: "/etc/pinion/secrets/fly".into(),
    };
    assert_eq!(config.credentials["registry.fly.io"].source, fly);
    assert_eq!(
        config.credentials["localhost:5000"].source,
        Source::Anonymous
    );
}

#[test]
fn an_empty_file_allows_nothing() {
    assert_eq!(parse("").expect("valid"), Config::default());
    assert!(Config::default().policy.prefixes().is_empty());
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_known_one() {
    for (text, key, near) in [
        ("registrys = []", "`registrys`", "`registries`"),
        ("[polcy]\nallow = []", "`polcy`", "`policy`"),
        ("[policy]\nallowed = []", "`policy.allowed`", "`allow`"),
        (
            "[credentials.\"ghcr.io\"]\nhelpr = \"a\"",
            "`credentials.\"ghcr.io\".helpr`",
            "`helper`",
        ),
        ("[engine]\nhosts = \"a\"", "`engine.hosts`", "`host`"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.starts_with("/etc/pinion/agent.toml: "), "{error}");
        assert!(
            error.contains(key) && error.contains(&format!("did you mean {near}")),
            "{error}"
        );
    }
    let far = parse("zzzzzzzz = 1").expect_err("unknown").to_string();
    assert!(
        !far.contains("did you mean") && far.contains("allowed: registries, policy"),
        "{far}"
    );
}

#[test]
fn a_bad_value_is_named_with_its_key_and_what_is_allowed() {
    for (text, said) in [
        (
            "registries = \"fly\"",
            "`registries` must be a list of texts; got a string",
        ),
        (
            "registries = [\"fly\", \"fly\"]",
            "`registries` must be a list without repetitions",
        ),
        (
            "registries = [\"Fly\"]",
            "`registries`: a registry's name must be",
        ),
        ("policy = 1", "`policy` must be a table; got an integer"),
        (
            "[policy]\nallow = [\"https://ghcr.io/a\"]",
            "`policy.allow`: an allowed repository must be",
        ),
        (
            "[engine]\nhost = \"tcp://1.2.3.4:2375\"",
            "`engine.host` must be unix://",
        ),
        (
            "[engine]\nmin_free_mib = -1",
            "`engine.min_free_mib` must be a whole number",
        ),
        (
            "[credentials.\"ghcr.io/a\"]\nanonymous = true",
            "registry's host[:port]",
        ),
        (
            "[credentials.\"ghcr.io\"]",
            "exactly one of `helper`, `secret_file` and `anonymous = true`; got nothing",
        ),
        (
            "[credentials.\"ghcr.io\"]\nhelper = \"a\"\nanonymous = true",
            "exactly one of",
        ),
        (
            "[credentials.\"ghcr.io\"]\nhelper = \"/bin/sh\"",
            "`credentials.\"ghcr.io\".helper` must be the name behind",
        ),
        (
            "[credentials.\"ghcr.io\"]\nsecret_file = \"/a\"",
            "`credentials.\"ghcr.io\".username` must be set",
        ),
        (
            "[credentials.\"ghcr.io\"]\nsecret_file = \"a\"\nusername = \"x\"",
            "an absolute path",
        ),
        (
            "[credentials.\"ghcr.io\"]\nanonymous = true\nusername = \"x\"",
            "left out without `secret_file`",
        ),
        (
            "[credentials.\"ghcr.io\"]\nhelper = \"a\"\ntimeout = \"1h\"",
            "at most \"2m\"",
        ),
        ("a = [\n\nb = 1", "line "),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn what_enroll_writes_is_read_again() {
    let policy = Policy::new(vec!["ghcr.io/molecule-ai/".parse().expect("prefix")]);
    let text = Config::text_for(&policy);
    let config = parse(&text).expect("valid");
    assert_eq!(config.policy, policy);
    assert!(config.is_as_written(&text));
    assert!(!config.is_as_written(&format!("{text}# mine\n")));
}
