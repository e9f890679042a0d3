//! Asks a container whether it serves.
//!
//! ```text
//!   tcp, http ─▶ where it is reached from this machine
//!   exec      ─▶ the engine's exec, without a terminal and without a shell
//! ```
//!
//! What the container does (refuses, is silent, answers 503, exits with 1) is
//! a failure; what keeps us from asking it (the engine) is unknown.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use pinion_workload::ContainerId;
use pinion_workload::probe::{Probe, ProbeAnswer};
use serde_json::json;
use tokio::net::TcpStream;

use super::Docker;
use crate::driver::{EngineError, address};
use crate::get;

/// Between two looks at a command that runs.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn ask(docker: &Docker, id: &ContainerId, probe: &Probe) -> ProbeAnswer {
    let answer = match probe {
        Probe::Tcp { port } => served(docker, id, *port, None).await,
        Probe::Http { port, path } => served(docker, id, *port, Some(path)).await,
        Probe::Exec { command } => run(docker, id, command).await,
    };
    answer.unwrap_or_else(|error| ProbeAnswer::Unknown(error.to_string()))
}

async fn served(
    docker: &Docker,
    id: &ContainerId,
    port: NonZeroU16,
    path: Option<&str>,
) -> Result<ProbeAnswer, EngineError> {
    let Some(address) = address(docker, id).await? else {
        let why = "the container has no address on any network; probe it with exec:".to_owned();
        return Ok(ProbeAnswer::Failed(why));
    };
    let at = SocketAddr::new(address, port.get());
    let asked = async {
        let stream = TcpStream::connect(at).await;
        let stream = stream.map_err(|error| format!("{at} does not accept: {error}"))?;
        match path {
            Some(path) => get(stream, at, path).await,
            None => Ok(()),
        }
    };
    let silent = |_| {
        Err(format!(
            "{at} did not answer within {} s",
            Probe::TIMEOUT.as_secs()
        ))
    };
    let asked = tokio::time::timeout(Probe::TIMEOUT, asked).await;
    Ok(match asked.unwrap_or_else(silent) {
        Ok(()) => ProbeAnswer::Passed,
        Err(why) => ProbeAnswer::Failed(why),
    })
}

/// A status from 200 to 399.
async fn get(stream: TcpStream, at: SocketAddr, path: &str) -> Result<(), String> {
    match get::status(stream, &at.to_string(), path).await? {
        200..400 => Ok(()),
        status => Err(format!("{at} answers {status} to GET {path}")),
    }
}

/// A command that does not end goes on in the container, where nobody but its
/// engine could end it: no second one begins beside it.
async fn run(
    docker: &Docker,
    id: &ContainerId,
    command: &[String],
) -> Result<ProbeAnswer, EngineError> {
    if let Some(exec) = overdue(docker, |all| all.get(id).cloned()) {
        match ended(docker, &exec).await {
            Ok(None) => {
                let why = "the command of an earlier probe still runs, and no second one is begun"
                    .to_owned();
                return Ok(ProbeAnswer::Failed(why));
            }
            Ok(Some(_)) | Err(EngineError::NotFound(_)) => {
                overdue(docker, |all| drop(all.remove(id)))
            }
            Err(error) => return Err(error),
        }
    }
    let exec = match begin(docker, id, command).await? {
        Ok(exec) => exec,
        Err(why) => return Ok(ProbeAnswer::Failed(why)),
    };
    let waited = async {
        loop {
            if let Some(code) = ended(docker, &exec).await? {
                return Ok(code);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(Probe::TIMEOUT, waited).await {
        Ok(code) => Ok(meant(code?)),
        Err(_) => {
            overdue(docker, |all| drop(all.insert(id.clone(), exec)));
            let seconds = Probe::TIMEOUT.as_secs();
            Ok(ProbeAnswer::Failed(format!(
                "the command did not end within {seconds} s"
            )))
        }
    }
}

fn overdue<T>(
    docker: &Docker,
    look: impl FnOnce(&mut std::collections::BTreeMap<ContainerId, String>) -> T,
) -> T {
    let mut all = docker
        .overdue
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    look(&mut all)
}

/// Which one it is; else why it cannot be run there: an engine may refuse to
/// start what it does not find in the container.
async fn begin(
    docker: &Docker,
    id: &ContainerId,
    command: &[String],
) -> Result<Result<String, String>, EngineError> {
    let link = docker.link().await?;
    let path = format!("/containers/{id}/exec");
    let body = json!({ "Cmd": command, "AttachStdout": false, "AttachStderr": false });
    let answer = link
        .raw
        .post("exec", &format!("container {id}"), &path, &body)
        .await?;
    let Some(exec) = answer["Id"].as_str() else {
        let message = "the answer names no id".to_owned();
        return Err(EngineError::Unknown {
            call: "exec",
            message,
        });
    };
    let (path, body) = (format!("/exec/{exec}/start"), json!({ "Detach": true }));
    let started = link
        .raw
        .post("exec", "the command of a probe", &path, &body);
    match started.await {
        Ok(_) => Ok(Ok(exec.to_owned())),
        Err(EngineError::Refused { message, .. }) => Ok(Err(format!(
            "the command cannot be run in the container: {message}"
        ))),
        Err(error) => Err(error),
    }
}

/// With which code; none while it runs.
async fn ended(docker: &Docker, exec: &str) -> Result<Option<i64>, EngineError> {
    let link = docker.link().await?;
    let path = format!("/exec/{exec}/json");
    let answer = link
        .raw
        .get("exec", "the command of a probe", &path)
        .await?;
    Ok(match answer["Running"].as_bool() {
        Some(false) => answer["ExitCode"].as_i64(),
        _ => None,
    })
}

fn meant(code: i64) -> ProbeAnswer {
    match code {
        0 => ProbeAnswer::Passed,
        126 | 127 => ProbeAnswer::Failed(format!(
            "the command cannot be run in the container (exit code {code}): is the program there?"
        )),
        _ => ProbeAnswer::Failed(format!("the command exits with code {code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_0_is_a_pass() {
        assert_eq!(meant(0), ProbeAnswer::Passed);
        for code in [1, 75, 126, 127, 137, -1] {
            assert!(matches!(meant(code), ProbeAnswer::Failed(_)), "{code}");
        }
    }
}
