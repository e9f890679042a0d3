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
        pulls = 3
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
        [locks]
        dir = "/run/pinion/locks"
        [workload.codex]
        probe = "http:8080/healthz"
        pre_cut = ["/etc/pinion/hooks/drain", "codex"]
        post_start = ["/etc/pinion/hooks/up"]
        hook_timeout = "30s"
        idle = "8080/idle"
        max_connections = 2
        drain = "10s"
        [workload.hermes]
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
    let limits = PullLimits {
        min_free: Some(64 * 1024 * 1024),
        at_once: 3,
    };
    assert_eq!(config.pulls, limits);
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
            "[engine]\npulls = 0",
            "`engine.pulls` must be a number from 1 to 16",
        ),
        (
            "[engine]\npulls = 17",
            "`engine.pulls` must be a number from 1 to 16",
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

#[test]
fn what_is_asked_before_a_cut_over_is_read() {
    let config = parse(
        r#"
        [locks]
        dir = "/run/pinion/locks"
        [workload.codex]
        pre_cut = ["/etc/pinion/hooks/drain", "codex"]
        hook_timeout = "30s"
        idle = "8080/idle"
        max_connections = 2
        drain = "10s"
        [workload.hermes]
        post_start = ["/etc/pinion/hooks/up"]
        switch = ["/etc/pinion/hooks/proxy"]
        "#,
    )
    .expect("valid");
    assert_eq!(
        config.lock_dir.as_deref(),
        Some(Path::new("/run/pinion/locks"))
    );
    let codex = &config.workloads[&"codex".parse().expect("name")];
    let pre_cut = codex.pre_cut.as_ref().expect("a hook");
    assert_eq!(pre_cut.command, ["/etc/pinion/hooks/drain", "codex"]);
    assert_eq!(pre_cut.timeout, Duration::from_secs(30));
    assert_eq!(codex.post_start, None);
    let idle = codex.idle.as_ref().map(ToString::to_string);
    assert_eq!(idle.as_deref(), Some("8080/idle"));
    assert_eq!(codex.max_connections, Some(2));
    assert_eq!(codex.drain, Some(Duration::from_secs(10)));
    let hermes = &config.workloads[&"hermes".parse().expect("name")];
    let timeout = hermes.post_start.as_ref().map(|hook| hook.timeout);
    assert_eq!(timeout, Some(Duration::from_secs(60)), "the usual one");
    let switch = hermes.switch.as_ref().map(|hook| hook.command.as_slice());
    assert_eq!(switch, Some(&["/etc/pinion/hooks/proxy".to_owned()][..]));
}

#[test]
fn what_cannot_be_asked_is_refused_with_its_key() {
    for (text, key) in [
        (
            "[workload.codex]\npre_cut = [\"drain\"]",
            "workload.codex.pre_cut",
        ),
        (
            "[workload.codex]\npost_start = \"/bin/true\"",
            "workload.codex.post_start",
        ),
        (
            "[workload.codex]\nswitch = [\"proxy\"]",
            "workload.codex.switch",
        ),
        (
            "[workload.codex]\nhook_timeout = \"0\"",
            "workload.codex.hook_timeout",
        ),
        (
            "[workload.codex]\nhook_timeout = \"2h\"",
            "workload.codex.hook_timeout",
        ),
        (
            "[workload.codex]\nidle = \"https://127.0.0.1/\"",
            "workload.codex.idle",
        ),
        (
            "[workload.codex]\nmax_connections = -1",
            "workload.codex.max_connections",
        ),
        ("[workload.codex]\ndrain = \"2h\"", "workload.codex.drain"),
        ("[workload.codex]\nidel = \"8080\"", "workload.codex.idel"),
        ("[workload.\"no name\"]\n", "workload.\"no name\""),
        ("[locks]\ndir = \"locks\"", "locks.dir"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(key), "{text}: {error}");
    }
}
