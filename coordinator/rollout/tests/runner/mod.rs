//! Plays a scenario: reads its commands, asks the engine, writes the answers
//! between them.
//!
//! ```text
//!   # prose            kept as it is; the first sentence says what is shown
//!   > command          done at the scenario's own instant
//!   | more of it       a fleet, line by line, or strategies in TOML
//!       answer         written by this runner
//! ```
//!
//! After everything that happens the planner is asked, as the coordinator
//! does, and its changes are applied; every plan is checked to be whole. The
//! image that is called `v2` has a digest of `02`s, and is called `v2` again in
//! the answers. Between one event and the next a second passes.

mod bench;
mod fleet;
mod kept;
mod machine;
mod measure;
mod operators;
mod orders;
mod plans;
mod questions;
mod script;
mod shapes;
mod strategy;
mod words;

use bench::Bench;
use script::{Command, Piece};
use words::Words;

/// What a script cannot mean, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) message: String,
}

impl Fault {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

/// The file as it should be: its commands, each with what is answered now.
pub(crate) fn play(text: &str) -> Result<String, Fault> {
    let mut bench = Bench::new();
    let mut out = String::new();
    for piece in script::read(text)? {
        match piece {
            Piece::Prose(line) => {
                out.push_str(&line);
                out.push('\n');
            }
            Piece::Command(command) => {
                let answers = obey(&mut bench, &command).map_err(|fault| Fault {
                    line: command.line + fault.line,
                    message: format!("{}; before it:\n{}", fault.message, tail(&out)),
                })?;
                write(&command, &answers, &mut out);
            }
        }
    }
    Ok(out)
}

/// The last lines: who looks for a fault needs to know where the play was.
fn tail(out: &str) -> String {
    let lines: Vec<_> = out.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Of the command itself; a line of its block is counted from there.
impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { line: 0, message }
    }
}

fn write(command: &Command, answers: &[String], out: &mut String) {
    out.push_str(&format!("> {}\n", command.text));
    for line in &command.block {
        out.push_str(format!("| {line}").trim_end());
        out.push('\n');
    }
    for answer in answers {
        script::indent(answer, out);
    }
}

fn obey(bench: &mut Bench, command: &Command) -> Result<Vec<String>, Fault> {
    let mut words = Words::of(&command.text)?;
    let first = words.peek().unwrap_or_default().to_owned();
    let takes_block = matches!(first.as_str(), "fleet" | "strategy");
    if takes_block == command.block.is_empty() {
        let needs = if takes_block { "needs" } else { "has no" };
        return Err(format!("{first:?} {needs} lines behind \"| \"").into());
    }
    match first.as_str() {
        "fleet" => fleet::enrol(bench, &command.block)?,
        "strategy" => {
            let read = strategy::read(&command.block.join("\n"))?;
            bench.strategies.extend(read);
        }
        "check" => measure::command(bench, &mut words)?,
        "until" => wait_until(bench, &mut words)?,
        word if word.starts_with('+') => wait(bench, &mut words)?,
        word if questions::ALL.contains(&word) => questions::answer(bench, words)?,
        word => {
            bench.tick();
            match operators::ALL.contains(&word) {
                true => operators::command(bench, words)?,
                false => machine::event(bench, words)?,
            }
        }
    }
    Ok(bench.answers())
}

/// `+5m`.
fn wait(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let word = words.next("a duration")?;
    words.end()?;
    let duration = pinion_model::parse_duration(word.trim_start_matches('+'));
    bench.pass(duration.map_err(|error| error.to_string())?);
    Ok(())
}

/// `until 2026-03-29T01:00:00Z`.
fn wait_until(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    words.next("until")?;
    let shapes::Instant(at) = words.parse("an instant")?;
    words.end()?;
    if at <= bench.now {
        return Err(format!("it is {} already", bench.now));
    }
    bench.pass(at.since(bench.now));
    Ok(())
}
