//! How the demo speaks.

use std::io::IsTerminal as _;
use std::process::Command;

/// Announces a step.
pub(crate) fn step(number: usize, text: &str) {
    match std::io::stdout().is_terminal() {
        true => println!("\n\x1b[1m{number}. {text}\x1b[0m"),
        false => println!("\n{number}. {text}"),
    }
}

/// Says something.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Says something that belongs to the step before.
pub(crate) fn detail(text: &str) {
    text.lines().for_each(|line| println!("   {line}"));
}

/// Shows the command that is about to run.
pub(crate) fn command(text: &str) {
    println!("   $ {text}");
}

/// Runs `command` with its output where ours goes, and returns its exit code.
pub(crate) fn show(command: &mut Command) -> anyhow::Result<Option<i32>> {
    Ok(command.status()?.code())
}
