//! The guide for people on call knows every failure and every phase there is.

use pinion_model::{AgentPhase, FailureKind};

const GUIDE: &str = include_str!("../../deploy/operations.md");

/// The rows of the table below a heading, each with the word of its first cell.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let part = GUIDE.split(heading).nth(1).expect("the heading is there");
    let rows = part.lines().filter(|line| line.starts_with("| **"));
    let part_ends = part.find("\n## ").unwrap_or(part.len());
    rows.filter(|row| part[..part_ends].contains(row))
        .map(|row| {
            let word = row.trim_start_matches("| **").split("**").next();
            (word.expect("a word"), row)
        })
        .collect()
}

#[test]
fn every_kind_of_failure_is_explained() {
    let rows = rows("## Kinds of failure");
    let words: Vec<&str> = rows.iter().map(|(word, _)| *word).collect();
    let known: Vec<&str> = FailureKind::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(
        words, known,
        "the table has each once, in the model's order"
    );
    for (word, row) in rows {
        let cells: Vec<&str> = row.replace("\\|", "/").leak().split('|').collect();
        assert_eq!(cells.len(), 6, "{word} has its four cells");
        assert!(
            cells[1..5].iter().all(|cell| cell.trim().len() > 4),
            "{word}"
        );
    }
}

#[test]
fn every_phase_is_explained_and_those_that_failed_say_what_to_do() {
    for phase in AgentPhase::ALL {
        let word = format!("**{}**", phase.word());
        assert!(GUIDE.contains(&word), "{word} is not explained");
    }
    let rows = rows("## Phases that ask for somebody");
    let words: Vec<&str> = rows.iter().map(|(word, _)| *word).collect();
    let terminal = AgentPhase::ALL.iter().filter(|phase| phase.is_terminal());
    for phase in terminal.filter(|phase| **phase != AgentPhase::Settled) {
        assert!(words.contains(&phase.word()), "{phase} has no row");
    }
}

#[test]
fn the_readme_leads_there() {
    assert!(include_str!("../../README.md").contains("(deploy/operations.md)"));
}
