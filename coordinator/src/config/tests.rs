mod checks;

use std::time::Duration;

use super::*;

const GOOD: &str = r#"
default_registry = "ghcr"
[registry.ghcr]
prefix = "ghcr.io/molecule-ai"
[registry.fly]
prefix = "registry.fly.io"
[workload.workspace-server]
images = { ghcr = "platform", fly = "molecule-tenant" }
rollout = "auto"
strategy = "careful"
[strategy.careful]
on_failure = "rollback"
soak = "90s"
max_in_flight = "25%"
stage = [ { count = 1, name = "canary" }, { percent = 50, approval = "manual" }, { rest = true, failure_budget = 3 } ]
"#;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("c.toml", text, None).map_err(|error| error.to_string())
}

fn repositories(config: &Config, workload: &str) -> Vec<String> {
    let name = workload.parse().expect("name");
    config.workloads[&name]
        .images
        .iter()
        .map(|image| image.repository.to_string())
        .collect()
}

#[test]
fn a_whole_configuration_is_read() {
    let config = parse(GOOD).expect("good");
    assert_eq!(
        repositories(&config, "workspace-server"),
        [
            "ghcr.io/molecule-ai/platform",
            "registry.fly.io/molecule-tenant"
        ]
    );
    let strategy = &config.strategies[&"careful".parse().expect("name")];
    assert_eq!(strategy.soak, Some(Duration::from_secs(90)));
    assert_eq!(strategy.stages.len(), 3);
    assert!(
        config
            .strategies
            .contains_key(&"default".parse().expect("name"))
    );
}

#[test]
fn the_built_in_catalog_is_the_one_that_pipelines_use() {
    let config = Config::load(None, None).expect("built in");
    assert_eq!(config.workloads.len(), 11);
    assert_eq!(
        repositories(&config, "pinion-agent"),
        ["ghcr.io/molecule-ai/pinion-agent"],
        "and the agents themselves"
    );
    assert_eq!(
        repositories(&config, "gemini-cli"),
        ["ghcr.io/molecule-ai/workspace-template-gemini-cli"]
    );
    assert_eq!(
        repositories(&config, "workspace-server"),
        [
            "ghcr.io/molecule-ai/platform",
            "registry.fly.io/molecule-tenant"
        ]
    );
}

#[test]
fn one_variable_moves_every_image_of_the_default_registry() {
    for (prefix, codex) in [
        (
            "004947743811.dkr.ecr.us-east-2.amazonaws.com",
            "004947743811.dkr.ecr.us-east-2.amazonaws.com/workspace-template-codex",
        ),
        (
            "10.251.0.1:5000",
            "10.251.0.1:5000/workspace-template-codex",
        ),
        (
            "registry.example/a/b",
            "registry.example/a/b/workspace-template-codex",
        ),
    ] {
        let config = Config::load(None, Some(prefix)).expect("good prefix");
        assert_eq!(repositories(&config, "codex"), [codex]);
    }
    let error = Config::load(None, Some("https://ghcr.io"))
        .expect_err("a scheme")
        .to_string();
    assert!(
        error.contains("MOLECULE_IMAGE_REGISTRY") && error.contains("host[:port]"),
        "{error}"
    );
}

