//! Asks a container whether it serves.
//!
//! ```text
//!   tcp, http ─▶ its address on its first network, as the engine tells
//!                host network: 127.0.0.1 · another's network: that container's address
//!   exec      ─▶ the engine's exec, without a terminal and without a shell
//! ```
//!
//! What the container does (refuses, is silent, answers 503, exits with 1) is
//! a failure; what keeps us from asking it (the engine) is unknown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pinion_workload::ContainerId;
use pinion_workload::probe::{Probe, ProbeAnswer};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{Docker, errors};
use crate::driver::{Driver as _, EngineError};

/// Between two looks at a command that runs.
const LOOK: Duration = Duration::from_millis(100);
/// Whose network a container may share, which may share another's.
const DEPTH: usize = 3;

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

/// A status from 200 to 399; what else is in the answer is not read.
async fn get(stream: TcpStream, at: SocketAddr, path: &str) -> Result<(), String> {
    let broken =
        |error: &dyn std::error::Error| format!("{at} answers no HTTP: {}", errors::chain(error));
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    let request = Request::get(path)
        .header(header::HOST, at.to_string())
        .header(header::USER_AGENT, "pinion-agent")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let response = tokio::select! {
        response = sender.send_request(request) => response,
        Err(error) = connection => Err(error),
    };
    let status = response.map_err(|error| broken(&error))?.status().as_u16();
    match status {
        200..400 => Ok(()),
        _ => Err(format!("{at} answers {status} to GET {path}")),
    }
}

/// None where it has none: its network is "none".
async fn address(docker: &Docker, id: &ContainerId) -> Result<Option<IpAddr>, EngineError> {
    let mut id = id.clone();
    for _ in 0..DEPTH {
        let inspect = docker.inspect(&id).await?;
        let mode = inspect["HostConfig"]["NetworkMode"]
            .as_str()
            .unwrap_or_default();
        if mode == "host" {
            return Ok(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        match mode.strip_prefix("container:") {
            Some(other) => id = ContainerId(other.to_owned()),
            None => return Ok(first_address(&inspect["NetworkSettings"]["Networks"], mode)),
        }
    }
    Ok(None)
}

/// On the network that it was made for, else on the first by name that has one.
fn first_address(networks: &Value, mode: &str) -> Option<IpAddr> {
    let mode = if mode == "default" { "bridge" } else { mode };
    let of = |endpoint: &Value| {
        let texts = ["IPAddress", "GlobalIPv6Address"].map(|key| endpoint[key].as_str());
        texts
            .into_iter()
            .flatten()
            .find_map(|text| text.parse().ok())
    };
    let all = networks.as_object()?;
    let made_for = all.get(mode).and_then(of);
    made_for.or_else(|| all.values().find_map(of))
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
    fn the_address_is_that_of_the_network_that_it_was_made_for() {
        let networks = json!({
            "a": { "IPAddress": "10.0.0.2" }, "b": { "IPAddress": "10.1.0.2" },
            "bridge": { "IPAddress": "172.17.0.2" }, "none": { "IPAddress": "" },
            "six": { "IPAddress": "", "GlobalIPv6Address": "fd00::2" },
        });
        let of = |mode| first_address(&networks, mode).map(|address| address.to_string());
        assert_eq!(of("b").as_deref(), Some("10.1.0.2"));
        assert_eq!(of("default").as_deref(), Some("172.17.0.2"));
        assert_eq!(of("six").as_deref(), Some("fd00::2"));
        assert_eq!(of("gone").as_deref(), Some("10.0.0.2"));
        assert_eq!(
            first_address(&json!({ "none": { "IPAddress": "" } }), "none"),
            None
        );
        assert_eq!(first_address(&Value::Null, "none"), None);
    }

    #[test]
    fn only_the_code_0_is_a_pass() {
        assert_eq!(meant(0), ProbeAnswer::Passed);
        for code in [1, 75, 126, 127, 137, -1] {
            assert!(matches!(meant(code), ProbeAnswer::Failed(_)), "{code}");
        }
    }
}
