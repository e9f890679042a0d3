use crate::support::{Served, program, run, text};

/// More arguments, variables, and what must be said of them.
type Unusable<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn what_cannot_be_used_ends_with_2_before_anything_is_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let (data_text, config) = (data.display().to_string(), dir.path().join("c.toml"));
    std::fs::write(&config, "default_registy = \"ghcr\"\n").expect("written");
    let config = config.display().to_string();
    let strategies = dir.path().join("strategies.toml");
    let two = "[registry.r]\nprefix = \"r.example\"\n\
               [strategy.a]\nsoak = 5\nmax_in_flight = \"200%\"\n[strategy.b]\nmin_healthy = \"1h\"\n";
    std::fs::write(&strategies, two).expect("written");
    let strategies = strategies.display().to_string();
    let ca = env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml";
    let table: &[Unusable<'_>] = &[
        (
            &["--http-listen", "0.0.0.0:0"],
            &[],
            &["--http-listen", "not loopback", "--http-tls own"],
        ),
        (
            &[],
            &[("PINION_HTTP_LISTEN", "192.0.2.1:0")],
            &["--http-listen", "192.0.2.1"],
        ),
        (
            &["--config", &config],
            &[],
            &[
                &config,
                "default_registy",
                "did you mean \"default_registry\"?",
            ],
        ),
        (
            &["--config", &strategies],
            &[],
            &[
                "strategies.toml: strategy.a.soak: ",
                "strategies.toml: strategy.a.max_in_flight: ",
                "strategies.toml: strategy.b.min_healthy: ",
            ],
        ),
        (
            &[],
            &[("PINION_CONFIG", "/nowhere/c.toml")],
            &["/nowhere/c.toml", "No such file"],
        ),
        (
            &[],
            &[("MOLECULE_IMAGE_REGISTRY", "https://x")],
            &["MOLECULE_IMAGE_REGISTRY", "host[:port]"],
        ),
        (
            &["--advertise", "pinion.example"],
            &[],
            &["--advertise", "HOST:PORT"],
        ),
        (
            &["--heartbeat", "1ms"],
            &[],
            &["--heartbeat", "100ms to 5m"],
        ),
        (
            &["--certificate-life", "721h"],
            &[],
            &["--certificate-life", "5s to 720h"],
        ),
        (&["--http-tls-cert", "/nowhere"], &[], &["--http-tls-key"]),
        (
            &["--http-tls-cert", "/nowhere", "--http-tls-key", "/nowhere"],
            &[],
            &["--http-tls-cert", "/nowhere"],
        ),
        (
            &["--http-tls-cert", &ca, "--http-tls-key", &ca],
            &[],
            &["--http-tls-cert", "no certificate"],
        ),
        (&["--http-tls", "mine"], &[], &["--http-tls", "own"]),
        (
            &["--admin-api-token", "secret"],
            &[],
            &["unexpected argument"],
        ),
        (
            &["--agents-listen", "everywhere"],
            &[],
            &["--agents-listen"],
        ),
    ];
    for (more, env, words) in table {
        let mut args = vec!["serve", "--data-dir", &data_text];
        args.extend_from_slice(more);
        let output = run(&args, env);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?} {env:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{more:?}: {said} lacks {word}");
        }
        assert!(!data.exists(), "{more:?} made {data_text}");
    }
}

#[test]
fn a_configuration_is_checked_without_starting() {
    let good = run(
        &["check-config"],
        &[("MOLECULE_IMAGE_REGISTRY", "10.0.0.1:5000")],
    );
    let said = text(&good.stdout);
    assert!(
        good.status.success() && said.contains("10.0.0.1:5000/workspace-template-codex"),
        "{said}"
    );
    let bad = run(&["check-config", "--config", "/nowhere"], &[]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let data = dir.path().join("data").display().to_string();
    let output = run(
        &[
            "serve",
            "--data-dir",
            &data,
            "--agents-listen",
            "127.0.0.1:0",
            "--operators-listen",
            &taken,
        ],
        &[],
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(&taken) && said.contains("--operators-listen"),
        "{said}"
    );
}

#[test]
fn a_trust_domain_that_contradicts_the_authority_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, config) = (dir.path().join("data"), dir.path().join("c.toml"));
    assert_eq!(Served::start(&data, &[]).terminate(), Some(0));
    let text_of = "trust_domain = \"other\"\n[registry.r]\nprefix = \"r.example\"\n[workload.w]\nimages = { r = \"w\" }\n";
    std::fs::write(&config, text_of).expect("written");
    let (data, config) = (data.display().to_string(), config.display().to_string());
    let output = run(&["serve", "--data-dir", &data, "--config", &config], &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("trust_domain") && said.contains("\"pinion\""),
        "{said}"
    );
}

#[test]
fn help_shows_examples_and_hides_secrets() {
    let output = program()
        .args(["serve", "--help"])
        .env("CP_ADMIN_API_TOKEN", "very-secret-token")
        .output();
    let said = text(&output.expect("help").stdout);
    for flag in [
        "--data-dir",
        "--config",
        "--agents-listen",
        "--operators-listen",
        "--http-listen",
        "--advertise",
    ] {
        let variable = format!(
            "PINION_{}",
            flag.trim_start_matches('-')
                .replace('-', "_")
                .to_uppercase()
        );
        assert!(
            said.contains(flag) && said.contains(&variable),
            "{flag}: {said}"
        );
    }
    assert!(!said.contains("very-secret-token"), "{said}");
    assert!(text(&run(&["--help"], &[]).stdout).contains("Examples:"));
    assert!(text(&run(&["--version"], &[]).stdout).starts_with("pinion-coordinator 0."));
}
