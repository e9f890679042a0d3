//! What a container said before it failed, as it goes into a report: bounded,
//! and without the secrets that are known.
//!
//! ```text
//!   state, health log ─┐
//!   last lines        ─┼─▶ no control characters ─▶ no secrets ─▶ whole lines, the newest, 32 KiB
//!   env, credentials  ─┘
//! ```
//!
//! Removed are, and nothing else is: values of the container's environment
//! variables whose names [look secret](secrets); passwords in URLs among them;
//! credentials that the agent got for any registry since its start; and what
//! [looks like a token](tokens) whoever owns it.

mod secrets;
mod tail;
mod tokens;

use pinion_model::{Failure, last_lines};
use secrecy::SecretString;

use secrets::Secrets;
pub(crate) use tail::Tail;

/// Bytes of the state and the health log; the log's lines have the rest.
const HEAD_LIMIT: usize = 8 * 1024;
/// Stands where something was removed.
const REMOVED: &str = "[removed]";

/// How a container ended, and what it said, with whatever secrets are in it.
#[derive(Default)]
pub struct LastWords {
    /// Its state, exit code, and the engine's words about it.
    pub state: String,
    /// What its health check said, the newest first.
    pub checks: Vec<String>,
    /// The last lines of its log.
    pub log: String,
    /// Its environment, as `NAME=value`: what is to be removed from the rest.
    pub env: Vec<String>,
}

impl LastWords {
    /// What goes into the report: at most [`Failure::LOG_TAIL_LIMIT`] bytes.
    #[must_use]
    pub fn reported(&self, credentials: &[SecretString]) -> String {
        let secrets = Secrets::of(&self.env, credentials);
        let safe = |text: &str| safe(text, &secrets);
        let head: Vec<String> = [&self.state]
            .into_iter()
            .chain(&self.checks)
            .map(|text| safe(text))
            .collect();
        let head = first_lines(&head.join("\n"), HEAD_LIMIT).to_owned();
        let room = Failure::LOG_TAIL_LIMIT.saturating_sub(head.len() + 1);
        let log = safe(&self.log);
        format!("{head}\n{}", last_lines(&log, room))
    }
}

/// The same of a text that is no container's: without control characters, what
/// is secret in this environment (`NAME=value`), these, and what looks like a token.
pub(crate) fn without_secrets(text: &str, env: &[String], known: &[SecretString]) -> String {
    safe(text, &Secrets::of(env, known))
}

fn safe(text: &str, secrets: &Secrets) -> String {
    tokens::without(&secrets.without(&clean(text)))
}

/// A container's output ends up in an operator's terminal: no control characters but the line's end.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect()
}

/// Whole lines from the beginning; of a first line that is too long, its beginning.
fn first_lines(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = text.floor_char_boundary(limit);
    if text.as_bytes()[end] == b'\n' {
        return &text[..end];
    }
    &text[..text[..end].rfind('\n').unwrap_or(end)]
}

#[cfg(test)]
mod tests;
