//! How much of it, and from which seed.

use std::time::Duration;

/// Long enough for anything on a busy machine; a condition that holds is seen at once.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// A strategy in seconds, with all machines in one stage.
pub(crate) const CONFIGURATION: &str = r#"
default_registry = "test"
[registry.test]
prefix = "registry.invalid/molecule-ai"
[workload.workspace-server]
images = { test = "platform" }
rollout = "auto"
strategy = "quick"
[strategy.quick]
on_failure = "halt"
max_in_flight = "100%"
min_healthy = "1s"
healthy_deadline = "20s"
progress_deadline = "120s"
soak = "1s"
stage = [ { rest = true } ]
"#;

/// The short form's number, or the long one's.
pub(crate) fn of<T>(short: T, long: T) -> T {
    let asked = std::env::var("PINION_TORTURE").unwrap_or_default();
    match asked.as_str() {
        "" | "short" => short,
        "long" => long,
        other => panic!("PINION_TORTURE is {other:?}; it may be short or long"),
    }
}

/// The seed that was given, or another one each time; printed, so that it can be given.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("PINION_TEST_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("PINION_TEST_SEED={seed}");
    seed
}
