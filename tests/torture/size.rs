//! How much of it.

use std::time::Duration;

use harness::fleet::CONFIGURATION;

/// Long enough for anything on a busy machine; a condition that holds is seen at once.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// The tests' strategy with all machines in one stage, and time for an engine's own calls to end.
pub(crate) fn configuration() -> String {
    let stages = "{ count = 1 }, { percent = 50 }, ";
    CONFIGURATION.replace(stages, "").replace(
        r#"progress_deadline = "60s""#,
        r#"progress_deadline = "120s""#,
    )
}

/// The short form's number, or the long one's.
pub(crate) fn of<T>(short: T, long: T) -> T {
    let asked = std::env::var("PINION_TORTURE").unwrap_or_default();
    match asked.as_str() {
        "" | "short" => short,
        "long" => long,
        other => panic!("PINION_TORTURE is {other:?}; it may be short or long"),
    }
}
