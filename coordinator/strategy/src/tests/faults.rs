use pinion_model::Timestamp;

use super::name;
use crate::read_file;

fn refused(text: &str) -> Vec<String> {
    let error = read_file("c.toml", text, &name(), Timestamp(0)).expect_err(text);
    error.to_string().lines().map(str::to_owned).collect()
}

/// Each line begins with one of these.
fn assert_begins(lines: &[String], beginnings: &[&str]) {
    assert_eq!(lines.len(), beginnings.len(), "{lines:#?}");
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line}\nis not {beginning}");
    }
}

const UNREADABLE: &str = r#"
soack = "5m"
on_failure = "explode"
soak = 5
max_in_flight = "125%"
after = ["codex", "Codex"]
budgets = { pulls = 1, health = "many" }
prefetch = { max_in_flight = "no", budget = 1 }
stage = [
    { count = 1, rest = true, nam = "canary" },
    { percent = 200, approval = "never", checks = [ { http = {} }, { name = "x" } ] },
]
window = [ { start = "25:00", days = ["mon", "sunday"], time_zone = "Europe/Bonn" } ]
freeze = [ { from = "soon", until = 7 } ]
"#;

#[test]
fn every_key_that_cannot_be_read_is_told_with_its_path() {
    assert_begins(
        &refused(UNREADABLE),
        &[
            "c.toml: soack: is no key here; did you mean \"soak\"?",
            "c.toml: stage[0].nam: is no key here; did you mean \"name\"?",
            "c.toml: stage[0]: must have exactly one of count, percent, selector, rest; it has 2",
            "c.toml: stage[1].percent: ",
            "c.toml: stage[1].approval: must be one of \"automatic\", \"manual\"",
            "c.toml: stage[1].checks[0].name: is missing",
            "c.toml: stage[1].checks[0].http.url: is missing",
            "c.toml: stage[1].checks[1]: must have exactly one of prometheus, http",
            "c.toml: prefetch.budget: is no key here",
            "c.toml: prefetch.max_in_flight: ",
            "c.toml: on_failure: must be one of \"halt\", \"rollback\"",
            "c.toml: max_in_flight: ",
            "c.toml: budgets.pulls: is no key here; did you mean \"pull\"?",
            "c.toml: budgets.health: ",
            "c.toml: soak: must be a duration in quotes",
            "c.toml: after[1]: ",
            "c.toml: window[0].days[1]: ",
            "c.toml: window[0].start: ",
            "c.toml: window[0].duration: is missing",
            "c.toml: window[0].time_zone: ",
            "c.toml: freeze[0].from: ",
            "c.toml: freeze[0].until: ",
            "c.toml: freeze[0].reason: is missing",
        ],
    );
}

const SENSELESS: &str = r#"
[strategy.careful]
min_healthy = "6m"
max_in_flight = 0
quarantine_after = 0
[[strategy.careful.stage]]
rest = true
failure_budget = 1
[[strategy.careful.stage]]
percent = 50
[[strategy.careful.window]]
start = "22:00"
duration = "30s"
time_zone = "UTC"
"#;

#[test]
fn everything_that_makes_no_sense_is_told_by_the_paths_of_the_document() {
    let readable = SENSELESS.replace("quarantine_after = 0\n", "");
    let lines = refused(&readable);
    for path in [
        "min_healthy: ",
        "max_in_flight: ",
        "stage[1]",
        "window[0].duration: ",
    ] {
        let path = format!("c.toml: strategy.careful.{path}");
        assert!(
            lines.iter().any(|line| line.starts_with(&path)),
            "{path}\n{lines:#?}"
        );
    }
    // What cannot be read is told before anything is judged by it.
    assert_begins(
        &refused(SENSELESS),
        &["c.toml: strategy.careful.quarantine_after: "],
    );
}

#[test]
fn a_file_that_is_for_something_else_is_told_apart() {
    let broken = refused("soak = ");
    assert!(broken[0].starts_with("c.toml: not TOML: "), "{broken:#?}");
    let other = "[strategy.quick]\n[strategy.slow]\n";
    let has = "c.toml: strategy.careful: is not in this file, which has quick, slow";
    assert_begins(&refused(other), &[has]);
    let beside = "soak = \"5m\"\n[strategy.careful]\n";
    assert_begins(&refused(beside), &["c.toml: soak: is no key here"]);
    assert_begins(
        &refused("strategy = 7"),
        &["c.toml: strategy: must be a table"],
    );
}
