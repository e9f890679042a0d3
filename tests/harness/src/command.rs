//! Commands of the machine, run to their end.

use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

/// A command with the directories of system tools on its path, and nothing on its input.
#[must_use]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"))
        .stdin(Stdio::null());
    command
}

/// Runs `line`, split at spaces, and returns what it printed.
///
/// # Errors
///
/// If it cannot be started or ends with another code than 0; with all that it printed.
pub fn run(line: &str) -> anyhow::Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    run_command(command(program).args(words))
}

/// Runs `command` and returns what it printed on standard output.
///
/// # Errors
///
/// As [`run`].
pub fn run_command(command: &mut Command) -> anyhow::Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` to its end, whatever its exit code.
///
/// # Errors
///
/// If it cannot be started.
pub fn output(command: &mut Command) -> anyhow::Result<Output> {
    command
        .output()
        .with_context(|| format!("start {command:?}"))
}