/// What is replaced in [`GOOD`], by what, and what the error must say.
const BAD: &[(&str, &str, &[&str])] = &[
    (
        "default_registry = \"ghcr\"",
        "default_registy = \"ghcr\"",
        &["default_registy", "did you mean \"default_registry\"?"],
    ),
    (
        "default_registry = \"ghcr\"",
        "default_registry = \"ecr\"",
        &["default_registry", "one of fly, ghcr", "\"ecr\""],
    ),
    (
        "default_registry = \"ghcr\"",
        "",
        &["default_registry", "is missing", "one of fly, ghcr"],
    ),
    (
        "default_registry = \"ghcr\"",
        "default_registry = 7",
        &["default_registry", "a string", "7"],
    ),
    (
        "ghcr.io/molecule-ai",
        "https://ghcr.io",
        &["registry.ghcr.prefix", "without a scheme"],
    ),
    (
        "ghcr.io/molecule-ai",
        "ghcr.io/",
        &["registry.ghcr.prefix", "slash"],
    ),
    (
        "prefix = \"registry.fly.io\"",
        "prefixes = \"registry.fly.io\"",
        &["registry.fly.prefixes", "did you mean \"prefix\"?"],
    ),
    (
        "[workload.workspace-server]",
        "[workload.Workspace]",
        &["workload.Workspace", "a-z"],
    ),
    (
        "fly = \"molecule-tenant\"",
        "fli = \"molecule-tenant\"",
        &[
            "workload.workspace-server.images.fli",
            "did you mean \"fly\"?",
            "one of fly, ghcr",
        ],
    ),
    (
        "fly = \"molecule-tenant\"",
        "fly = \"molecule-tenant:latest\"",
        &["images.fly", "without scheme, tag or digest"],
    ),
    (
        "images = {",
        "image = {",
        &[
            "workload.workspace-server.image",
            "did you mean \"images\"?",
        ],
    ),
    (
        "rollout = \"auto\"",
        "rollout = \"always\"",
        &[
            "workload.workspace-server.rollout",
            "\"manual\", \"auto\"",
            "\"always\"",
        ],
    ),
    (
        "strategy = \"careful\"",
        "strategy = \"carefull\"",
        &[
            "workload.workspace-server.strategy",
            "one of careful, default",
        ],
    ),
    (
        "rollout = \"auto\"",
        "local_tag = \"a b\"",
        &["workload.workspace-server.local_tag", "1 to 128"],
    ),
    (
        "on_failure = \"rollback\"",
        "on_failure = \"explode\"",
        &["strategy.careful.on_failure", "\"halt\", \"rollback\""],
    ),
    (
        "soak = \"90s\"",
        "soak = 90",
        &["strategy.careful.soak", "\"5m\"", "90"],
    ),
    (
        "soak = \"90s\"",
        "soak = \"soon\"",
        &["strategy.careful.soak", "\"soon\""],
    ),
    (
        "soak = \"90s\"",
        "min_healthy = \"5m\"",
        &["strategy.careful.min_healthy", "healthy_deadline"],
    ),
    (
        "soak = \"90s\"",
        "healthy_deadline = \"10m\"",
        &["strategy.careful.healthy_deadline", "progress_deadline"],
    ),
    (
        "\"25%\"",
        "\"125%\"",
        &["strategy.careful.max_in_flight", "\"10%\""],
    ),
    (
        "\"25%\"",
        "0",
        &["strategy.careful.max_in_flight", "at least 1"],
    ),
    (
        "count = 1,",
        "",
        &[
            "strategy.careful.stage[0]",
            "exactly one of count, percent, selector, rest",
        ],
    ),
    (
        "count = 1,",
        "count = 1, rest = true,",
        &["strategy.careful.stage[0]", "it has 2"],
    ),
    (
        "count = 1,",
        "count = 0,",
        &["strategy.careful.stage[0].count", "from 1"],
    ),
    (
        "count = 1,",
        "percent = 60,",
        &["strategy.careful.stage[1].percent", "more than 60"],
    ),
    (
        "count = 1,",
        "rest = true,",
        &["strategy.careful.stage[1]", "overlaps stage 1"],
    ),
    (
        "name = \"canary\"",
        "nam = \"canary\"",
        &["strategy.careful.stage[0].nam", "did you mean \"name\"?"],
    ),
    (
        "approval = \"manual\"",
        "approval = true",
        &["strategy.careful.stage[1].approval", "a string"],
    ),
    (
        "percent = 50,",
        "selector = { \"Region\" = \"ord\" },",
        &["strategy.careful.stage[1].selector", "\"Region\""],
    ),
    ("[strategy.careful]", "[strategy.careful", &["not TOML"]),
];

#[test]
fn every_error_names_the_file_the_key_and_what_is_allowed() {
    for (from, to, parts) in BAD {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from} is not in the good file");
        let error = parse(&text).expect_err(to);
        assert!(error.starts_with("c.toml: "), "{error}");
        for part in *parts {
            assert!(error.contains(part), "{to}: {error} lacks {part}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/c.toml")), None).expect_err("no file");
    assert!(error.to_string().contains("/nowhere/c.toml"), "{error}");
}

#[test]
fn two_workloads_cannot_own_one_image() {
    let text = GOOD.to_owned() + "[workload.other]\nimages = { ghcr = \"platform\" }\n";
    let error = parse(&text).expect_err("twice");
    assert!(
        error.contains("workload.workspace-server.images") && error.contains("other"),
        "{error}"
    );
}
