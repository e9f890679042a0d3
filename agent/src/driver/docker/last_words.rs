//! What a container said before it failed.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::Docker as Client;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt as _;
use pinion_model::Failure;
use pinion_workload::ContainerId;
use serde_json::Value;

/// Lines asked of the log.
const LINES: &str = "200";

/// Bytes kept of the state and the health log; the log has the rest.
const STATE_LIMIT: usize = 8 * 1024;

/// How long the log may take; what has come by then counts.
const LIMIT: Duration = Duration::from_secs(10);

/// The end of the log, or why there is none.
pub(super) async fn log(client: &Client, id: &ContainerId) -> String {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: LINES.to_owned(),
        ..Default::default()
    };
    let mut stream = std::pin::pin!(client.logs(&id.0, Some(options)));
    let mut tail = Tail::default();
    let read = async {
        while let Some(part) = stream.next().await {
            match part {
                Ok(part) => tail.push(&part.into_bytes()),
                Err(error) => {
                    return tail.push(format!("(the log cannot be read: {error})").as_bytes());
                }
            }
        }
    };
    if tokio::time::timeout(LIMIT, read).await.is_err() {
        tail.push(b"(the log did not end in time)");
    }
    tail.into_text()
}

/// The state, the health log and the log, at most what a report may hold.
pub(super) fn compose(inspect: &Value, log: &str) -> String {
    let mut text = clean(&state(&inspect["State"]));
    text.truncate(boundary(&text, STATE_LIMIT));
    let room = Failure::LOG_TAIL_LIMIT.saturating_sub(text.len() + 1);
    let log = clean(log);
    let from = log.len().saturating_sub(room);
    let from = (from..=log.len())
        .find(|at| log.is_char_boundary(*at))
        .unwrap_or(log.len());
    format!("{text}\n{}", &log[from..])
}

fn state(state: &Value) -> String {
    let mut text = format!("state: {}", state["Status"].as_str().unwrap_or("unknown"));
    text.push_str(&format!(
        ", exit code {}",
        state["ExitCode"].as_i64().unwrap_or_default()
    ));
    if state["OOMKilled"] == true {
        text.push_str(", killed for its memory");
    }
    if let Some(error) = state["Error"].as_str().filter(|error| !error.is_empty()) {
        text.push_str(&format!(", {error}"));
    }
    for check in state["Health"]["Log"]
        .as_array()
        .into_iter()
        .flatten()
        .rev()
    {
        let (at, output) = (check["Start"].as_str(), check["Output"].as_str());
        let exit = check["ExitCode"].as_i64().unwrap_or_default();
        let output = output.unwrap_or_default().trim_end();
        text.push_str(&format!(
            "\nhealth check at {}: exit code {exit}: {output}",
            at.unwrap_or("?")
        ));
    }
    text
}

fn boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// A container's output ends up in an operator's terminal: no control characters but the line's end.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect()
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let over = self.0.len().saturating_sub(Failure::LOG_TAIL_LIMIT);
        self.0.drain(..over);
    }

    fn into_text(self) -> String {
        String::from_utf8_lossy(&Vec::from(self.0)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_health_log_comes_first_and_the_end_of_the_log_is_kept() {
        let inspect = json!({ "State": {
            "Status": "exited", "ExitCode": 3, "OOMKilled": true, "Error": "boom",
            "Health": { "Log": [{ "Start": "t1", "ExitCode": 1, "Output": "refused\n" }] },
        } });
        let words = compose(&inspect, &format!("{}the end", "é".repeat(40_000)));
        assert!(words.starts_with("state: exited, exit code 3, killed for its memory, boom\nhealth check at t1: exit code 1: refused\n"), "{words}");
        assert!(words.ends_with("the end"));
        assert!(words.len() <= Failure::LOG_TAIL_LIMIT);
    }

    #[test]
    fn what_would_steer_a_terminal_is_left_out() {
        assert_eq!(
            compose(&json!({}), "a\x1b[2J\r\n\0b"),
            "state: unknown, exit code 0\na[2J\nb"
        );
    }

    #[test]
    fn a_torn_character_at_the_cut_does_no_harm() {
        let mut tail = Tail::default();
        tail.push("é".repeat(Failure::LOG_TAIL_LIMIT).as_bytes());
        tail.push(b"x");
        assert!(tail.into_text().ends_with("éx"));
    }
}
