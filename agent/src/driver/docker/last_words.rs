//! What a container said before it failed.

use std::time::Duration;

use bollard::Docker as Client;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt as _;
use pinion_model::Failure;
use pinion_workload::ContainerId;
use serde_json::Value;

use crate::words::{LastWords, Tail};

/// Lines asked of the log.
const LINES: &str = "200";

/// Bytes kept of the log: more than a report holds, so that what is removed
/// from it is never half outside.
const KEPT: usize = 2 * Failure::LOG_TAIL_LIMIT;

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
    let mut tail = Tail::of(KEPT);
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
    tail.text()
}

/// What is told of a container and its log; its environment, to be removed from both.
pub(super) fn compose(inspect: &Value, log: String) -> LastWords {
    let entries = inspect["Config"]["Env"].as_array().into_iter().flatten();
    LastWords {
        state: state(&inspect["State"]),
        checks: checks(&inspect["State"]["Health"]["Log"]),
        log,
        env: entries
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
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
    text
}

/// The newest first; the engine keeps five, with 4 KiB of output each.
fn checks(log: &Value) -> Vec<String> {
    let entries = log.as_array().into_iter().flatten().rev();
    let told = |check: &Value| {
        let at = check["Start"].as_str().unwrap_or("?");
        let exit = check["ExitCode"].as_i64().unwrap_or_default();
        let output = check["Output"].as_str().unwrap_or_default().trim_end();
        format!("health check at {at}: exit code {exit}: {output}")
    };
    entries.map(told).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_and_each_check_are_told_with_what_is_to_be_removed() {
        let inspect = json!({
            "Config": { "Env": ["A=1", "B"] },
            "State": {
                "Status": "exited", "ExitCode": 3, "OOMKilled": true, "Error": "boom",
                "Health": { "Log": [
                    { "Start": "t1", "ExitCode": 0, "Output": "" },
                    { "Start": "t2", "ExitCode": 1, "Output": "refused\n" },
                ] },
            },
        });
        let words = compose(&inspect, "the end".to_owned());
        assert_eq!(
            words.state,
            "state: exited, exit code 3, killed for its memory, boom"
        );
        assert_eq!(
            words.checks,
            [
                "health check at t2: exit code 1: refused",
                "health check at t1: exit code 0: "
            ]
        );
        assert_eq!(
            (words.log.as_str(), words.env),
            ("the end", vec!["A=1".to_owned(), "B".to_owned()])
        );
    }
}
