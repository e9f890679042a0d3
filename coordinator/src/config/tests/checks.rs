use std::time::Duration;

use pinion_rollout::{Check, HttpGet, Probe, PromQuery};

use crate::config::Config;

const GOOD: &str = r#"
[registry.ghcr]
prefix = "ghcr.io/a"
[workload.codex]
images = { ghcr = "codex" }
[probe]
token_files = { "https://prometheus.example:9090/" = "/etc/pinion/prometheus.token" }
[[strategy.checked.stage]]
count = 1
checks = [
    { name = "errors", prometheus = { url = "http://prometheus:9090", query = "rate(errors[1m])", success = "< 0.01", failure = ">= 0.1" }, interval = "1m", samples = 3, failure_limit = 2, timeout = "10m", dry_run = true },
    { name = "smoke", http = { url = "https://app/health", status = 204, body_contains = "well" } },
    { name = "plain", http = { url = "https://app/" } },
]
[[strategy.checked.stage]]
rest = true
"#;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("c.toml", text, None).map_err(|error| error.to_string())
}

#[test]
fn checks_are_read_with_their_defaults() {
    let config = parse(GOOD).expect("it is good");
    let stages = &config.strategies[&"checked".parse().expect("a name")].stages;
    assert_eq!(stages[1].checks, []);
    let name = |name: &str| name.parse().expect("a name");
    let errors = Check {
        interval: Duration::from_secs(60),
        samples: 3,
        failure_limit: 2,
        timeout: Duration::from_secs(600),
        dry_run: true,
        ..Check::of(
            name("errors"),
            Probe::Prometheus(PromQuery {
                url: "http://prometheus:9090".to_owned(),
                query: "rate(errors[1m])".to_owned(),
                success: "< 0.01".parse().expect("a condition"),
                failure: Some(">= 0.1".parse().expect("a condition")),
            }),
        )
    };
    let smoke = HttpGet {
        status: 204,
        body_contains: Some("well".to_owned()),
        ..HttpGet::of("https://app/health")
    };
    let plain = HttpGet::of("https://app/");
    let expected = [
        errors,
        Check::of(name("smoke"), Probe::Http(smoke)),
        Check::of(name("plain"), Probe::Http(plain)),
    ];
    assert_eq!(stages[0].checks, expected);
}

/// What is replaced in [`GOOD`], by what, and what the error must say.
const BAD: &[(&str, &str, &[&str])] = &[
    ("name = \"errors\", ", "", &["checks[0].name", "is missing"]),
    ("\"smoke\"", "\"errors\"", &["checks[1].name", "two checks"]),
    (
        "\"smoke\"",
        "\"Smoke\"",
        &["checks[1].name", "a check's name"],
    ),
    (
        "http = { url = \"https://app/\" }",
        "dry_run = true",
        &["checks[2]", "exactly one of prometheus, http"],
    ),
    (
        "http = { url = \"https://app/\" }",
        "http = { url = \"https://app/\" }, prometheus = {}",
        &["checks[2]", "exactly one of"],
    ),
    (
        "status = 204",
        "state = 204",
        &["checks[1].http.state", "did you mean \"status\"?"],
    ),
    (
        "status = 204",
        "status = 20",
        &["checks[1].http.status", "from 200 to 599"],
    ),
    (
        "https://app/health",
        "app/health",
        &["checks[1].http.url", "https://"],
    ),
    (
        "http://prometheus:9090",
        "http://me:pass@prometheus",
        &["checks[0].prometheus.url", "token_files"],
    ),
    (
        "\"rate(errors[1m])\"",
        "\"\"",
        &["checks[0].prometheus.query", "PromQL"],
    ),
    (
        "\"< 0.01\"",
        "\"0.01\"",
        &["checks[0].prometheus.success", "\"< 0.01\""],
    ),
    (
        "success = \"< 0.01\", ",
        "",
        &["checks[0].prometheus.success", "is missing"],
    ),
    (
        ">= 0.1",
        ">= 0.001",
        &["checks[0].prometheus.failure", "overlaps success"],
    ),
    ("\"1m\"", "\"1ms\"", &["checks[0].interval", "1 s to 1 h"]),
    (
        "samples = 3",
        "samples = 0",
        &["checks[0].samples", "from 1"],
    ),
    (
        "interval = \"1m\", samples = 3, failure_limit = 2, timeout = \"10m\"",
        "interval = \"2h\", samples = 3",
        &[
            "checks[0].interval: must be 1 s to 1 h",
            "checks[0].timeout: ",
            "at least 21600s",
        ],
    ),
    (
        "dry_run = true",
        "dry = true",
        &["checks[0].dry", "is no key here"],
    ),
    (
        "https://prometheus.example:9090/",
        "http://prometheus",
        &["probe.token_files.http://prometheus", "in the clear"],
    ),
    (
        "/etc/pinion/prometheus.token",
        "prometheus.token",
        &["absolute path"],
    ),
    ("token_files", "tokens", &["probe.tokens", "is no key here"]),
];

#[test]
fn what_is_wrong_with_a_check_is_told_with_its_key() {
    for (from, to, parts) in BAD {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from} is not in the good file");
        let error = parse(&text).expect_err(to);
        assert!(error.starts_with("c.toml: "), "{error}");
        assert!(!error.contains("pass@"), "{error}");
        for part in *parts {
            assert!(error.contains(part), "{to}: {error} lacks {part}");
        }
    }
}
