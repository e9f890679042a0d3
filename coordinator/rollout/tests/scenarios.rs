//! The scenarios in `tests/scenarios`: transcripts that are read as
//! documentation and played as tests.
//!
//! `UPDATE=1 cargo test -p pinion-rollout --test scenarios` writes anew what
//! the engine answers; the review of that change is the test's other half.

mod runner;

use std::path::{Path, PathBuf};

use runner::{Fault, play};

fn scenarios() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(&directory).expect("the directory of scenarios");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry of it").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

/// What differs, a few lines of context around it.
fn difference(path: &Path, written: &str, played: &str) -> String {
    similar::TextDiff::from_lines(written, played)
        .unified_diff()
        .context_radius(4)
        .header(&path.display().to_string(), "what the engine answers now")
        .to_string()
}

fn check(path: &Path, update: bool) -> Result<(), String> {
    let written = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let played = play(&written)
        .map_err(|Fault { line, message }| format!("{}:{line}: {message}", path.display()))?;
    if played == written {
        return Ok(());
    }
    if update {
        return std::fs::write(path, played).map_err(|error| error.to_string());
    }
    Err(difference(path, &written, &played))
}

#[test]
fn every_scenario_plays_as_it_is_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let files = scenarios();
    assert!(!files.is_empty(), "there are no scenarios");
    let wrong: Vec<_> = files
        .iter()
        .filter_map(|path| check(path, update).err())
        .collect();
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE=1 cargo test -p pinion-rollout --test scenarios writes the answers anew",
        wrong.join("\n")
    );
}

#[test]
fn the_table_of_what_the_engine_can_do_names_every_scenario() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let table = std::fs::read_to_string(directory.join("README.md")).expect("the table");
    let unnamed: Vec<_> = scenarios()
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| !table.contains(&format!("`{name}`")))
        .collect();
    assert!(unnamed.is_empty(), "README.md lacks {unnamed:?}");
}

#[test]
fn what_a_script_cannot_mean_is_refused_with_its_line() {
    let fleet = "# It opens with a sentence.\n> fleet\n| m1..m2 runs v1\n";
    for (rest, line, part) in [
        ("> dance", 4, "\"dance\" is neither a command nor a machine"),
        ("> m3 settles", 4, "there is no machine \"m3\""),
        ("> m1 sings", 4, "\"sings\" is nothing that a machine does"),
        ("> m1 settles", 4, "nothing is asked of it"),
        (
            "> start with nothing",
            4,
            "there is no strategy \"nothing\"",
        ),
        (
            "> fleet\n| m1 runs v1",
            5,
            "there is a machine \"m1\" already",
        ),
        ("> fleet\n| m7 walks v1", 5, "\"walks\""),
        ("> +ten", 4, "a duration"),
        ("> plan please", 4, "\"please\" is one word too many"),
        ("m1 settles", 4, "a line is"),
        ("| m1", 4, "belongs to no command"),
        (
            "> strategy\n| [strategy.x]\n| speed = 1",
            6,
            "unknown field `speed`",
        ),
    ] {
        let fault = play(&format!("{fleet}\n{rest}\n"));
        let Err(fault) = fault else {
            panic!("{rest:?} was taken");
        };
        assert_eq!(fault.line, line + 1, "{rest:?}: {}", fault.message);
        assert!(fault.message.contains(part), "{rest:?}: {}", fault.message);
    }
    let untold = play("> fleet\n| m1 runs v1\n").expect_err("it does not say what it shows");
    assert!(untold.message.contains("opens with a sentence"));
}
